/* SPDX-License-Identifier: ISC */
/* console.h: how the tests speak. */
#ifndef CONSOLE_H
#define CONSOLE_H

/* Writes one message (format.h) of at most 255 characters as one console write. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
