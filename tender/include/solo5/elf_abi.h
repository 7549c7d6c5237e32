/* SPDX-License-Identifier: ISC */
/*
 * elf_abi.h: the ELF notes by which an image says what it is.
 *
 * Contract between the build of a guest (which places the notes) and the tender
 * (which reads them before it loads anything).
 *
 * Every note has a PT_NOTE program header of its own: a reader looks only at
 * the first note behind each header. All fields are little-endian.
 */
#ifndef SOLO5_ELF_ABI_H
#define SOLO5_ELF_ABI_H

#include <stdint.h>

#define ELF_NOTE_NAME       "Solo5"
#define ELF_NOTE_NAMESZ     6 /* with the NUL */
#define ELF_NOTE_ABI1       UINT32_C(0x31494241) /* "ABI1" */
#define ELF_NOTE_MFT1       UINT32_C(0x3154464d) /* "MFT1" */

/* n_namesz, n_descsz, n_type, and the name padded to 8 bytes. */
struct elf_note_header {
    uint32_t n_namesz;
    uint32_t n_descsz;
    uint32_t n_type;
    char name[8];
};

_Static_assert(sizeof(struct elf_note_header) == 20, "note header is 20 bytes");

/*
 * The manifest is 8-aligned relative to the start of its note, so 4 bytes of
 * padding stand before it and count in n_descsz. The ABI descriptor needs none.
 */
#define ELF_NOTE_MFT1_PAD   4

enum elf_abi_target {
    ELF_ABI_TARGET_HVT = 1,
};

#define ELF_ABI_HVT_VERSION 2

/* Descriptor of the ABI1 note. */
struct elf_abi1 {
    uint32_t target;   /* enum elf_abi_target */
    uint32_t version;  /* version of that target's ABI */
    uint64_t reserved; /* 0 */
};

_Static_assert(sizeof(struct elf_abi1) == 16, "ABI1 descriptor is 16 bytes");

#define ELF_ABI1_MIN_SIZE   8  /* target and version */
#define ELF_ABI1_MAX_SIZE   32 /* largest descriptor a tender accepts */

/* .interp of every image: a path that cannot exist, so no kernel execs it. */
#define ELF_INTERP          "/nonexistent/solo5/"

#endif
