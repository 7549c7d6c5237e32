/* SPDX-License-Identifier: ISC */
/*
 * Network devices `service0` and `service1` are 10.0.0.2 and 10.1.0.2; they answer
 * as test_net does, each up to 50000 pings, or N.
 */
#include "../lib/console.h"
#include "../lib/responder.h"

int solo5_app_main(const struct solo5_start_info *info)
{
    struct responder services[] = {
        { .name = "service0", .address = { 10, 0, 0, 2 } },
        { .name = "service1", .address = { 10, 1, 0, 2 } },
    };

    if (!responder_start(&services[0]) || !responder_start(&services[1])
            || !responders_serve(services, 2, responders_limit(info->cmdline, 50000))) {
        print("FAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    print("test_net_2if: %lu and %lu pings answered\nSUCCESS\n", services[0].pings,
            services[1].pings);
    return SOLO5_EXIT_SUCCESS;
}
