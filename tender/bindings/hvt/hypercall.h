/* SPDX-License-Identifier: ISC */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#include "hvt_abi.h"

/*
 * Asks the tender. `arg` is the struct that hvt_abi.h names for `nr`; volatile,
 * since the tender reads and writes it behind the compiler's back.
 */
static inline void hypercall(enum hvt_hypercall nr, const volatile void *arg)
{
    uint32_t gpa = (uint32_t)(uintptr_t)arg; /* memory ends at 4 GiB */

#if defined(__x86_64__)
    __asm__ volatile("outl %0, %w1"
                     : : "a"(gpa), "d"(HVT_HYPERCALL_PIO(nr)) : "memory");
#elif defined(__aarch64__)
    /* Of this plain form, since KVM must be able to decode it. */
    __asm__ volatile("str %w0, [%1]"
                     : : "r"(gpa), "r"(HVT_HYPERCALL_MMIO(nr)) : "memory");
#endif
}

#endif
