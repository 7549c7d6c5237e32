/* SPDX-License-Identifier: ISC */
/*
 * fake_gpiochip.h: a folder dev/ whose files behave as GPIO character devices.
 *
 * The program is linked with --wrap=ioctl. A file dev/gpiochipN holds its chip's
 * label; a line is a descriptor, free again when the last copy of it is closed.
 * All lines of all chips have one log. The kernel sees each request, too, so that
 * the sandbox's filter does; the virtual Pi holds the tender to the kernel's own.
 */
#ifndef FAKE_GPIOCHIP_H
#define FAKE_GPIOCHIP_H

#include <stdbool.h>

#define FAKE_GPIOCHIP_IOCTL 0xb4 /* the type of the kernel's requests */
#define FAKE_GPIOCHIP_LINES 54

/* How it misbehaves; zero for not at all. */
struct fake_gpiochip_defect {
    unsigned long request; /* this ioctl fails */
    int error;             /* with this errno */
};

extern struct fake_gpiochip_defect fake_gpiochip_defect;

/* Makes dev/ with the two chips of a Pi: the exp-gpio is 0, the pinctrl is 1. */
void fake_gpiochip_make(void);

/* Whether somebody holds the line of any chip. */
bool fake_gpiochip_is_held(unsigned line);

/* What was done: lines such as "25 solo5-hvt:led0 output 0", "25 1", "25 input". */
const char *fake_gpiochip_log(void);

/* The kernel's side of an ioctl of that type. */
int fake_gpiochip_ioctl(int fd, unsigned long request, void *arg);

#endif
