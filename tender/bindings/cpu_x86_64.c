/* SPDX-License-Identifier: ISC */

#include "bindings.h"

#define MSR_FS_BASE 0xc0000100u

#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10
#define TSS_SELECTOR  0x18

#define CODE_DESCRIPTOR UINT64_C(0x00af99000000ffff) /* 64-bit, ring 0 */
#define DATA_DESCRIPTOR UINT64_C(0x00cf93000000ffff)

#define VECTORS      32
#define VECTOR_SIZE  16 /* bytes of code per entry of cpu_vectors */
#define NMI          2
#define DOUBLE_FAULT 8
#define PAGE_FAULT   14

/*
 * Traps get stacks of their own, so that a ruined stack pointer can still be
 * reported, and what interrupts a trap's report does not destroy it.
 */
#define TRAP_STACK_SIZE 4096
#define TRAP_IST        1
#define NMI_IST         2

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* IST n is ist[n - 1] */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
} __attribute__((packed));

/* As the vectors leave it on the stack; also the cookie of HALT. */
struct trap_frame {
    uint64_t cr2;
    uint64_t error_code;
    uint64_t rip;
    uint64_t cs;
    uint64_t rflags;
    uint64_t rsp;
    uint64_t ss;
};

_Static_assert(sizeof(struct gate) == 16, "gate is 16 bytes");
_Static_assert(sizeof(struct tss) == 104, "TSS is 104 bytes");
_Static_assert(sizeof(struct trap_frame) == 56, "trap frame is 56 bytes");

extern const char cpu_vectors[];

void cpu_trap(struct trap_frame *frame, unsigned vector);

static uint64_t gdt[5]; /* null, code, data, TSS (two slots) */
static struct gate idt[VECTORS];
static struct tss tss = { .io_map_base = sizeof tss };
static char trap_stack[TRAP_STACK_SIZE] __attribute__((aligned(16)));
static char nmi_stack[TRAP_STACK_SIZE] __attribute__((aligned(16)));

static void load_gdt(void)
{
    uint64_t base = (uintptr_t)&tss;
    struct table_pointer pointer = { sizeof gdt - 1, (uintptr_t)gdt };

    gdt[1] = CODE_DESCRIPTOR;
    gdt[2] = DATA_DESCRIPTOR;
    gdt[3] = (sizeof tss - 1) | (base & 0xffffff) << 16
            | UINT64_C(0x89) << 40 /* present, available 64-bit TSS */
            | (base >> 24 & 0xff) << 56;
    gdt[4] = base >> 32;
    __asm__ volatile("lgdt %0" : : "m"(pointer), "m"(gdt));
}

/* FS and GS are left alone: loading them would clear the TLS base. */
static void load_selectors(void)
{
    uint64_t scratch;

    __asm__ volatile("pushq %1\n\t"
                     "leaq 1f(%%rip), %0\n\t"
                     "pushq %0\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %2, %%ds\n\t"
                     "movl %2, %%es\n\t"
                     "movl %2, %%ss\n\t"
                     "ltr %w3"
                     : "=&r"(scratch)
                     : "i"(CODE_SELECTOR), "r"(DATA_SELECTOR), "r"(TSS_SELECTOR)
                     : "memory");
}

static struct gate trap_gate(int vector)
{
    uint64_t offset = (uintptr_t)cpu_vectors + (uint64_t)vector * VECTOR_SIZE;

    return (struct gate){
        .offset_low = (uint16_t)offset,
        .selector = CODE_SELECTOR,
        .ist = vector == NMI || vector == DOUBLE_FAULT ? NMI_IST : TRAP_IST,
        .type = 0x8e, /* present, interrupt gate */
        .offset_middle = (uint16_t)(offset >> 16),
        .offset_high = (uint32_t)(offset >> 32),
    };
}

static void load_idt(void)
{
    struct table_pointer pointer = { sizeof idt - 1, (uintptr_t)idt };

    for (int i = 0; i < VECTORS; i++)
        idt[i] = trap_gate(i);
    __asm__ volatile("lidt %0" : : "m"(pointer), "m"(idt));
}

void cpu_init(void)
{
    tss.ist[TRAP_IST - 1] = (uintptr_t)trap_stack + sizeof trap_stack;
    tss.ist[NMI_IST - 1] = (uintptr_t)nmi_stack + sizeof nmi_stack;
    load_gdt();
    load_selectors();
    load_idt();
}

void cpu_set_tls_base(uint64_t base)
{
    __asm__ volatile("wrmsr" : : "c"(MSR_FS_BASE), "a"((uint32_t)base),
            "d"((uint32_t)(base >> 32)) : "memory");
}

uint64_t cpu_ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static const char *trap_name(unsigned vector)
{
    static const char *const names[] = {
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF",
        "reserved", "#TS", "#NP", "#SS", "#GP", "#PF", "reserved", "#MF",
        "#AC", "#MC", "#XM", "#VE", "#CP",
    };

    return vector < sizeof names / sizeof names[0] ? names[vector] : "reserved";
}

void cpu_trap(struct trap_frame *frame, unsigned vector)
{
    if (vector != PAGE_FAULT)
        frame->cr2 = 0;
    log_line(LOG_ERROR,
            "trap: %s (vector %u) ec=0x%lx rip=0x%lx rsp=0x%lx rflags=0x%lx",
            trap_name(vector), vector, frame->error_code, frame->rip, frame->rsp,
            frame->rflags);
    if (vector == PAGE_FAULT)
        log_line(LOG_ERROR, "trap: cr2=0x%lx", frame->cr2);
    fatal(frame, "Fatal trap");
}
