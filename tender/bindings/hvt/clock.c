/* SPDX-License-Identifier: ISC */

#include "bindings.h"
#include "hypercall.h"
#include "ticks.h"

static struct tick tick;

void clock_init(uint64_t ticks_hz)
{
    tick = tick_from_hz(ticks_hz);
}

solo5_time_t solo5_clock_monotonic(void)
{
    return ticks_to_ns(tick, cpu_ticks());
}

solo5_time_t solo5_clock_wall(void)
{
    volatile struct hvt_hc_walltime hc = { 0 };

    hypercall(HVT_HYPERCALL_WALLTIME, &hc);
    return hc.nsecs;
}

static solo5_handle_set_t poll(uint64_t timeout_ns)
{
    volatile struct hvt_hc_poll hc = { .timeout_nsecs = timeout_ns };

    hypercall(HVT_HYPERCALL_POLL, &hc);
    return hc.ready_set;
}

/*
 * The host measures the timeout by a clock that NTP slews; by our counter it may
 * be over too early, hence the loop.
 */
void solo5_yield(solo5_time_t deadline, solo5_handle_set_t *ready_set)
{
    solo5_handle_set_t ready;
    solo5_time_t now = solo5_clock_monotonic();

    do {
        ready = poll(deadline > now ? deadline - now : 0);
        now = solo5_clock_monotonic();
    } while (!ready && now < deadline);
    if (ready_set)
        *ready_set = ready;
}
