/* SPDX-License-Identifier: ISC */
/*
 * solo5.h: the API of a unikernel.
 *
 * One thread, no interrupts, no system calls: these functions are all the world
 * a unikernel has. Source-compatible with Solo5 0.9 to 0.12, plus LEDs.
 *
 * Functions that return solo5_result_t give SOLO5_R_OK on success. A call with
 * arguments against its contract returns SOLO5_R_EINVAL or ends the unikernel.
 */
#ifndef SOLO5_H_INCLUDED
#define SOLO5_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    SOLO5_R_OK = 0,
    SOLO5_R_AGAIN = 1,  /* nothing to read now */
    SOLO5_R_EINVAL = 2, /* the arguments are wrong */
    SOLO5_R_EUNSPEC = 3 /* the host failed */
} solo5_result_t;

typedef uint64_t solo5_time_t;       /* nanoseconds */
typedef uint64_t solo5_handle_t;     /* a device, as acquired */
typedef uint64_t solo5_handle_set_t; /* bit h stands for handle h */
typedef uint64_t solo5_off_t;        /* bytes */

#define SOLO5_EXIT_SUCCESS 0
#define SOLO5_EXIT_FAILURE 1
#define SOLO5_EXIT_ABORT   255 /* a trap, or solo5_abort() */

/* What a unikernel finds at its start. */
struct solo5_start_info {
    const char *cmdline;  /* NUL-terminated, words joined by one space */
    uintptr_t heap_start; /* page-aligned */
    size_t heap_size;     /* bytes; the stack grows down inside this range */
};

/* Supplied by the application; what it returns becomes the exit status. */
int solo5_app_main(const struct solo5_start_info *info);

/* Ends the unikernel with `status`, of which the host keeps the low 8 bits. */
void solo5_exit(int status) __attribute__((noreturn));

/* Ends the unikernel with SOLO5_EXIT_ABORT. */
void solo5_abort(void) __attribute__((noreturn));

/*
 * Thread-local storage. One block holds .tdata, .tbss and the thread control
 * block; only variables of the local-exec model work, aligned to at most 8
 * bytes (x86_64) or 16 bytes (aarch64).
 */
size_t solo5_tls_size(void);                       /* bytes of one block */
uintptr_t solo5_tls_tp_offset(uintptr_t tls);      /* thread pointer for a block */
solo5_result_t solo5_tls_init(uintptr_t tls);      /* fill in a block */
solo5_result_t solo5_set_tls_base(uintptr_t base); /* use a thread pointer */

/* Nanoseconds since some moment before the start; never goes back. */
solo5_time_t solo5_clock_monotonic(void);

/* Nanoseconds since 1970-01-01 UTC, as the host's clock has it. */
solo5_time_t solo5_clock_wall(void);

/*
 * Waits until solo5_clock_monotonic() reaches `deadline` or a network device
 * can be read; may return a little early, so loop if it matters. `ready_set`,
 * unless NULL, tells which devices can be read.
 */
void solo5_yield(solo5_time_t deadline, solo5_handle_set_t *ready_set);

/* Writes `size` bytes to the console. Cannot fail; may lose output. */
void solo5_console_write(const char *buf, size_t size);

#define SOLO5_NET_ALEN 6  /* bytes of a MAC address */
#define SOLO5_NET_HLEN 14 /* bytes of an Ethernet header */

struct solo5_net_info {
    uint8_t mac_address[SOLO5_NET_ALEN];
    size_t mtu; /* bytes, without the Ethernet header */
};

/*
 * The acquire functions look a device up by the name it has in the manifest.
 * SOLO5_R_EINVAL if the manifest has no device of that name and type.
 */
solo5_result_t solo5_net_acquire(const char *name, solo5_handle_t *handle,
        struct solo5_net_info *info);

/* Sends one frame of `size` bytes, Ethernet header included. */
solo5_result_t solo5_net_write(solo5_handle_t handle, const uint8_t *buf,
        size_t size);

/*
 * Receives one frame; does not wait (SOLO5_R_AGAIN if there is none). `buf`
 * should have room for mtu + SOLO5_NET_HLEN bytes; a longer frame is cut.
 */
solo5_result_t solo5_net_read(solo5_handle_t handle, uint8_t *buf, size_t size,
        size_t *read_size);

struct solo5_block_info {
    solo5_off_t capacity;   /* bytes */
    solo5_off_t block_size; /* bytes; the size of every transfer */
};

solo5_result_t solo5_block_acquire(const char *name, solo5_handle_t *handle,
        struct solo5_block_info *info);

/* `offset` is a multiple of block_size, `size` is exactly block_size. */
solo5_result_t solo5_block_write(solo5_handle_t handle, solo5_off_t offset,
        const uint8_t *buf, size_t size);
solo5_result_t solo5_block_read(solo5_handle_t handle, solo5_off_t offset,
        uint8_t *buf, size_t size);

struct solo5_led_info {
    bool on; /* the LED's state when the unikernel started */
};

/*
 * LEDs (an addition of this tree: a stock Solo5 tender refuses to start a
 * unikernel that declares one). The unikernel knows an LED by its name only;
 * which line it is, and at which level it shines, is for the operator to say.
 */
solo5_result_t solo5_led_acquire(const char *name, solo5_handle_t *handle,
        struct solo5_led_info *info);

/*
 * Switches the LED. When it returns SOLO5_R_OK the host kernel has driven the
 * line. SOLO5_R_EINVAL if `handle` is not an LED's; SOLO5_R_EUNSPEC if the host
 * could not drive the line.
 */
solo5_result_t solo5_led_set(solo5_handle_t handle, bool on);

#endif
