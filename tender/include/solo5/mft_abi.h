/* SPDX-License-Identifier: ISC */
/*
 * mft_abi.h: the application manifest.
 *
 * A guest declares here every device it may ever use. The tender fills in the
 * properties, marks what the operator attached, and hands the guest a copy. An
 * entry's index is the device's handle in every hypercall.
 */
#ifndef SOLO5_MFT_ABI_H
#define SOLO5_MFT_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MFT_VERSION     1
#define MFT_NAME_SIZE   68 /* with the NUL */
#define MFT_NAME_MAX    (MFT_NAME_SIZE - 1)
#define MFT_MAX_ENTRIES 64 /* entry 0 is reserved, so at most 63 devices */

enum mft_type {
    MFT_DEV_BLOCK_BASIC = 1,
    MFT_DEV_NET_BASIC = 2,
    /* Private to this tender; far from the next numbers upstream may take. */
    MFT_DEV_LED_BASIC = 24,
    /* From here on an entry need not be attached. */
    MFT_RESERVED_FIRST = 0x40000000,
};

struct mft_block_basic {
    uint64_t capacity;   /* bytes */
    uint16_t block_size; /* bytes */
};

struct mft_net_basic {
    uint8_t mac[6];
    uint16_t mtu; /* bytes, without the Ethernet header */
};

struct mft_led_basic {
    uint8_t on; /* the LED's state when the guest starts: 0 or 1 */
};

struct mft_entry {
    char name[MFT_NAME_SIZE];
    uint32_t type; /* enum mft_type */
    union {
        struct mft_block_basic block_basic;
        struct mft_net_basic net_basic;
        struct mft_led_basic led_basic;
        uint8_t bytes[16];
    } u;              /* OUT: written by the tender */
    uint64_t backing; /* the tender's own; 0 in the guest's copy */
    bool attached;    /* OUT: true if the operator attached the device */
};

struct mft {
    uint32_t version; /* MFT_VERSION */
    uint32_t entries; /* 1 to MFT_MAX_ENTRIES */
    struct mft_entry e[];
};

_Static_assert(sizeof(struct mft_entry) == 104, "entry is 104 bytes");
_Static_assert(offsetof(struct mft_entry, type) == 68, "type at 68");
_Static_assert(offsetof(struct mft_entry, u) == 72, "properties at 72");
_Static_assert(offsetof(struct mft_entry, backing) == 88, "backing at 88");
_Static_assert(offsetof(struct mft_entry, attached) == 96, "attached at 96");
_Static_assert(offsetof(struct mft, e) == 8, "entries at 8");

#define MFT_SIZE(entries) \
    (sizeof(struct mft) + (size_t)(entries) * sizeof(struct mft_entry))

#endif
