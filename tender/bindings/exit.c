/* SPDX-License-Identifier: ISC */

#include "bindings.h"
#include "format.h"

void solo5_exit(int status)
{
    log_line(LOG_INFO, "exit(%d)", status);
    halt(status, NULL);
}

void solo5_abort(void)
{
    log_line(LOG_INFO, "abort()");
    halt(SOLO5_EXIT_ABORT, NULL);
}

void fatal(const char *why, const void *cookie)
{
    char line[128];

    solo5_console_write(line,
            format(line, sizeof line, "Solo5: ABORT: %s\n", why));
    halt(SOLO5_EXIT_ABORT, cookie);
}
