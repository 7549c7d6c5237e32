/* SPDX-License-Identifier: ISC */
/*
 * Hypercalls at random: "seed=N calls=N wild=N". Most are such that the tender
 * carries them out; one in `wild` may be anything, and likely ends the guest.
 * Beside the argument the tender must not have changed a word. Not much is done
 * between two calls: some KVMs emulate each instruction.
 */
#include "../lib/console.h"
#include "hvt/hypercall.h"
#include "lib.h"
#include "solo5.h"

#define FILLER UINT64_C(0xa5a5a5a5a5a5a5a5)
#define ARG_WORDS 5
#define END_SIZE 10  /* bytes at the end of memory that may be written */
#define CODE_SIZE 64 /* bytes of a function, or less */
#define STATUS_WILD_HALT 42
#define STATUS_CHANGED 3

static uint64_t seed, calls, wild;
/* One word before the argument, and after it room for another that begins in it. */
static uint64_t arena[1 + 2 * ARG_WORDS];
static uint64_t *const arg = arena + 1;
static uintptr_t memory_end;

/* ---- Randomness: xorshift64*, by S. Vigna -------------------------------- */

static uint64_t random(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}

/* The high bits are the better ones. */
static uint64_t random_below(uint64_t limit)
{
    return (random() >> 33) % limit;
}

/*
 * Any number, but rather one that is near a limit. Not one in the stack, where an
 * answer would end the guest: only the last word of memory is nobody's.
 */
static uint64_t random_value(void)
{
    switch (random_below(8)) {
    case 0:
        return random_below(64);
    case 1:
        return memory_end - random_below(END_SIZE);
    case 2:
        return 0 - random_below(4096);
    case 3:
        return random_below(256) * HVT_GUEST_PAGE;
    case 4:
        return (uintptr_t)random + random_below(CODE_SIZE);
    case 5:
        return HVT_GUEST_MAX_MEM + (uintptr_t)arg;
    case 6:
        return (uintptr_t)arg + random_below(sizeof(uint64_t[ARG_WORDS]));
    default:
        return random();
    }
}

/* ---- Calls ---------------------------------------------------------------- */

#define BUFFER_SIZE 600 /* bytes */
#define HANDLES 4        /* two devices, and two handles that are none */

static uint8_t buffer[BUFFER_SIZE];
static unsigned harmless[8]; /* numbers that have a handler */
static size_t harmless_count;

static void add_harmless(unsigned nr)
{
    harmless[harmless_count++] = nr;
}

static void find_harmless(void)
{
    struct solo5_block_info block;
    struct solo5_net_info net;
    solo5_handle_t handle;

    add_harmless(HVT_HYPERCALL_WALLTIME);
    add_harmless(HVT_HYPERCALL_PUTS);
    add_harmless(HVT_HYPERCALL_POLL);
    if (solo5_block_acquire("storage", &handle, &block) == SOLO5_R_OK) {
        add_harmless(HVT_HYPERCALL_BLOCK_WRITE);
        add_harmless(HVT_HYPERCALL_BLOCK_READ);
    }
    if (solo5_net_acquire("service0", &handle, &net) == SOLO5_R_OK) {
        add_harmless(HVT_HYPERCALL_NET_WRITE);
        add_harmless(HVT_HYPERCALL_NET_READ);
    }
}

static void fill_buffer_words(size_t address)
{
    arg[address] = (uintptr_t)buffer;
    arg[address + 1] = random_below(BUFFER_SIZE);
}

/* Words that the handler of `nr` accepts. */
static void fill_harmless(unsigned nr)
{
    arg[0] = random_below(HANDLES);
    switch (nr) {
    case HVT_HYPERCALL_PUTS:
        arg[0] = (uintptr_t)arg + random_below(8);
        arg[1] = random_below(32);
        break;
    case HVT_HYPERCALL_BLOCK_WRITE:
    case HVT_HYPERCALL_BLOCK_READ:
        arg[1] = random_below(0x10000);
        fill_buffer_words(2);
        break;
    case HVT_HYPERCALL_NET_WRITE:
    case HVT_HYPERCALL_NET_READ:
        fill_buffer_words(1);
        break;
    }
}

