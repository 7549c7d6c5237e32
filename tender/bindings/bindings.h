/* SPDX-License-Identifier: ISC */
/*
 * bindings.h: what the parts of the bindings use of each other.
 *
 * Nothing here is seen by an application: of the finished object only the names
 * of solo5.h, the entry and the stack protector's are global.
 */
#ifndef BINDINGS_H
#define BINDINGS_H

#include "mft_abi.h"
#include "solo5.h"

/* cpu_<arch>.c */

/* From here on a trap ends in fatal(); before, it runs away. */
void cpu_init(void);
void cpu_set_tls_base(uint64_t base);

/* TSC (x86_64) or CNTVCT_EL0 (aarch64). */
uint64_t cpu_ticks(void);

/* log.c */

enum log_level {
    LOG_QUIET, /* only aborts are heard */
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO, /* the default */
    LOG_DEBUG,
};

/*
 * Writes "Solo5: ..." and a newline as one console write, if `level` is wanted.
 * Conversions as in format.h; long lines are cut.
 */
void log_line(enum log_level level, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

/*
 * Writes "Solo5: ABORT: ...", wanted or not, and ends the unikernel. `cookie` is
 * the trap frame for whoever examines the guest afterwards, or NULL.
 */
void fatal(const void *cookie, const char *fmt, ...)
        __attribute__((noreturn, format(printf, 2, 3)));

/*
 * Obeys the --solo5: words that lead `cmdline`; returns what is left for the
 * application. An unknown one is fatal.
 */
const char *log_options(const char *cmdline);

/* mft.c */

void mft_init(const struct mft *mft);

/*
 * The device `name` of `type`, and its handle; NULL if the manifest has none.
 * One that is declared but not attached is fatal.
 */
const struct mft_entry *mft_acquire(const char *name, enum mft_type type,
        solo5_handle_t *handle);

/* The entry behind `handle`; NULL unless it is an attached one of `type`. */
const struct mft_entry *mft_entry(solo5_handle_t handle, enum mft_type type);

/* hvt/clock.c */

void clock_init(uint64_t ticks_hz);

/* hvt/halt.c */

void halt(int status, const void *cookie) __attribute__((noreturn));

#endif
