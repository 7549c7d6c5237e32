/* SPDX-License-Identifier: ISC */

#include "bindings.h"

#define ESR_CLASS(esr)   ((unsigned)((esr) >> 26) & 0x3f)
#define CLASS_DATA_ABORT 0x25 /* taken without a change of exception level */
#define CLASS_CODE_ABORT 0x21

#define TRAP_STACK_SIZE 4096

/* As the vectors fill it in (offsets there). */
struct trap_frame {
    uint64_t x[31]; /* x30 is the link register */
    uint64_t elr;
    uint64_t spsr;
    uint64_t esr;
    uint64_t far;
    uint64_t sp;
    uint64_t vector;
};

_Static_assert(sizeof(struct trap_frame) == 296, "trap frame is 296 bytes");

extern const char cpu_vectors[];

void cpu_trap(const struct trap_frame *frame);

/*
 * Traps are reported on a stack of their own, so that a ruined stack pointer can
 * still be reported. Used by the vectors.
 */
struct trap_frame cpu_trap_frame;
char cpu_trap_stack[TRAP_STACK_SIZE] __attribute__((aligned(16)));
char *const cpu_trap_stack_top = cpu_trap_stack + TRAP_STACK_SIZE;

void cpu_init(void)
{
    __asm__ volatile("msr vbar_el1, %0\n\t"
                     "isb"
                     : : "r"(cpu_vectors) : "memory");
}

void cpu_set_tls_base(uint64_t base)
{
    __asm__ volatile("msr tpidr_el0, %0" : : "r"(base) : "memory");
}

/* The barrier keeps the CPU from reading the counter ahead of time. */
uint64_t cpu_ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("isb\n\t"
                     "mrs %0, cntvct_el0"
                     : "=r"(ticks) : : "memory");
    return ticks;
}

static void log_registers(const struct trap_frame *frame)
{
    for (int i = 0; i < 30; i += 3)
        log_line(LOG_ERROR, "trap: x%d=0x%016lx x%d=0x%016lx x%d=0x%016lx", i,
                frame->x[i], i + 1, frame->x[i + 1], i + 2, frame->x[i + 2]);
}

static bool has_fault_address(uint64_t esr)
{
    return ESR_CLASS(esr) == CLASS_DATA_ABORT || ESR_CLASS(esr) == CLASS_CODE_ABORT;
}

void cpu_trap(const struct trap_frame *frame)
{
    log_line(LOG_ERROR,
            "trap: vector %lu esr=0x%lx pc=0x%lx lr=0x%lx sp=0x%lx pstate=0x%lx",
            frame->vector, frame->esr, frame->elr, frame->x[30], frame->sp,
            frame->spsr);
    if (has_fault_address(frame->esr))
        log_line(LOG_ERROR, "trap: far=0x%lx", frame->far);
    log_registers(frame);
    fatal(NULL, "Fatal trap");
}
