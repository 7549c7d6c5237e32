/* SPDX-License-Identifier: ISC */
/*
 * Where traps enter. Each vector is 16 bytes, so that C finds it by its number.
 * Traps are fatal: registers need not survive.
 */

/* The CPU pushes an error code for these. */
#define HAS_ERROR_CODE(n) \
    ((n) == 8 || ((n) >= 10 && (n) <= 14) || (n) == 17 || (n) == 21)

        .section .text
        .global cpu_vectors
        .balign 16
cpu_vectors:
        .set n, 0
        .rept 32
        .balign 16
        .if !HAS_ERROR_CODE(n)
        pushq   $0
        .endif
        movl    $n, %esi
        jmp     trap
        .set n, n + 1
        .endr

/* Completes the trap frame; the CPU aligned the stack before it pushed. */
trap:
        movq    %cr2, %rax
        pushq   %rax
        movq    %rsp, %rdi
        subq    $8, %rsp
        cld
        call    cpu_trap

        .section .note.GNU-stack, "", %progbits
