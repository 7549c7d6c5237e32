/* SPDX-License-Identifier: ISC */

#include "bindings.h"

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
