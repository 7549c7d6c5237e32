/* SPDX-License-Identifier: ISC */

#include "console.h"
#include "format.h"
#include "solo5.h"

void print(const char *fmt, ...)
{
    char text[255];
    va_list args;

    va_start(args, fmt);
    size_t size = vformat(text, sizeof text, fmt, args);
    va_end(args);
    solo5_console_write(text, size);
}
