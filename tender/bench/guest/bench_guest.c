/* SPDX-License-Identifier: ISC */
/*
 * The guest of the measurements. Its command line is one word:
 *
 *   edge   switches the LED on and off once
 *   calls  measures hypercalls, and prints NAME,NANOSECONDS per call for each batch
 *   wait   says that it waits, and waits
 */
#include "../../bindings/hvt/hypercall.h"
#include "../../tests/lib/console.h"
#include "lib.h"
#include "solo5.h"

#define BATCHES 20
#define CALLS   50 /* of one kind in a row: the clock's tick is not worth noticing */
#define WAIT_NS UINT64_C(60000000000)

static solo5_handle_t led;

/*
 * Each kind is called from the same instructions, with its two arguments by turns:
 * where KVM emulates the guest, an instruction more or less can be seen.
 */
struct kind {
    const char *name;
    enum hvt_hypercall nr;
    volatile void *args[2];
};

static volatile struct hvt_hc_walltime walltime;
static volatile struct hvt_hc_puts nothing = { .data = "" };
static volatile struct hvt_hc_poll no_wait;
static volatile struct hvt_hc_led_set led_off, led_on = { .on = 1 };

static const struct kind kinds[] = {
    { "walltime", HVT_HYPERCALL_WALLTIME, { &walltime, &walltime } },
    { "puts of nothing", HVT_HYPERCALL_PUTS, { &nothing, &nothing } },
    { "poll without waiting", HVT_HYPERCALL_POLL, { &no_wait, &no_wait } },
    { "led_set", HVT_HYPERCALL_LED_SET, { &led_off, &led_on } },
};

#define KINDS (sizeof kinds / sizeof kinds[0])

static solo5_time_t measure(const struct kind *kind)
{
    solo5_time_t start = solo5_clock_monotonic();

    for (int i = 0; i < CALLS; i++)
        hypercall(kind->nr, kind->args[i % 2]);
    return (solo5_clock_monotonic() - start) / CALLS;
}

/* By turns, so that whatever else the machine does hits all kinds alike. */
static int run_calls(void)
{
    static solo5_time_t ns[BATCHES][KINDS];

    led_off.handle = led_on.handle = led;
    for (size_t i = 0; i < KINDS; i++)
        measure(&kinds[i]); /* warms up */
    for (int batch = 0; batch < BATCHES; batch++)
        for (size_t i = 0; i < KINDS; i++)
            ns[batch][i] = measure(&kinds[i]);
    for (int batch = 0; batch < BATCHES; batch++)
        for (size_t i = 0; i < KINDS; i++)
            print("%s,%lu\n", kinds[i].name, ns[batch][i]);
    return led_on.ret == HVT_R_OK ? SOLO5_EXIT_SUCCESS : SOLO5_EXIT_FAILURE;
}

static int run_edge(void)
{
    bool done = solo5_led_set(led, true) == SOLO5_R_OK &&
            solo5_led_set(led, false) == SOLO5_R_OK;

    return done ? SOLO5_EXIT_SUCCESS : SOLO5_EXIT_FAILURE;
}

static int run_wait(void)
{
    print("waiting\n");
    solo5_yield(solo5_clock_monotonic() + WAIT_NS, NULL);
    return SOLO5_EXIT_SUCCESS;
}

int solo5_app_main(const struct solo5_start_info *info)
{
    struct solo5_led_info led_info;

    if (solo5_led_acquire("led0", &led, &led_info) != SOLO5_R_OK)
        return SOLO5_EXIT_FAILURE;
    if (strcmp(info->cmdline, "edge") == 0)
        return run_edge();
    if (strcmp(info->cmdline, "calls") == 0)
        return run_calls();
    if (strcmp(info->cmdline, "wait") == 0)
        return run_wait();
    print("usage: edge, calls or wait\n");
    return SOLO5_EXIT_FAILURE;
}
