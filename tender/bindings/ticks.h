/* SPDX-License-Identifier: ISC */
/*
 * ticks.h: from ticks of a counter to nanoseconds, exact for as long as the
 * result fits 64 bits (584 years).
 */
#ifndef TICKS_H
#define TICKS_H

#include <stdint.h>

/* How long one tick lasts: whole_ns + fraction / 2^64 nanoseconds. */
struct tick {
    uint64_t whole_ns;
    uint64_t fraction;
};

/* `hz` is 1 to 2^63. */
struct tick tick_from_hz(uint64_t hz);

/*
 * At most 1 ns below ticks * 10^9 / hz rounded down, never above it, and never
 * less for more ticks.
 */
uint64_t ticks_to_ns(struct tick tick, uint64_t ticks);

#endif
