/* SPDX-License-Identifier: ISC */
/*
 * fake_gpio.h: a folder that behaves as the kernel's sysfs GPIO does.
 *
 * The program is linked with --wrap, so that the tender's writes pass through
 * the fake: a number written to gpio/export makes a folder gpio/gpioN with the
 * files direction and value, one written to gpio/unexport removes it. All that
 * is written goes into a log. test_led.c holds the fake to what was seen of the
 * kernel; the virtual Pi holds the tender to the kernel itself.
 */
#ifndef FAKE_GPIO_H
#define FAKE_GPIO_H

#include <stdbool.h>
#include <stddef.h>

/* How the fake misbehaves; zero for not at all. */
struct fake_gpio_defect {
    const char *file; /* a write to the file of this name fails, */
    const char *text; /* if it is this text, */
    int error;        /* with this errno, */
    bool is_late;     /* for somebody else has unexported the line just before */
    int slow_steps;   /* so many nanosleep()s pass before a line's files appear */
    int signal;       /* arrives at the tender while a line is being exported */
};

/* Misbehaves from now on; the calling process is the tender. */
void fake_gpio_watch(struct fake_gpio_defect defect);

/* A write to any other file takes at most so many bytes; 0: as many as it can. */
extern size_t fake_write_limit;

/* Makes gpio/ with the two chips of a Pi, our chip's base as given. */
void fake_gpio_make(unsigned base);

/* What somebody else does. */
void fake_gpio_export(unsigned number);
void fake_gpio_unexport(unsigned number);
bool fake_gpio_is_exported(unsigned number);

/* What was written since fake_gpio_make: lines such as "gpio483/value 1". */
const char *fake_gpio_log(void);

#endif
