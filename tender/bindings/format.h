/* SPDX-License-Identifier: ISC */
/*
 * format.h: a printf of exactly what unikernel messages need.
 *
 * Conversions: %c %s %d %u %x %%, the numbers also with l (64 bits); %u and %x also
 * with a least number of digits, filled up with zeros (%016lx).
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
