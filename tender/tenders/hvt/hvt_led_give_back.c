/* SPDX-License-Identifier: ISC */
/*
 * hvt_led_give_back.c: what is done to a line by tender and guard alike. It calls
 * only what guard/system.c offers the guard.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvt_led.h"

bool led_write_text(int fd, const char *text)
{
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* ---- Records ------------------------------------------------------------- */

bool led_record_is_still(int folder_fd, int fd, const char *key)
{
    struct stat locked, named;

    return fstat(fd, &locked) == 0 && fstatat(folder_fd, key, &named, 0) == 0 &&
            locked.st_ino == named.st_ino;
}

/* A guard that was stopped until the line was another tender's lets that be. */
void led_record_remove(const struct led_hold *hold)
{
    int folder_fd = hold->fds[LED_RECORDS], fd = hold->fds[LED_RECORD];

    if (fd >= 0 && led_record_is_still(folder_fd, fd, hold->key))
        unlinkat(folder_fd, hold->key, 0);
}

/* ---- sysfs --------------------------------------------------------------- */

bool led_sysfs_drive(const struct led_hold *hold, int level)
{
    return pwrite(hold->fds[LED_VALUE], level ? "1" : "0", 1, 0) == 1;
}

/* The kernel says so of a file that is open, but whose line is gone. */
static bool was_taken_away(const struct led_hold *hold)
{
    return hold->fds[LED_VALUE] >= 0 &&
            !led_sysfs_drive(hold, hold->off_level) && errno == ENODEV;
}

/*
 * Some kernels make a freed line an input, others leave an output as it is; so
 * it is made an input before.
 */
static const char *give_back_sysfs(const struct led_hold *hold)
{
    const char *wrong = NULL;

    if (was_taken_away(hold)) {
        led_record_remove(hold);
        return " was unexported by somebody else";
    }
    if (hold->fds[LED_DIRECTION] >= 0 &&
            !led_write_text(hold->fds[LED_DIRECTION], "in"))
        wrong = " cannot be made an input again";
    if (!led_write_text(hold->fds[LED_UNEXPORT], led_number(hold))) {
        if (!was_taken_away(hold))
            return " cannot be unexported"; /* its record stays, for the next */
        wrong = NULL; /* meanwhile a slow guard, or its tender, has done it all */
    }
    led_record_remove(hold);
    return wrong;
}

/* ---- The character device ------------------------------------------------ */

bool led_cdev_drive(const struct led_hold *hold, int level)
{
    struct gpio_v2_line_values values = { .bits = (uint64_t)level, .mask = 1 };

    return ioctl(hold->fds[LED_VALUE], GPIO_V2_LINE_SET_VALUES_IOCTL,
            &values) == 0;
}

/* What becomes of a freed line is up to its driver; of this one it is known. */
static const char *give_back_cdev(const struct led_hold *hold)
{
    struct gpio_v2_line_config input = { .flags = GPIO_V2_LINE_FLAG_INPUT };

    if (!led_cdev_drive(hold, hold->off_level))
        return " cannot be driven off";
    if (ioctl(hold->fds[LED_VALUE], GPIO_V2_LINE_SET_CONFIG_IOCTL, &input) != 0)
        return " cannot be made an input again";
    return NULL;
}

const char *led_give_back(const struct led_hold *hold)
{
    return hold->is_cdev ? give_back_cdev(hold) : give_back_sysfs(hold);
}
