/* SPDX-License-Identifier: ISC */
/*
 * hvt_led_sysfs.c: LED lines through the kernel's sysfs, as in the paper.
 *
 * Numbers in sysfs are LINE plus the chip's base, which differs between kernels
 * and is looked up. A line that somebody else exported is left alone; one that a
 * dead tender left exported, which its record proves, is taken over.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hvt_led.h"

#ifndef HVT_SYSFS_GPIO /* the unit tests have their own */
#define HVT_SYSFS_GPIO "/sys/class/gpio"
#endif

#define READY_TRIES   200
#define READY_STEP_NS 10000000 /* 200 steps of 10 ms: 2 s */

enum { VALUE, DIRECTION, RECORD }; /* of led->fds */

static int export_fd = -1;
static int unexport_fd = -1;

/* ---- The chips ----------------------------------------------------------- */

/* Reads the first line of a chip's file; an empty text if it cannot. */
static void read_chip_file(const char *chip, const char *file, char *text,
        int size)
{
    char path[PATH_MAX];
    FILE *stream;

    text[0] = '\0';
    snprintf(path, sizeof(path), HVT_SYSFS_GPIO "/%s/%s", chip, file);
    stream = fopen(path, "re");
    if (stream == NULL)
        return;
    if (fgets(text, size, stream) != NULL)
        text[strcspn(text, "\n")] = '\0';
    fclose(stream);
}

static unsigned read_chip_number(const char *chip, const char *file)
{
    char text[32], *end;
    unsigned long number;

    read_chip_file(chip, file, text, sizeof(text));
    number = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || number > INT_MAX)
        hvt_fail("%s/%s/%s: '%s' is no number", HVT_SYSFS_GPIO, chip, file,
                text);
    return (unsigned)number;
}

static void read_label(const char *name, struct led_chip *chip)
{
    snprintf(chip->name, sizeof(chip->name), "%.31s", name);
    read_chip_file(name, "label", chip->label, sizeof(chip->label));
}

static void read_chip(struct led_chip *chip)
{
    chip->base = read_chip_number(chip->name, "base");
    chip->lines = read_chip_number(chip->name, "ngpio");
}

static size_t list_chips(struct led_chip *chips, size_t max)
{
    DIR *directory = opendir(HVT_SYSFS_GPIO);
    const struct dirent *entry;
    size_t count = 0;

    if (directory == NULL)
        hvt_fail("Cannot open " HVT_SYSFS_GPIO ": %s; the kernel needs "
                "CONFIG_GPIO_SYSFS", strerror(errno));
    while (count < max && (entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, "gpiochip", strlen("gpiochip")) == 0)
            read_label(entry->d_name, &chips[count++]);
    closedir(directory);
    return count;
}

static void describe(struct led *led, char text[LED_TEXT_SIZE])
{
    unsigned number = led->chip.base + led->line;

    snprintf(led->key, sizeof(led->key), "gpio%u", number);
    snprintf(led->label, sizeof(led->label), "GPIO %u (sysfs %u)", led->line,
            number);
    snprintf(text, LED_TEXT_SIZE, "GPIO %u (chip %s, base %u, sysfs %u)",
            led->line, led->chip.label, led->chip.base, number);
}

/* ---- Taking a line ------------------------------------------------------- */

static bool write_text(int fd, const char *text)
{
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* The line's number in sysfs, as text. */
static const char *number_of(const struct led *led)
{
    return led->key + strlen("gpio");
}

static int open_control(const char *path, char why[LED_TEXT_SIZE])
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        snprintf(why, LED_TEXT_SIZE, "Cannot open %s: %s; run the tender as "
                "root or in the group that owns it", path, strerror(errno));
    return fd;
}

/* It works without records, too; `why` is a remark then. */
static bool open_controls(char why[LED_TEXT_SIZE])
{
    led_record_open(why);
    export_fd = open_control(HVT_SYSFS_GPIO "/export", why);
    unexport_fd = open_control(HVT_SYSFS_GPIO "/unexport", why);
    return export_fd >= 0 && unexport_fd >= 0;
}

/* 0 if the line is not exported. */
static unsigned long long inode_of(const struct led *led)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof(path), HVT_SYSFS_GPIO "/%s", led->key);
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

static bool refuse_export(const struct led *led, int error,
        char why[LED_TEXT_SIZE])
{
    char consumer[33] = "";

    if (error == EBUSY && inode_of(led) != 0) {
        snprintf(why, LED_TEXT_SIZE, "%s is already exported by somebody else; "
                "not ours, left alone", led->label);
        return false;
    }
    if (error == EBUSY)
        led_cdev_consumer(led->chip.label, led->line, consumer);
    snprintf(why, LED_TEXT_SIZE, "%s cannot be exported: %s%s%s%s", led->label,
            strerror(error),
            error != EBUSY ? "" : *consumer ? "; '" : "; a driver of the kernel",
            consumer, error != EBUSY ? "" : *consumer ? "' uses it" : " uses it");
    return false;
}

