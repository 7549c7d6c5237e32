/* SPDX-License-Identifier: ISC */
/*
 * The entry. X0 holds the address of the boot information.
 *
 * The canary is the counter, twice over, with one byte zero: no string that runs
 * over the end of a buffer can reproduce it.
 */
        .section .text
        .global _start
_start:
        mrs     x1, cntvct_el0
        add     x1, x1, x1, lsl #32
        and     x1, x1, #0xffffffffffff00ff
        adrp    x2, __stack_chk_guard
        str     x1, [x2, :lo12:__stack_chk_guard]
        mov     x29, #0
        mov     x30, #0
        b       start

        .section .note.GNU-stack, "", %progbits