/* Whether the tender refuses to write there, or may without this guest noticing. */
static bool is_nobodys(uint64_t gpa)
{
    return gpa < HVT_GUEST_MIN_BASE || gpa >= memory_end - END_SIZE ||
            gpa - (uintptr_t)random < CODE_SIZE;
}

static void fence_buffer(size_t address)
{
    if (!is_nobodys(arg[address]))
        fill_buffer_words(address);
}

/* It does not wait forever, does not end like something else, and survives. */
static void fill_wild(unsigned nr)
{
    for (size_t i = 0; i < ARG_WORDS; i++)
        arg[i] = random_value();
    switch (nr) {
    case HVT_HYPERCALL_POLL:
        arg[0] = random_below(1000);
        break;
    case HVT_HYPERCALL_HALT:
        arg[1] = STATUS_WILD_HALT;
        break;
    case HVT_HYPERCALL_BLOCK_READ:
        fence_buffer(2);
        break;
    case HVT_HYPERCALL_NET_READ:
        fence_buffer(1);
        break;
    }
}

/*
 * What lies at a random place is an argument that no fill_wild() has tamed: it might
 * be to wait forever, to end with any status, or to read over this guest's variables.
 */
static bool may_lie_elsewhere(unsigned nr)
{
    return nr != HVT_HYPERCALL_POLL && nr != HVT_HYPERCALL_HALT &&
            nr != HVT_HYPERCALL_BLOCK_READ && nr != HVT_HYPERCALL_NET_READ;
}

static void fill_beside(void)
{
    arg[-1] = arg[ARG_WORDS] = FILLER;
}

static void require_filler(void)
{
    if (arg[-1] != FILLER || arg[ARG_WORDS] != FILLER)
        solo5_exit(STATUS_CHANGED);
}

static void call_harmless(void)
{
    unsigned nr = harmless[random_below(harmless_count)];

    fill_beside();
    fill_harmless(nr);
    hypercall((enum hvt_hypercall)nr, arg);
    require_filler();
}

static void call_wild(void)
{
    unsigned nr = (unsigned)random_below(HVT_HYPERCALL_MAX);

    fill_beside();
    fill_wild(nr);
    if (random_below(2) && may_lie_elsewhere(nr)) {
        hypercall((enum hvt_hypercall)nr, (void *)random_value());
        return;
    }
    hypercall((enum hvt_hypercall)nr, arg);
    require_filler();
}

/* ---- The command line ------------------------------------------------------ */

/* After "NAME=" in the command line; 0 without. */
static uint64_t number_of(const char *cmdline, const char *name)
{
    size_t size = strlen(name);
    uint64_t value = 0;

    while (*cmdline && strncmp(cmdline, name, size))
        cmdline++;
    if (!*cmdline)
        return 0;
    for (cmdline += size; *cmdline >= '0' && *cmdline <= '9'; cmdline++)
        value = value * 10 + (uint64_t)(*cmdline - '0');
    return value;
}

int solo5_app_main(const struct solo5_start_info *info)
{
    seed = number_of(info->cmdline, "seed=");
    calls = number_of(info->cmdline, "calls=");
    wild = number_of(info->cmdline, "wild=");
    memory_end = info->heap_start + info->heap_size;
    find_harmless();
    if (!seed || !calls || !wild) {
        print("usage: seed=N calls=N wild=N, all above 0\nFAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    for (uint64_t i = 1; i <= calls; i++) {
        if (random_below(wild))
            call_harmless();
        else
            call_wild();
        if (i % 100 == 0 || i == calls)
            print("\ncalls %lu\n", i);
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
