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

static int export_fd, unexport_fd, records_fd;

/* ---- The chips ----------------------------------------------------------- */

/* Reads the first line of a chip's file; an empty text if it cannot. */
static void read_chip_file(const char *chip, const char *file, char *text,
        size_t size)
{
    char path[PATH_MAX];
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), HVT_SYSFS_GPIO "/%s/%s", chip, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    length = fd >= 0 ? read(fd, text, size - 1) : 0;
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (fd >= 0)
        close(fd);
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

    snprintf(led->hold.key, sizeof(led->hold.key), "gpio%u", number);
    snprintf(led->label, sizeof(led->label), "GPIO %u (sysfs %u)", led->line,
            number);
    snprintf(text, LED_TEXT_SIZE, "GPIO %u (chip %s, base %u, sysfs %u)",
            led->line, led->chip.label, led->chip.base, number);
}

/* ---- Taking a line ------------------------------------------------------- */

static int open_control(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        hvt_fail("Cannot open %s: %s; run the tender as root or in the group "
                "that owns it", path, strerror(errno));
    return fd;
}

static void open_controls(void)
{
    records_fd = led_record_open(); /* it works without records, too */
    export_fd = open_control(HVT_SYSFS_GPIO "/export");
    unexport_fd = open_control(HVT_SYSFS_GPIO "/unexport");
}

/* 0 if the line is not exported. */
static unsigned long long inode_of(const struct led *led)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof(path), HVT_SYSFS_GPIO "/%s", led->hold.key);
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

static _Noreturn void refuse_busy(const struct led *led)
{
    char consumer[33] = "";

    if (inode_of(led) != 0)
        hvt_fail("%s is already exported by somebody else; not ours, left alone",
                led->label);
    led_cdev_consumer(led->chip.label, led->line, consumer);
    if (consumer[0] == '\0')
        hvt_fail("%s cannot be exported: %s; a driver of the kernel uses it",
                led->label, strerror(EBUSY));
    hvt_fail("%s cannot be exported: %s; '%s' uses it", led->label,
            strerror(EBUSY), consumer);
}

static void export_line(struct led *led)
{
    int error;

    led_record_write(led->hold.fds[LED_RECORD], 0);
    error = led_guard_export(led);
    if (error != 0)
        led_record_remove(&led->hold);
    if (error == EBUSY)
        refuse_busy(led);
    if (error != 0)
        hvt_fail("%s cannot be exported: %s", led->label, strerror(error));
    led_record_write(led->hold.fds[LED_RECORD], inode_of(led));
}

static bool is_left_over(const struct led *led, const struct led_holder *left)
{
    return left->inode != 0 && left->inode == inode_of(led);
}

static void take_over(struct led *led, const struct led_holder *left)
{
    hvt_say("%s: taking over what tender %ld, which was killed, left exported",
            led->label, left->pid);
    led_guard_hold(led);
    led_record_write(led->hold.fds[LED_RECORD], left->inode);
}

static void own_line(struct led *led)
{
    struct led_holder holder;
    enum led_record record = led_record_lock(led->hold.key,
            &led->hold.fds[LED_RECORD], &holder);

    if (record == LED_RECORD_HELD)
        hvt_fail("%s is held by another tender: pid %ld, %s", led->label,
                holder.pid, holder.command);
    if (record == LED_RECORD_STALE && is_left_over(led, &holder))
        take_over(led, &holder);
    else
        export_line(led);
}

static bool is_not_ready(void)
{
    return errno == ENOENT || errno == EACCES;
}

/* After an export udev may take a while to hand a line's files to the user. */
static int open_when_ready(const struct led *led, const char *file)
{
    struct timespec step = { .tv_nsec = READY_STEP_NS };
    char path[128];
    int fd;

    snprintf(path, sizeof(path), HVT_SYSFS_GPIO "/%s/%s", led->hold.key, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    for (int i = 0; fd < 0 && is_not_ready() && i < READY_TRIES; i++) {
        nanosleep(&step, NULL);
        fd = open(path, O_WRONLY | O_CLOEXEC);
    }
    if (fd < 0)
        hvt_fail("Cannot open %s: %s", path, strerror(errno));
    return fd;
}

static void take(struct led *led)
{
    int *fds = led->hold.fds;

    fds[LED_EXPORT] = export_fd;
    fds[LED_UNEXPORT] = unexport_fd;
    fds[LED_RECORDS] = records_fd;
    own_line(led);
    fds[LED_DIRECTION] = open_when_ready(led, "direction");
    fds[LED_VALUE] = open_when_ready(led, "value");
}

static void make_output(const struct led *led)
{
    int level = led_level(led, led->initially_on);

    if (!led_write_text(led->hold.fds[LED_DIRECTION], level ? "high" : "out"))
        hvt_fail("%s cannot be made an output: %s", led->label, strerror(errno));
}

static void allow_all(void)
{
    hvt_sandbox_allow(SYS_write, unexport_fd);
    led_record_allow_all();
}

static void allow(const struct led *led)
{
    hvt_sandbox_allow(SYS_pwrite64, led->hold.fds[LED_VALUE]);
    hvt_sandbox_allow(SYS_write, led->hold.fds[LED_DIRECTION]);
    led_record_allow(led->hold.fds[LED_RECORD]);
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
    .make_output = make_output,
    .drive = led_sysfs_drive,
    .allow_all = allow_all,
    .allow = allow,
};
