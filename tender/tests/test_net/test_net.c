/* SPDX-License-Identifier: ISC */
/*
 * Network device `service0` is 10.0.0.2: answers ARP and pings, for ever, or with
 * the argument `limit` until 100000 pings are answered (`limit=N`: until N are).
 */
#include "../lib/console.h"
#include "../lib/responder.h"

int solo5_app_main(const struct solo5_start_info *info)
{
    struct responder service = { .name = "service0", .address = { 10, 0, 0, 2 } };

    if (!responder_start(&service)
            || !responders_serve(&service, 1, responders_limit(info->cmdline, 100000))) {
        print("FAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    print("test_net: %lu pings answered\nSUCCESS\n", service.pings);
    return SOLO5_EXIT_SUCCESS;
}
