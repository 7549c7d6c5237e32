/* SPDX-License-Identifier: ISC */
/*
 * native_led.c NUMBER: what the tender does to a line for a guest that switches
 * its LED on and off once, done by a plain program. NUMBER is the line's in sysfs.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GPIO "/sys/class/gpio"

static int open_file(const char *format, const char *number)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), format, number);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        err(1, "%s", path);
    return fd;
}

static void write_text(int fd, const char *text)
{
    if (pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        err(1, "cannot write '%s'", text);
}

int main(int argc, char **argv)
{
    int direction, value;

    if (argc != 2)
        errx(2, "usage: %s NUMBER", argv[0]);
    write_text(open_file(GPIO "/export", ""), argv[1]);
    direction = open_file(GPIO "/gpio%s/direction", argv[1]);
    write_text(direction, "out");
    value = open_file(GPIO "/gpio%s/value", argv[1]);
    write_text(value, "1");
    write_text(value, "0");
    write_text(direction, "in");
    write_text(open_file(GPIO "/unexport", ""), argv[1]);
    return 0;
}