static bool refuse_held(const struct led *led, const struct led_holder *holder,
        char why[LED_TEXT_SIZE])
{
    snprintf(why, LED_TEXT_SIZE, "%s is held by another tender: pid %ld, %s",
            led->label, holder->pid, holder->command);
    return false;
}

static bool export_line(struct led *led, char why[LED_TEXT_SIZE])
{
    led_record_write(led->fds[RECORD], 0);
    led->taken = write_text(export_fd, number_of(led));
    if (!led->taken) {
        refuse_export(led, errno, why);
        led_record_remove(led->key, led->fds[RECORD]);
        return false;
    }
    led_record_write(led->fds[RECORD], inode_of(led));
    return true;
}

static bool is_left_over(const struct led *led, const struct led_holder *left)
{
    return left->inode != 0 && left->inode == inode_of(led);
}

static bool take_over(struct led *led, const struct led_holder *left,
        char why[LED_TEXT_SIZE])
{
    snprintf(why, LED_TEXT_SIZE, "%s: taking over what tender %ld, which was "
            "killed, left exported", led->label, left->pid);
    led->taken = true;
    led_record_write(led->fds[RECORD], left->inode);
    return true;
}

static bool own_line(struct led *led, char why[LED_TEXT_SIZE])
{
    struct led_holder holder;

    switch (led_record_lock(led->key, &led->fds[RECORD], &holder)) {
    case LED_RECORD_HELD:
        return refuse_held(led, &holder, why);
    case LED_RECORD_STALE:
        if (is_left_over(led, &holder))
            return take_over(led, &holder, why);
        break;
    default:
        break;
    }
    return export_line(led, why);
}

static bool is_not_ready(void)
{
    return errno == ENOENT || errno == EACCES;
}

/* After an export udev may take a while to hand a line's files to the user. */
static int open_when_ready(const struct led *led, const char *file,
        char why[LED_TEXT_SIZE])
{
    struct timespec step = { .tv_nsec = READY_STEP_NS };
    char path[128];
    int fd;

    snprintf(path, sizeof(path), HVT_SYSFS_GPIO "/%s/%s", led->key, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    for (int i = 0; fd < 0 && is_not_ready() && i < READY_TRIES &&
            !led_guard_is_alone(); i++) {
        nanosleep(&step, NULL);
        fd = open(path, O_WRONLY | O_CLOEXEC);
    }
    if (fd < 0)
        snprintf(why, LED_TEXT_SIZE, "Cannot open %s: %s", path,
                strerror(errno));
    return fd;
}

static bool take(struct led *led, char why[LED_TEXT_SIZE])
{
    int level = led_level(led, led->initially_on);

    if (!own_line(led, why))
        return false;
    led->fds[DIRECTION] = open_when_ready(led, "direction", why);
    if (led->fds[DIRECTION] < 0)
        return false;
    if (!write_text(led->fds[DIRECTION], level ? "high" : "out")) {
        snprintf(why, LED_TEXT_SIZE, "%s cannot be made an output: %s",
                led->label, strerror(errno));
        return false;
    }
    led->fds[VALUE] = open_when_ready(led, "value", why);
    return led->fds[VALUE] >= 0;
}

/* ---- Driving it, and giving it back -------------------------------------- */

static bool drive(const struct led *led, int level)
{
    return pwrite(led->fds[VALUE], level ? "1" : "0", 1, 0) == 1;
}

/* The kernel says so of a file that is open, but whose line is gone. */
static bool was_taken_away(const struct led *led)
{
    return led->fds[VALUE] >= 0 && !drive(led, led_level(led, false)) &&
            errno == ENODEV;
}

/*
 * Some kernels make a freed line an input, others leave an output as it is; so
 * it is made an input before.
 */
static const char *give_back(const struct led *led)
{
    const char *wrong = NULL;

    if (was_taken_away(led)) {
        led_record_remove(led->key, led->fds[RECORD]);
        return " was unexported by somebody else";
    }
    if (led->fds[DIRECTION] >= 0 && !write_text(led->fds[DIRECTION], "in"))
        wrong = " cannot be made an input again";
    if (!write_text(unexport_fd, number_of(led)))
        return " cannot be unexported"; /* and its record stays, for the next */
    led_record_remove(led->key, led->fds[RECORD]);
    return wrong;
}

static void allow_all(void)
{
    hvt_sandbox_allow(SYS_write, unexport_fd);
    led_record_allow_all();
}

static void allow(const struct led *led)
{
    hvt_sandbox_allow(SYS_pwrite64, led->fds[VALUE]);
    hvt_sandbox_allow(SYS_write, led->fds[DIRECTION]);
    led_record_allow(led->fds[RECORD]);
}

const struct led_backend led_sysfs = {
    .name = "sysfs",
    .folder = HVT_SYSFS_GPIO,
    .advice = "the kernel has no driver for one",
    .list_chips = list_chips,
    .read_chip = read_chip,
    .describe = describe,
    .open = open_controls,
    .take = take,
    .drive = drive,
    .give_back = give_back,
    .allow_all = allow_all,
    .allow = allow,
};
