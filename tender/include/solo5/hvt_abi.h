/* SPDX-License-Identifier: ISC */
/*
 * hvt_abi.h: what a guest and the hvt tender agree on.
 *
 * Included by both sides. Guest-virtual addresses equal guest-physical ones.
 * IN fields are written by the guest before the hypercall, OUT fields by the
 * tender before it returns.
 */
#ifndef SOLO5_HVT_ABI_H
#define SOLO5_HVT_ABI_H

#include <stddef.h>
#include <stdint.h>

#include "mft_abi.h"

#define HVT_GUEST_MIN_BASE UINT64_C(0x100000)    /* lowest address of an image */
#define HVT_GUEST_MAX_MEM  UINT64_C(0x100000000) /* pointers are 32 bits wide */
#define HVT_GUEST_PAGE     UINT64_C(0x1000)
#define HVT_CMDLINE_SIZE   8192                  /* with the NUL */

/*
 * An address in the guest. The guest sees a pointer; the tender sees a number
 * that it cannot dereference, only check and translate.
 */
#ifdef HVT_HOST
typedef uint64_t hvt_gpa_t;
#define HVT_GUEST_PTR(T) hvt_gpa_t
#else
#define HVT_GUEST_PTR(T) T
#endif

/*
 * Boot information. Its address is in RDI (x86_64) or X0 (aarch64) at entry;
 * the pages it lies in are read-only to the guest. Always written whole: guests
 * that know the network ring read the last three fields.
 */
struct hvt_boot_info {
    uint64_t mem_size;       /* bytes; also the top of the stack */
    uint64_t kernel_end;     /* end of the highest loaded segment */
    uint64_t cpu_cycle_freq; /* Hz of TSC (x86_64) or CNTVCT_EL0 (aarch64) */
    HVT_GUEST_PTR(const char *) cmdline;
    HVT_GUEST_PTR(const struct mft *) mft;
    uint32_t host_features;  /* 0: this tender offers no network ring */
    uint32_t guest_features; /* 0 */
    uint64_t net_ring;       /* 0 */
};

_Static_assert(sizeof(struct hvt_boot_info) == 56, "boot info is 56 bytes");

/*
 * Hypercall numbers. 1 to 8 are Solo5's. Ours start at 24: beyond what upstream
 * may add next, and below 32, whose aarch64 address is its ring kick.
 */
enum hvt_hypercall {
    HVT_HYPERCALL_WALLTIME = 1,
    HVT_HYPERCALL_PUTS = 2,
    HVT_HYPERCALL_POLL = 3,
    HVT_HYPERCALL_BLOCK_WRITE = 4,
    HVT_HYPERCALL_BLOCK_READ = 5,
    HVT_HYPERCALL_NET_WRITE = 6,
    HVT_HYPERCALL_NET_READ = 7,
    HVT_HYPERCALL_HALT = 8,
    HVT_HYPERCALL_LED_SET = 24,
    HVT_HYPERCALL_MAX = 32,
};

/* x86_64: hypercall n is a 32-bit OUT of the argument's address to this port. */
#define HVT_HYPERCALL_PIO_BASE 0x500
#define HVT_HYPERCALL_PIO(n)   (HVT_HYPERCALL_PIO_BASE + (n))

/* aarch64: hypercall n is a 32-bit store of the argument's address here. */
#define HVT_HYPERCALL_MMIO_BASE UINT64_C(0x100000000)
#define HVT_HYPERCALL_MMIO(n)   (HVT_HYPERCALL_MMIO_BASE + ((uint64_t)(n) << 3))

/* Values of `ret`; the guest API calls them solo5_result_t. */
enum hvt_result {
    HVT_R_OK = 0,
    HVT_R_AGAIN = 1,
    HVT_R_EINVAL = 2,
    HVT_R_EUNSPEC = 3,
};

struct hvt_hc_walltime {
    uint64_t nsecs; /* OUT: since 1970-01-01 UTC */
};

struct hvt_hc_puts {
    HVT_GUEST_PTR(const char *) data; /* IN */
    uint64_t len;                     /* IN: bytes */
};

struct hvt_hc_poll {
    uint64_t timeout_nsecs; /* IN: from now */
    uint64_t ready_set;     /* OUT: bit h is set if handle h can be read */
    int32_t ret;            /* OUT: how many are ready; 0 after the timeout */
};

struct hvt_hc_block_write {
    uint64_t handle;                     /* IN */
    uint64_t offset;                     /* IN: bytes */
    HVT_GUEST_PTR(const uint8_t *) data; /* IN */
    uint64_t len;                        /* IN: bytes */
    int32_t ret;                         /* OUT: enum hvt_result */
};

struct hvt_hc_block_read {
    uint64_t handle;               /* IN */
    uint64_t offset;               /* IN: bytes */
    HVT_GUEST_PTR(uint8_t *) data; /* IN: where to write */
    uint64_t len;                  /* IN: bytes */
    int32_t ret;                   /* OUT: enum hvt_result */
};

struct hvt_hc_net_write {
    uint64_t handle;                     /* IN */
    HVT_GUEST_PTR(const uint8_t *) data; /* IN: one frame */
    uint64_t len;                        /* IN: bytes */
    int32_t ret;                         /* OUT: enum hvt_result */
};

struct hvt_hc_net_read {
    uint64_t handle;               /* IN */
    HVT_GUEST_PTR(uint8_t *) data; /* IN: where to write */
    uint64_t len;                  /* IN: room; OUT: bytes of the frame */
    int32_t ret;                   /* OUT: enum hvt_result */
};

struct hvt_hc_halt {
    HVT_GUEST_PTR(void *) cookie; /* IN: trap frame, or 0 */
    int32_t exit_status;          /* IN */
};

#define HVT_HALT_COOKIE_SIZE 512 /* bytes at the cookie the tender may read */

struct hvt_hc_led_set {
    uint64_t handle; /* IN */
    uint32_t on;     /* IN: 0 or 1, anything else is HVT_R_EINVAL */
    int32_t ret;     /* OUT: enum hvt_result */
};

_Static_assert(sizeof(struct hvt_hc_walltime) == 8, "walltime");
_Static_assert(sizeof(struct hvt_hc_puts) == 16, "puts");
_Static_assert(sizeof(struct hvt_hc_poll) == 24, "poll");
_Static_assert(sizeof(struct hvt_hc_block_write) == 40, "block_write");
_Static_assert(sizeof(struct hvt_hc_block_read) == 40, "block_read");
_Static_assert(sizeof(struct hvt_hc_net_write) == 32, "net_write");
_Static_assert(sizeof(struct hvt_hc_net_read) == 32, "net_read");
_Static_assert(sizeof(struct hvt_hc_halt) == 16, "halt");
_Static_assert(sizeof(struct hvt_hc_led_set) == 16, "led_set");

#endif
