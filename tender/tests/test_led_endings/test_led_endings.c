/* SPDX-License-Identifier: ISC */
/*
 * Switches led0 on, says so, and ends while it is on, in the way that the command
 * line names; "wait", "spin", "print" and "grow" wait for somebody else to end it.
 */
#include "../lib/console.h"
#include "hvt/hypercall.h"
#include "lib.h"
#include "solo5.h"

#define STEP_NS UINT64_C(10000000)
#define PAGE    4096

static const struct solo5_start_info *start_info;
static volatile uintptr_t unmapped = UINT64_C(0x400000000); /* 16 GiB */

static void end_by_exit(void)
{
    solo5_exit(SOLO5_EXIT_SUCCESS);
}

static void end_by_failure(void)
{
    solo5_exit(7);
}

static void end_by_abort(void)
{
    solo5_abort();
}

static void end_by_trap(void)
{
    *(volatile uint64_t *)unmapped = 1;
}

/* On x86_64 the trap handler has no stack either: a triple fault. */
static void end_by_stack(void)
{
#if defined(__x86_64__)
    __asm__ volatile("xorl %%esp, %%esp\n\tpushq $0" : : : "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov sp, %0\n\tstr xzr, [sp]" : : "r"(UINT64_C(0)) : "memory");
#endif
}

static void end_by_hypercall(void)
{
    volatile struct hvt_hc_puts hc = {
        .data = (const void *)UINT64_MAX, .len = 1 };

    hypercall(HVT_HYPERCALL_PUTS, &hc);
}

static void wait(void)
{
    for (;;)
        solo5_yield(solo5_clock_monotonic() + STEP_NS, NULL);
}

static void spin(void)
{
    for (;;)
        __asm__ volatile("");
}

static void print_for_ever(void)
{
    for (;;)
        print("and on, and on\n");
}

static void grow(void)
{
    for (size_t at = 0; at < start_info->heap_size; at += PAGE)
        *(volatile uint8_t *)(start_info->heap_start + at) = 1;
}

static const struct {
    const char *name;
    void (*end)(void);
} endings[] = {
    { "exit", end_by_exit },
    { "failure", end_by_failure },
    { "abort", end_by_abort },
    { "trap", end_by_trap },
    { "stack", end_by_stack },
    { "hypercall", end_by_hypercall },
    { "wait", wait },
    { "spin", spin },
    { "print", print_for_ever },
    { "grow", grow },
};

static void end_as(const char *name)
{
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (!strcmp(endings[i].name, name))
            endings[i].end();
}

int solo5_app_main(const struct solo5_start_info *info)
{
    struct solo5_led_info led_info;
    solo5_handle_t led;

    start_info = info;
    if (solo5_led_acquire("led0", &led, &led_info) != SOLO5_R_OK
            || solo5_led_set(led, true) != SOLO5_R_OK)
        return SOLO5_EXIT_FAILURE;
    print("the LED is on\n");
    end_as(info->cmdline);
    print("FAILURE\n");
    return SOLO5_EXIT_FAILURE;
}
