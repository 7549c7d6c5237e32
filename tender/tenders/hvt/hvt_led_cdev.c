/* SPDX-License-Identifier: ISC */
/*
 * hvt_led_cdev.c: LED lines through the GPIO character device (uAPI v2, Linux
 * 5.10). A line is a descriptor; the kernel frees it when the last copy of the
 * descriptor is closed, and knows who holds it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/gpio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hvt_led.h"

#ifndef HVT_DEV /* the unit tests have their own */
#define HVT_DEV "/dev"
#endif

/* ---- The chips ----------------------------------------------------------- */

static int open_chip(const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), HVT_DEV "/%s", name);
    return open(path, O_RDWR | O_CLOEXEC);
}

static void read_info(const char *name, struct led_chip *chip)
{
    struct gpiochip_info info;
    int fd = open_chip(name);

    *chip = (struct led_chip){ .lines = 0 };
    snprintf(chip->name, sizeof(chip->name), "%.31s", name);
    if (fd < 0 || ioctl(fd, GPIO_GET_CHIPINFO_IOCTL, &info) != 0) {
        snprintf(chip->label, sizeof(chip->label), "%.39s", strerror(errno));
    } else {
        snprintf(chip->label, sizeof(chip->label), "%.32s", info.label);
        chip->lines = info.lines;
    }
    if (fd >= 0)
        close(fd);
}

static size_t list_chips(struct led_chip *chips, size_t max)
{
    DIR *directory = opendir(HVT_DEV);
    const struct dirent *entry;
    size_t count = 0;

    while (directory != NULL && count < max &&
            (entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, "gpiochip", strlen("gpiochip")) == 0)
            read_info(entry->d_name, &chips[count++]);
    if (directory != NULL)
        closedir(directory);
    return count;
}

static void read_chip(struct led_chip *chip)
{
    if (chip->lines == 0) /* then its label is the reason */
        hvt_fail("Cannot read " HVT_DEV "/%s: %s; run the tender as root or in "
                "the group that owns it", chip->name, chip->label);
}

static void describe(struct led *led, char text[LED_TEXT_SIZE])
{
    snprintf(led->label, sizeof(led->label), "GPIO %u (%s)", led->line,
            led->chip.name);
    snprintf(text, LED_TEXT_SIZE, "GPIO %u (chip %s, " HVT_DEV "/%s)", led->line,
            led->chip.label, led->chip.name);
}

/* ---- Taking a line ------------------------------------------------------- */

static void read_consumer(int chip_fd, unsigned line, char consumer[33])
{
    struct gpio_v2_line_info info = { .offset = line };

    consumer[0] = '\0';
    if (ioctl(chip_fd, GPIO_V2_GET_LINEINFO_IOCTL, &info) == 0)
        snprintf(consumer, 33, "%.32s", info.consumer);
}

void led_cdev_consumer(const char *label, unsigned line, char consumer[33])
{
    struct led_chip chips[32];
    size_t count = list_chips(chips, 32);
    int fd;

    consumer[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (strcmp(chips[i].label, label) != 0)
            continue;
        fd = open_chip(chips[i].name);
        if (fd >= 0) {
            read_consumer(fd, line, consumer);
            close(fd);
        }
        return;
    }
}

static void open_nothing(void)
{
}

static int request_line(const struct led *led, int chip_fd)
{
    struct gpio_v2_line_request request = {
        .offsets = { led->line },
        .num_lines = 1,
        .config = {
            .flags = GPIO_V2_LINE_FLAG_OUTPUT,
            .num_attrs = 1,
            .attrs = { {
                .attr = { .id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES,
                    .values = (uint64_t)led_level(led, led->initially_on) },
                .mask = 1,
            } },
        },
    };

    snprintf(request.consumer, sizeof(request.consumer), "solo5-hvt:%.21s",
            led->name);
    if (ioctl(chip_fd, GPIO_V2_GET_LINE_IOCTL, &request) != 0)
        return -1;
    return request.fd;
}

static _Noreturn void refuse_line(const struct led *led, int chip_fd, int error)
{
    char consumer[33];

    if (error == EBUSY) {
        read_consumer(chip_fd, led->line, consumer);
        hvt_fail("%s is in use by '%s'; left alone", led->label, consumer);
    }
    if (error == ENOTTY || error == EINVAL)
        hvt_fail("%s cannot be requested: %s; the kernel must be Linux 5.10 or "
                "newer; --led-backend=sysfs may work", led->label,
                strerror(error));
    hvt_fail("%s cannot be requested: %s", led->label, strerror(error));
}

static void take(struct led *led)
{
    int chip_fd = open_chip(led->chip.name);

    if (chip_fd < 0)
        hvt_fail("Cannot open " HVT_DEV "/%s: %s", led->chip.name,
                strerror(errno));
    led->hold.fds[LED_VALUE] = request_line(led, chip_fd);
    if (led->hold.fds[LED_VALUE] < 0)
        refuse_line(led, chip_fd, errno);
    close(chip_fd);
}

static void be_output(const struct led *led)
{
    (void)led; /* as it was requested */
}

static void allow_nothing(void)
{
}

static void allow(const struct led *led)
{
    hvt_sandbox_allow_ioctl(led->hold.fds[LED_VALUE], GPIO_V2_LINE_SET_VALUES_IOCTL);
    hvt_sandbox_allow_ioctl(led->hold.fds[LED_VALUE], GPIO_V2_LINE_SET_CONFIG_IOCTL);
}

const struct led_backend led_cdev = {
    .name = "cdev",
    .folder = HVT_DEV,
    .advice = "the kernel needs CONFIG_GPIO_CDEV; --led-backend=sysfs may work",
    .list_chips = list_chips,
    .read_chip = read_chip,
    .describe = describe,
    .open = open_nothing,
    .take = take,
    .make_output = be_output,
    .drive = led_cdev_drive,
    .allow_all = allow_nothing,
    .allow = allow,
};
