/* SPDX-License-Identifier: ISC */

#include "bindings.h"
#include "hypercall.h"

void halt(int status, const void *cookie)
{
    volatile struct hvt_hc_halt hc = {
        .cookie = (void *)(uintptr_t)cookie,
        .exit_status = status,
    };

    for (;;) /* it does not come back */
        hypercall(HVT_HYPERCALL_HALT, &hc);
}
