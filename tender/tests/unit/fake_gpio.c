/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fake_gpio.h"
#include "unit.h"

#define LINES 54

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
int __wrap_nanosleep(const struct timespec *request, struct timespec *remaining);
int __wrap_memfd_create(const char *name, unsigned flags);

static struct fake_gpio_defect fake_gpio_defect;
size_t fake_write_limit;

static unsigned chip_base;
static char log_path[PATH_MAX]; /* the guard closes what it did not open itself */
static pid_t tender;

static void make_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    EXPECT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void make_chip(unsigned base, const char *label, unsigned lines)
{
    char path[PATH_MAX], text[32];

    snprintf(path, sizeof(path), "gpio/gpiochip%u", base);
    EXPECT(mkdir(path, 0700) == 0 && chdir(path) == 0);
    make_file("label", label);
    snprintf(text, sizeof(text), "%u\n", base);
    make_file("base", text);
    snprintf(text, sizeof(text), "%u\n", lines);
    make_file("ngpio", text);
    EXPECT(chdir("../..") == 0);
}

void fake_gpio_make(unsigned base)
{
    EXPECT(system("rm -rf gpio log") == 0 && mkdir("gpio", 0700) == 0);
    make_file("gpio/export", "");
    make_file("gpio/unexport", "");
    make_chip(base - 8, "raspberrypi-exp-gpio\n", 8);
    make_chip(base, "pinctrl-bcm2835\n", LINES);
    chip_base = base;
    EXPECT(realpath(".", log_path) != NULL);
    strcat(log_path, "/log");
    make_file(log_path, "");
}

void fake_gpio_watch(struct fake_gpio_defect defect)
{
    fake_gpio_defect = defect;
    tender = getpid();
}

/* ---- Exported lines ------------------------------------------------------ */

static void line_path(char path[PATH_MAX], unsigned number, const char *file)
{
    snprintf(path, PATH_MAX, "gpio/gpio%u%s", number, file);
}

static void make_line_files(unsigned number)
{
    char path[PATH_MAX];

    line_path(path, number, "/direction");
    make_file(path, "in\n");
    line_path(path, number, "/value");
    make_file(path, "0\n");
}

void fake_gpio_export(unsigned number)
{
    char path[PATH_MAX];

    line_path(path, number, "");
    EXPECT(mkdir(path, 0700) == 0);
    if (fake_gpio_defect.slow_steps == 0)
        make_line_files(number);
}

bool fake_gpio_is_exported(unsigned number)
{
    char path[PATH_MAX];

    line_path(path, number, "");
    return access(path, F_OK) == 0;
}

void fake_gpio_unexport(unsigned number)
{
    char path[PATH_MAX];

    line_path(path, number, "/direction");
    unlink(path);
    line_path(path, number, "/value");
    unlink(path);
    line_path(path, number, "");
    EXPECT(rmdir(path) == 0);
}

static int kernel_export(unsigned number)
{
    if (number < chip_base - 8 || number >= chip_base + LINES)
        return EINVAL;
    if (fake_gpio_is_exported(number))
        return EBUSY;
    fake_gpio_export(number);
    if (fake_gpio_defect.signal != 0)
        kill(tender, fake_gpio_defect.signal);
    return 0;
}

static int kernel_unexport(unsigned number)
{
    if (!fake_gpio_is_exported(number))
        return EINVAL;
    fake_gpio_unexport(number);
    return 0;
}

/* ---- The tender's writes --------------------------------------------------- */

/* "gpio483/value", "export"; empty if it is no file of the fake's. */
static void name_of(int fd, char name[PATH_MAX])
{
    char link[64], path[PATH_MAX] = "", folder[PATH_MAX] = "";
    size_t length;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    name[0] = '\0';
    if (chip_base == 0) /* nobody made the fake, so it keeps out of the way */
        return;
    if (readlink(link, path, sizeof(path) - 1) < 0 || !getcwd(folder, PATH_MAX))
        return;
    length = strlen(folder);
    if (strncmp(path, folder, length) == 0 && strncmp(path + length, "/gpio/", 6) == 0)
        strcpy(name, path + length + 6);
}

static void keep_log(const char *name, const char *text)
{
    char line[PATH_MAX + 64];
    int size = snprintf(line, sizeof(line), "%s %s\n", name, text);
    int fd = open(log_path, O_WRONLY | O_APPEND | O_CLOEXEC);

    EXPECT(__real_write(fd, line, (size_t)size) == size && close(fd) == 0);
}

static bool is_defective(const char *name, const char *text)
{
    const struct fake_gpio_defect *defect = &fake_gpio_defect;
    const char *slash = strrchr(name, '/');

    return defect->file != NULL &&
            strcmp(slash ? slash + 1 : name, defect->file) == 0 &&
            (defect->text == NULL || strcmp(text, defect->text) == 0);
}

/* A file of a line that is gone is known by its name: "(deleted)". */
static int kernel_write(const char *name, const char *text)
{
    if (strstr(name, " (deleted)") != NULL)
        return ENODEV;
    if (is_defective(name, text)) {
        if (fake_gpio_defect.is_late)
            fake_gpio_unexport((unsigned)atoi(text));
        return fake_gpio_defect.error;
    }
    keep_log(name, text);
    if (strcmp(name, "export") == 0)
        return kernel_export((unsigned)atoi(text));
    if (strcmp(name, "unexport") == 0)
        return kernel_unexport((unsigned)atoi(text));
    return 0;
}

static size_t at_most(size_t limit, size_t size)
{
    return limit != 0 && limit < size ? limit : size;
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    char name[PATH_MAX], text[32];

    name_of(fd, name);
    if (name[0] == '\0')
        return __real_write(fd, data, at_most(fake_write_limit, size));
    snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)data);
    errno = kernel_write(name, text);
    return errno == 0 ? (ssize_t)size : -1;
}

/* The kernel ignores the offset in a file of the GPIOs. */
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    char name[PATH_MAX];

    name_of(fd, name);
    return name[0] == '\0' ? __real_pwrite(fd, data, size, offset)
                           : __wrap_write(fd, data, size);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
    (void)name, (void)flags;
    errno = ENOSYS;
    return -1;
}

/* The guard has exported the line, so its number is not known here. */
static void make_missing_files(void)
{
    for (unsigned number = chip_base; number < chip_base + LINES; number++)
        if (fake_gpio_is_exported(number))
            make_line_files(number);
}

/* Time passes at once. */
int __wrap_nanosleep(const struct timespec *request, struct timespec *remaining)
{
    (void)request, (void)remaining;
    if (fake_gpio_defect.slow_steps > 0 && --fake_gpio_defect.slow_steps == 0)
        make_missing_files();
    return 0;
}

const char *fake_gpio_log(void)
{
    static char text[4096];
    FILE *file = fopen(log_path, "r");

    EXPECT(file != NULL);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}
