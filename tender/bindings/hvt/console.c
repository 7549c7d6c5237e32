/* SPDX-License-Identifier: ISC */

#include "bindings.h"
#include "hypercall.h"

void solo5_console_write(const char *buf, size_t size)
{
    volatile struct hvt_hc_puts hc = { .data = buf, .len = size };

    hypercall(HVT_HYPERCALL_PUTS, &hc);
}
