/* SPDX-License-Identifier: ISC */
/*
 * Four single-precision numbers at once, squared by the vector unit; between
 * loading them and squaring them a hypercall, which must not change registers.
 * In assembly, since guests are compiled for general registers only.
 */
#include "../lib/console.h"
#include "lib.h"
#include "solo5.h"

/* IEEE 754: 1.5, -2, 3 and 0.5, and their squares. */
static const uint32_t numbers[4] = { 0x3fc00000, 0xc0000000, 0x40400000, 0x3f000000 };
static const uint32_t squares[4] = { 0x40100000, 0x40800000, 0x41100000, 0x3e800000 };

#if defined(__x86_64__)
static void load(const uint32_t vector[4])
{
    __asm__ volatile("movups (%0), %%xmm7" : : "r"(vector) : "memory");
}

static void square_and_store(uint32_t vector[4])
{
    __asm__ volatile("mulps %%xmm7, %%xmm7\n\t"
                     "movups %%xmm7, (%0)"
                     : : "r"(vector) : "memory");
}
#elif defined(__aarch64__)
static void load(const uint32_t vector[4])
{
    __asm__ volatile("ld1 {v7.4s}, [%0]" : : "r"(vector) : "memory");
}

static void square_and_store(uint32_t vector[4])
{
    __asm__ volatile("fmul v7.4s, v7.4s, v7.4s\n\t"
                     "st1 {v7.4s}, [%0]"
                     : : "r"(vector) : "memory");
}
#endif

int solo5_app_main(const struct solo5_start_info *info)
{
    uint32_t vector[4];

    (void)info;
    load(numbers);
    print("test_fpu: squaring\n");
    square_and_store(vector);
    if (memcmp(vector, squares, sizeof vector)) {
        print("FAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
