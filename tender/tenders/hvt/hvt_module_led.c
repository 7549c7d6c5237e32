/* SPDX-License-Identifier: ISC */
/*
 * hvt_module_led.c: LEDs on GPIO lines, driven through the kernel's sysfs.
 *
 * --led:NAME=LINE gives the guest's LED_BASIC device NAME the line LINE of the
 * Raspberry Pi's GPIO chip. Numbers in sysfs are LINE plus the chip's base,
 * which differs between kernels and is looked up. Export and direction happen
 * before the guest starts; at the end, however it comes, the line is driven low
 * and given back. Lines that somebody else exported are left alone.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hvt.h"

#ifndef HVT_SYSFS_GPIO /* the unit tests have their own */
#define HVT_SYSFS_GPIO "/sys/class/gpio"
#endif

#define CHIP_LABEL "pinctrl-bcm2835"
#define LABELS_SIZE 256

#define READY_TRIES   200
#define READY_STEP_NS 10000000 /* 200 steps of 10 ms: 2 s */

struct chip {
    unsigned base;  /* sysfs number of the chip's line 0 */
    unsigned lines; /* how many it has */
};

struct led {
    const char *name;
    uint64_t handle;
    unsigned line;     /* of the chip */
    char sysfs[12];    /* the line's number in sysfs, decimal */
    char label[40];    /* "GPIO 25 (sysfs 483)", for messages */
    bool exported;     /* by us */
    int direction_fd;
    int value_fd;
};

static struct led leds[MFT_MAX_ENTRIES];
static size_t led_count;
static int unexport_fd = -1;

/* ---- The command line ---------------------------------------------------- */

static const char *const option = "--led:";

/* Only digits, so neither signs nor spaces nor hexadecimal. */
static bool parse_line(const char *text, unsigned *line)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *line = (unsigned)value;
    return isdigit((unsigned char)text[0]) && *end == '\0' && value <= INT_MAX;
}

static void refuse_second_grant(const char *arg, const char *name,
        unsigned line)
{
    for (size_t i = 0; i < led_count; i++) {
        if (strcmp(leds[i].name, name) == 0)
            hvt_fail("%s: %s has been given a line already", arg, name);
        if (leds[i].line == line)
            hvt_fail("%s: line %u has been given to %s already", arg, line,
                    leds[i].name);
    }
}

static void grant(struct mft *mft, struct mft_entry *entry, unsigned line)
{
    leds[led_count++] = (struct led){ .name = entry->name, .line = line,
        .handle = (uint64_t)(entry - mft->e),
        .direction_fd = -1, .value_fd = -1 };
    entry->u.led_basic.on = 0; /* the direction "out" drives it low */
    entry->attached = true;
}

static struct mft_entry *find_led(struct mft *mft, const char *arg,
        const char *name, size_t name_length)
{
    char copy[MFT_NAME_SIZE] = "";
    struct mft_entry *entry;

    if (name_length < sizeof(copy))
        memcpy(copy, name, name_length);
    entry = hvt_mft_find(mft, copy, MFT_DEV_LED_BASIC);
    if (copy[0] == '\0' || entry == NULL)
        hvt_fail("%s: Resource not declared in manifest: no LED_BASIC '%.*s'",
                arg, (int)name_length, name);
    return entry;
}

static bool handle_cmdarg(const char *arg, struct mft *mft)
{
    const char *name = arg + strlen(option);
    const char *equals;
    struct mft_entry *entry;
    unsigned line;

    if (strncmp(arg, option, strlen(option)) != 0)
        return false;
    equals = strchr(name, '=');
    if (equals == NULL || !parse_line(equals + 1, &line))
        hvt_fail("%s: must be --led:NAME=LINE with LINE a decimal GPIO number, "
                "such as --led:led0=25", arg);
    entry = find_led(mft, arg, name, (size_t)(equals - name));
    refuse_second_grant(arg, entry->name, line);
    grant(mft, entry, line);
    return true;
}

static void say_how_to_attach(const char *name)
{
    hvt_say("Grant it a line: --led:%s=LINE", name);
}

/* ---- The chip ------------------------------------------------------------ */

static void chip_path(char path[PATH_MAX], const char *chip, const char *file)
{
    snprintf(path, PATH_MAX, HVT_SYSFS_GPIO "/%s/%s", chip, file);
}

