/* SPDX-License-Identifier: ISC */

#include <stdbool.h>
#include <stdint.h>

#include "format.h"

#define MAX_DIGITS 20 /* of 2^64 - 1 in base 10 */

struct sink {
    char *at;
    char *end;
};

/* One conversion: what stands between the % and its letter. */
struct spec {
    int digits; /* at least so many */
    bool is_long;
};

static void put(struct sink *out, char c)
{
    if (out->at < out->end)
        *out->at++ = c;
}

static void put_text(struct sink *out, const char *text)
{
    while (*text)
        put(out, *text++);
}

static void put_number(struct sink *out, uint64_t value, unsigned base,
        const struct spec *spec)
{
    char digits[MAX_DIGITS];
    int n = 0;

    do
        digits[n++] = "0123456789abcdef"[value % base];
    while ((value /= base));
    for (int i = n; i < spec->digits; i++)
        put(out, '0');
    while (n)
        put(out, digits[--n]);
}

static void put_signed(struct sink *out, int64_t value, const struct spec *spec)
{
    if (value < 0)
        put(out, '-');
    put_number(out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, spec);
}

static const char *parse_spec(const char *fmt, struct spec *spec)
{
    *spec = (struct spec){ 0 };
    for (; *fmt >= '0' && *fmt <= '9'; fmt++)
        spec->digits = spec->digits * 10 + (*fmt - '0');
    if (*fmt == 'l') {
        spec->is_long = true;
        fmt++;
    }
    return fmt;
}

size_t vformat(char *buf, size_t size, const char *fmt, va_list args)
{
    struct sink out = { buf, buf + size };
    struct spec spec;

    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(&out, *fmt);
            continue;
        }
        fmt = parse_spec(fmt + 1, &spec);
        switch (*fmt) {
        case 'c':
            put(&out, (char)va_arg(args, int));
            break;
        case 's':
            put_text(&out, va_arg(args, const char *));
            break;
        case 'd':
            put_signed(&out, spec.is_long ? va_arg(args, long) : va_arg(args, int),
                    &spec);
            break;
        case 'u':
        case 'x':
            put_number(&out, spec.is_long ? va_arg(args, unsigned long)
                    : va_arg(args, unsigned), *fmt == 'u' ? 10 : 16, &spec);
            break;
        default: /* %% */
            put(&out, *fmt);
        }
    }
    return (size_t)(out.at - buf);
}

size_t format(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    size_t n = vformat(buf, size, fmt, args);
    va_end(args);
    return n;
}
