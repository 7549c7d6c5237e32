/* SPDX-License-Identifier: ISC */
/*
 * Where traps enter: 16 vectors of 128 bytes each. Two system registers that
 * nothing else uses keep x0 and x1 while the frame is filled in.
 */
        .section .text
        .global cpu_vectors
        .balign 2048
cpu_vectors:
        .set n, 0
        .rept 16
        .balign 128
        msr     tpidr_el1, x0
        mov     x0, #n
        b       trap
        .set n, n + 1
        .endr

trap:
        msr     tpidrro_el0, x1
        adrp    x1, cpu_trap_frame
        add     x1, x1, :lo12:cpu_trap_frame
        str     x0, [x1, #288]
        stp     x2, x3, [x1, #16]
        stp     x4, x5, [x1, #32]
        stp     x6, x7, [x1, #48]
        stp     x8, x9, [x1, #64]
        stp     x10, x11, [x1, #80]
        stp     x12, x13, [x1, #96]
        stp     x14, x15, [x1, #112]
        stp     x16, x17, [x1, #128]
        stp     x18, x19, [x1, #144]
        stp     x20, x21, [x1, #160]
        stp     x22, x23, [x1, #176]
        stp     x24, x25, [x1, #192]
        stp     x26, x27, [x1, #208]
        stp     x28, x29, [x1, #224]
        mrs     x2, tpidr_el1
        mrs     x3, tpidrro_el0
        stp     x2, x3, [x1]
        mrs     x2, elr_el1
        stp     x30, x2, [x1, #240]
        mrs     x2, spsr_el1
        mrs     x3, esr_el1
        stp     x2, x3, [x1, #256]
        mrs     x2, far_el1
        mov     x3, sp
        stp     x2, x3, [x1, #272]
        adrp    x2, cpu_trap_stack_top
        ldr     x2, [x2, :lo12:cpu_trap_stack_top]
        mov     sp, x2
        mov     x0, x1
        mov     x29, #0
        mov     x30, #0
        b       cpu_trap

        .section .note.GNU-stack, "", %progbits
