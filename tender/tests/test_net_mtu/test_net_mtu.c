/* SPDX-License-Identifier: ISC */
/* Network device `service0`: says its MTU. */

#include "../lib/console.h"
#include "solo5.h"

int solo5_app_main(const struct solo5_start_info *start)
{
    struct solo5_net_info info;
    solo5_handle_t service;

    (void)start;
    if (solo5_net_acquire("service0", &service, &info) != SOLO5_R_OK) {
        print("FAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    print("MTU is %lu\nSUCCESS\n", info.mtu);
    return SOLO5_EXIT_SUCCESS;
}
