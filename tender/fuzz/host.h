/* SPDX-License-Identifier: ISC */
/*
 * host.h: a host for the tender that costs nothing and fails at will.
 *
 * What the tender asks of the C library (see `overrides`) comes here instead.
 * While a fuzz target sets up, it reaches the real host; while an input is being
 * tried, the input decides how each call ends. The end of the tender becomes a
 * return, and then all its variables are as before.
 */
#ifndef HOST_H
#define HOST_H

#include <stddef.h>
#include <stdint.h>

#define HOST_RETURNED (-1)

/* Call once, when the tender is as every input shall find it. */
void host_ready(void);

/*
 * Runs `code` with the input. Returns the status that the tender ended with, or
 * HOST_RETURNED.
 */
int host_try(const uint8_t *input, size_t size, void (*code)(void));

/* Take the next bytes of the input; zeros after its end. */
uint8_t host_next_byte(void);
void host_next_bytes(void *to, size_t size);
size_t host_bytes_left(void);

/* What a file holds that the tender opens: these bytes, owned by the caller. */
void host_set_file(const uint8_t *data, size_t size);

/* Ends the fuzzing: the tender did what it must never do. */
#define HOST_REQUIRE(condition) \
    ((condition) ? (void)0 : host_broken(#condition, __FILE__, __LINE__))
_Noreturn void host_broken(const char *what, const char *file, int line);

#endif
