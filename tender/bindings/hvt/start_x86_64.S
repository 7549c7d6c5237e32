/* SPDX-License-Identifier: ISC */
/*
 * The entry. RDI holds the address of the boot information; the stack looks as
 * if _start had been called, so start() can take over with a jump.
 *
 * The canary is the counter, twice over, with one byte zero: no string that runs
 * over the end of a buffer can reproduce it.
 */
        .section .text
        .global _start
_start:
        rdtsc
        shlq    $32, %rdx
        orq     %rdx, %rax
        movq    %rax, %rdx
        shlq    $32, %rdx
        addq    %rdx, %rax
        movq    $0xffffffffffff00ff, %rdx
        andq    %rdx, %rax
        movq    %rax, __stack_chk_guard
        xorl    %ebp, %ebp
        jmp     start

        .section .note.GNU-stack, "", %progbits
