/* SPDX-License-Identifier: ISC */

#include "ticks.h"

#define NS_PER_S UINT64_C(1000000000)

/*
 * The fraction is remainder / hz in binary, one bit after the other: a 128-bit
 * division would need the compiler's run-time library.
 */
struct tick tick_from_hz(uint64_t hz)
{
    struct tick tick = { .whole_ns = NS_PER_S / hz };
    uint64_t remainder = NS_PER_S % hz;

    for (int bit = 63; bit >= 0; bit--) {
        remainder *= 2;
        if (remainder >= hz) {
            remainder -= hz;
            tick.fraction |= UINT64_C(1) << bit;
        }
    }
    return tick;
}

/*
 * The product must be 128 bits wide: at 62.5 MHz one of 64 bits overflows after
 * minutes, and the clock jumps back.
 */
uint64_t ticks_to_ns(struct tick tick, uint64_t ticks)
{
    unsigned __int128 product = (unsigned __int128)ticks * tick.fraction;

    return ticks * tick.whole_ns + (uint64_t)(product >> 64);
}
