/* SPDX-License-Identifier: ISC */
/*
 * format.h: a printf of exactly what unikernel messages need.
 *
 * Conversions: %c %s %d %u %x %%, the numbers also with l (64 bits) and with a
 * width, filled with zeros if it begins with 0 and with spaces otherwise.
 */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Writes at most `size` characters, without a NUL; returns how many. What does
 * not fit is cut.
 */
size_t format(char *buf, size_t size, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
size_t vformat(char *buf, size_t size, const char *fmt, va_list args)
        __attribute__((format(printf, 3, 0)));

#endif
