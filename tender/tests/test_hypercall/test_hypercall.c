/* SPDX-License-Identifier: ISC */
/*
 * Calls the tender as no guest should, in the way its command line names. Every
 * one of these must end the guest from outside.
 */
#include "../lib/console.h"
#include "hvt/hypercall.h"
#include "lib.h"
#include "solo5.h"

#define BOOT_INFO  ((void *)0x10000) /* read-only to the guest */
#define PAGE_TABLE ((void *)0x2000)  /* the guest's own: PML4, or level 1 */

static const struct hvt_hc_walltime constant = { 1 };
static uintptr_t memory_end;

static void number_zero(void)
{
    hypercall((enum hvt_hypercall)0, &constant);
}

static void number_free(void)
{
    hypercall((enum hvt_hypercall)9, &constant);
}

static void number_beyond(void)
{
    hypercall((enum hvt_hypercall)HVT_HYPERCALL_MAX, &constant);
}

static void arg_at_end(void)
{
    hypercall(HVT_HYPERCALL_WALLTIME, (void *)memory_end);
}

/* The last byte of memory is out of bounds, too. */
static void arg_touches_end(void)
{
    hypercall(HVT_HYPERCALL_WALLTIME, (void *)(memory_end - sizeof constant));
}

static void out_in_constants(void)
{
    hypercall(HVT_HYPERCALL_WALLTIME, &constant);
}

static void out_in_page_table(void)
{
    hypercall(HVT_HYPERCALL_WALLTIME, PAGE_TABLE);
}

static void out_in_boot_info(void)
{
    hypercall(HVT_HYPERCALL_WALLTIME, BOOT_INFO);
}

static void puts_at(uintptr_t data, uint64_t len)
{
    volatile struct hvt_hc_puts hc = { .data = (const char *)data, .len = len };

    hypercall(HVT_HYPERCALL_PUTS, &hc);
}

static void puts_beyond(void)
{
    puts_at(memory_end - 8, 9);
}

static void puts_wraps(void)
{
    puts_at(memory_end - 8, UINT64_MAX);
}

static void puts_above_4_gib(void)
{
    puts_at((uintptr_t)&constant + HVT_GUEST_MAX_MEM, 1);
}

/* As the paths to a hypercall are an I/O port and an address, so are the abuses. */
#if defined(__x86_64__)
static void width(void)
{
    __asm__ volatile("outw %%ax, %%dx" : : "a"(0),
            "d"(HVT_HYPERCALL_PIO(HVT_HYPERCALL_PUTS)));
}

static void direction(void)
{
    uint32_t value;

    __asm__ volatile("inl %%dx, %%eax" : "=a"(value)
            : "d"(HVT_HYPERCALL_PIO(HVT_HYPERCALL_PUTS)));
}

static void device(void)
{
    __asm__ volatile("outl %%eax, %%dx" : : "a"(0), "d"(0x3f8));
}
#elif defined(__aarch64__)
static void store(uint64_t address)
{
    __asm__ volatile("str wzr, [%0]" : : "r"(address) : "memory");
}

static void width(void)
{
    __asm__ volatile("strh wzr, [%0]"
            : : "r"(HVT_HYPERCALL_MMIO(HVT_HYPERCALL_PUTS)) : "memory");
}

static void direction(void)
{
    uint32_t value;

    __asm__ volatile("ldr %w0, [%1]" : "=r"(value)
            : "r"(HVT_HYPERCALL_MMIO(HVT_HYPERCALL_PUTS)) : "memory");
}

static void alignment(void)
{
    store(HVT_HYPERCALL_MMIO(HVT_HYPERCALL_PUTS) + 4);
}

static void device(void)
{
    store(HVT_HYPERCALL_MMIO_BASE + 0x10000);
}
#endif

static const struct {
    const char *name;
    void (*call)(void);
} abuses[] = {
    { "number-zero", number_zero },
    { "number-free", number_free },
    { "number-beyond", number_beyond },
    { "arg-at-end", arg_at_end },
    { "arg-touches-end", arg_touches_end },
    { "out-in-constants", out_in_constants },
    { "out-in-page-table", out_in_page_table },
    { "out-in-boot-info", out_in_boot_info },
    { "puts-beyond", puts_beyond },
    { "puts-wraps", puts_wraps },
    { "puts-above-4-gib", puts_above_4_gib },
    { "width", width },
    { "direction", direction },
    { "device", device },
#if defined(__aarch64__)
    { "alignment", alignment },
#endif
};

int solo5_app_main(const struct solo5_start_info *info)
{
    memory_end = info->heap_start + info->heap_size;
    for (size_t i = 0; i < sizeof abuses / sizeof abuses[0]; i++)
        if (!strcmp(info->cmdline, abuses[i].name))
            abuses[i].call();
    print("test_hypercall: '%s' did not end me\nFAILURE\n", info->cmdline);
    return SOLO5_EXIT_FAILURE;
}