/* Reads the first line of a chip's file; an empty text if it cannot. */
static void read_chip_file(const char *chip, const char *file, char *text,
        int size)
{
    char path[PATH_MAX];
    FILE *stream;

    text[0] = '\0';
    chip_path(path, chip, file);
    stream = fopen(path, "re");
    if (stream == NULL)
        return;
    if (fgets(text, size, stream) != NULL)
        text[strcspn(text, "\n")] = '\0';
    fclose(stream);
}

static unsigned read_chip_number(const char *chip, const char *file)
{
    char text[32];
    unsigned number;

    read_chip_file(chip, file, text, sizeof(text));
    if (!parse_line(text, &number))
        hvt_fail("%s/%s/%s: '%s' is no number", HVT_SYSFS_GPIO, chip, file,
                text);
    return number;
}

/* Whether it is our chip; adds its label to `labels`, for the message. */
static bool is_our_chip(const char *chip, char labels[LABELS_SIZE])
{
    char label[64];
    size_t used = strlen(labels);

    read_chip_file(chip, "label", label, sizeof(label));
    snprintf(labels + used, LABELS_SIZE - used, "%s%s", used ? ", " : "",
            label);
    return strcmp(label, CHIP_LABEL) == 0;
}

static bool search_chips(DIR *directory, struct chip *chip,
        char labels[LABELS_SIZE])
{
    const struct dirent *entry;

    while ((entry = readdir(directory)) != NULL) {
        if (strncmp(entry->d_name, "gpiochip", strlen("gpiochip")) != 0 ||
                !is_our_chip(entry->d_name, labels))
            continue;
        chip->base = read_chip_number(entry->d_name, "base");
        chip->lines = read_chip_number(entry->d_name, "ngpio");
        return true;
    }
    return false;
}

static struct chip find_chip(void)
{
    char labels[LABELS_SIZE] = "";
    DIR *directory = opendir(HVT_SYSFS_GPIO);
    struct chip chip;
    bool found;

    if (directory == NULL)
        hvt_fail("Cannot open " HVT_SYSFS_GPIO ": %s; the kernel needs "
                "CONFIG_GPIO_SYSFS", strerror(errno));
    found = search_chips(directory, &chip, labels);
    closedir(directory);
    if (!found)
        hvt_fail("No GPIO chip with label " CHIP_LABEL " in " HVT_SYSFS_GPIO
                "; this host has: %s", labels[0] ? labels : "no chip");
    return chip;
}

/* ---- Taking a line ------------------------------------------------------- */

static bool write_text(int fd, const char *text)
{
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static int open_control(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        hvt_fail("Cannot open %s: %s; run the tender as root or in the group "
                "that owns it", path, strerror(errno));
    return fd;
}

static _Noreturn void refuse_export(const struct led *led, int error)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), HVT_SYSFS_GPIO "/gpio%s", led->sysfs);
    if (error == EBUSY && access(path, F_OK) == 0)
        hvt_fail("%s is already exported by somebody else; not ours, left alone",
                led->label);
    hvt_fail("%s cannot be exported: %s%s", led->label, strerror(error),
            error == EBUSY ? "; a driver of the kernel uses it" : "");
}

static void export_line(struct led *led, int export_fd)
{
    int error;

    hvt_signals_hold();
    led->exported = write_text(export_fd, led->sysfs);
    error = errno;
    hvt_signals_release();
    if (!led->exported)
        refuse_export(led, error);
}

static bool is_not_ready(void)
{
    return errno == ENOENT || errno == EACCES;
}

/* After an export udev may take a while to hand a line's files to the user. */
static int open_when_ready(const struct led *led, const char *file)
{
    struct timespec step = { .tv_nsec = READY_STEP_NS };
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof(path), HVT_SYSFS_GPIO "/gpio%s/%s", led->sysfs, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    for (int i = 0; fd < 0 && is_not_ready() && i < READY_TRIES; i++) {
        nanosleep(&step, NULL);
        fd = open(path, O_WRONLY | O_CLOEXEC);
    }
    if (fd < 0)
        hvt_fail("Cannot open %s: %s", path, strerror(errno));
    return fd;
}

