/* SPDX-License-Identifier: ISC */
/*
 * What every image says about itself besides its manifest: the ABI these bindings
 * speak, and an interpreter that does not exist, so that no kernel executes it.
 */
#include "elf_abi.h"

struct abi_note {
    struct elf_note_header header;
    struct elf_abi1 abi;
} __attribute__((packed));

/* Readers of notes expect an alignment of 4. */
static const struct abi_note abi_note
        __attribute__((section(".note.solo5.abi"), used, aligned(4))) = {
    .header = {
        .n_namesz = ELF_NOTE_NAMESZ,
        .n_descsz = sizeof(struct elf_abi1),
        .n_type = ELF_NOTE_ABI1,
        .name = ELF_NOTE_NAME,
    },
    .abi = {
        .target = ELF_ABI_TARGET_HVT,
        .version = ELF_ABI_HVT_VERSION,
    },
};

static const char interp[] __attribute__((section(".interp"), used)) = ELF_INTERP;