static void take_line(struct led *led, const struct chip *chip, int export_fd)
{
    snprintf(led->sysfs, sizeof(led->sysfs), "%u", chip->base + led->line);
    snprintf(led->label, sizeof(led->label), "GPIO %u (sysfs %s)", led->line,
            led->sysfs);
    export_line(led, export_fd);
    led->direction_fd = open_when_ready(led, "direction");
    if (!write_text(led->direction_fd, "out"))
        hvt_fail("%s cannot be made an output: %s", led->label,
                strerror(errno));
    led->value_fd = open_when_ready(led, "value");
    hvt_sandbox_allow(SYS_write, led->direction_fd);
    hvt_sandbox_allow(SYS_pwrite64, led->value_fd);
    hvt_say("%s: GPIO %u (chip %s, base %u, sysfs %s)", led->name, led->line,
            CHIP_LABEL, chip->base, led->sysfs);
}

static void check_line(const struct led *led, const struct chip *chip)
{
    if (led->line >= chip->lines)
        hvt_fail("--led:%s=%u: the chip " CHIP_LABEL " has lines 0 to %u only",
                led->name, led->line, chip->lines - 1);
}

/* ---- Giving it back ------------------------------------------------------ */

static bool drive(const struct led *led, bool on)
{
    return pwrite(led->value_fd, on ? "1" : "0", 1, 0) == 1;
}

static int complain(const struct led *led, const char *what)
{
    hvt_say_texts(led->label, what);
    return -1;
}

/* The kernel says so of a file that is open, but whose line is gone. */
static bool was_taken_away(const struct led *led)
{
    return led->value_fd >= 0 && !drive(led, false) && errno == ENODEV;
}

/*
 * Some kernels make a freed line an input, others leave an output as it is; so
 * it is made an input before.
 */
static int release_line(const struct led *led)
{
    int rc = 0;

    if (was_taken_away(led))
        return complain(led, " was unexported by somebody else");
    if (led->direction_fd >= 0 && !write_text(led->direction_fd, "in"))
        rc = complain(led, " cannot be made an input again");
    if (!write_text(unexport_fd, led->sysfs))
        rc = complain(led, " cannot be unexported");
    return rc;
}

static int release_lines(void)
{
    int rc = 0;

    for (size_t i = 0; i < led_count; i++)
        if (leds[i].exported && release_line(&leds[i]) != 0)
            rc = -1;
    return rc;
}

/* ---- The hypercall ------------------------------------------------------- */

static const struct led *led_of(uint64_t handle)
{
    for (size_t i = 0; i < led_count; i++)
        if (leds[i].handle == handle)
            return &leds[i];
    return NULL;
}

static void hypercall_led_set(struct hvt *hvt, void *arg)
{
    struct hvt_hc_led_set *hc = arg;
    const struct led *led = led_of(hc->handle);

    (void)hvt;
    if (led == NULL || hc->on > 1)
        hc->ret = HVT_R_EINVAL;
    else
        hc->ret = drive(led, hc->on) ? HVT_R_OK : HVT_R_EUNSPEC;
}

static void setup(struct hvt *hvt, struct mft *mft)
{
    struct chip chip;
    int export_fd;

    (void)hvt, (void)mft;
    if (led_count == 0)
        return;
    chip = find_chip();
    for (size_t i = 0; i < led_count; i++)
        check_line(&leds[i], &chip);
    export_fd = open_control(HVT_SYSFS_GPIO "/export");
    unexport_fd = open_control(HVT_SYSFS_GPIO "/unexport");
    hvt_at_exit(release_lines);
    for (size_t i = 0; i < led_count; i++)
        take_line(&leds[i], &chip, export_fd);
    close(export_fd);
    hvt_sandbox_allow(SYS_write, unexport_fd);
    hvt_register_hypercall(HVT_HYPERCALL_LED_SET, &(struct hvt_handler){
            hypercall_led_set, sizeof(struct hvt_hc_led_set), true });
}

DECLARE_MODULE(led) = {
    .name = "led",
    .type = MFT_DEV_LED_BASIC,
    .type_name = "LED_BASIC",
    .handle_cmdarg = handle_cmdarg,
    .setup = setup,
    .usage = "--led:NAME=LINE     let the LED NAME drive GPIO line LINE of "
            CHIP_LABEL,
    .say_how_to_attach = say_how_to_attach,
};
