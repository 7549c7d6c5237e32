/* SPDX-License-Identifier: ISC */
/*
 * Does to the tender what its command line says, one action after the other:
 *
 *   call NR POINTER [VALUE...]        hypercall NR, its argument at POINTER
 *   writeN OFFSET POINTER [VALUE...]  the same by a store of N bits to OFFSET
 *   readN OFFSET                      a load of N bits from OFFSET
 *
 * OFFSET counts bytes from where hypercalls begin: I/O ports on x86_64, an
 * address range on aarch64. N is 8, 16 or 32, on aarch64 also 64. VALUEs fill the
 * 64-bit words of the argument, if POINTER is near the place `arg`. Any number
 * may count from a place: "arg+1", "end-8".
 *
 * What the tender carried out is printed, with the argument's words afterwards;
 * around the argument it must not have changed a byte.
 */
#include "../lib/console.h"
#include "hvt/hypercall.h"
#include "lib.h"
#include "solo5.h"

#define ARG_WORDS 5 /* no argument is larger */
#define FILLER 0xa5

/* Exit statuses that are not to be taken for the tender's 1. */
#define STATUS_BAD_WORD 2
#define STATUS_CHANGED 3

static uint8_t arena[4096];
static const uint64_t constant = 1;

/* ---- Words --------------------------------------------------------------- */

static const char *rest; /* of the command line */
static char word[64];

/* Makes `word` the next one; an empty one at the end. */
static void next_word(void)
{
    size_t size = 0;

    while (*rest == ' ')
        rest++;
    while (*rest && *rest != ' ' && size < sizeof word - 1)
        word[size++] = *rest++;
    word[size] = '\0';
}

static void refuse_word(void)
{
    print("test_hostile: bad word '%s'\nFAILURE\n", word);
    solo5_exit(STATUS_BAD_WORD);
}

static uint64_t digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (uint64_t)(c - '0');
    return c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a') + 10 : UINT64_MAX;
}

static uint64_t parse_digits(const char *text)
{
    uint64_t base = strncmp(text, "0x", 2) ? 10 : 16, value = 0;

    text += base == 16 ? 2 : 0;
    if (!*text)
        refuse_word();
    for (; *text; text++) {
        if (digit_of(*text) >= base)
            refuse_word();
        value = value * base + digit_of(*text);
    }
    return value;
}

static struct {
    const char *name;
    uintptr_t address;
} places[] = {
    { "arg", (uintptr_t)(arena + sizeof arena / 2) },
    { "text", (uintptr_t)parse_digits },
    { "rodata", (uintptr_t)&constant },
    { "end", 0 }, /* of memory, known at the start */
};

#define PLACES (sizeof places / sizeof places[0])

static uint64_t parse_number(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        size_t size = strlen(places[i].name);

        if (strncmp(word, places[i].name, size))
            continue;
        if (word[size] == '-')
            return places[i].address - parse_digits(word + size + 1);
        if (word[size] == '+')
            return places[i].address + parse_digits(word + size + 1);
        if (!word[size])
            return places[i].address;
    }
    return parse_digits(word);
}

static uint64_t next_number(void)
{
    next_word();
    return parse_number();
}

/* ---- The ways to reach the tender ---------------------------------------- */

#if defined(__x86_64__)
#define NUMBER_STRIDE 1 /* ports, from one hypercall to the next */

#define WRITE(bits, suffix, modifier) \
    static void write##bits(uint64_t offset, uint64_t value) \
    { \
        __asm__ volatile("out" suffix " %" modifier "0, %%dx" : : "a"(value), \
                "d"(HVT_HYPERCALL_PIO_BASE + offset) : "memory"); \
    }
#define READ(bits, suffix, modifier) \
    static void read##bits(uint64_t offset, uint64_t value) \
    { \
        __asm__ volatile("in" suffix " %%dx, %" modifier "0" : "+a"(value) \
                : "d"(HVT_HYPERCALL_PIO_BASE + offset) : "memory"); \
    }
WRITE(8, "b", "b")
WRITE(16, "w", "w")
WRITE(32, "l", "k")
READ(8, "b", "b")
READ(16, "w", "w")
READ(32, "l", "k")

#elif defined(__aarch64__)
#define NUMBER_STRIDE 8 /* bytes */

#define WRITE(bits, suffix, modifier) \
    static void write##bits(uint64_t offset, uint64_t value) \
    { \
        __asm__ volatile("str" suffix " %" modifier "0, [%1]" : : "r"(value), \
                "r"(HVT_HYPERCALL_MMIO_BASE + offset) : "memory"); \
    }
#define READ(bits, suffix, modifier) \
    static void read##bits(uint64_t offset, uint64_t value) \
    { \
        __asm__ volatile("ldr" suffix " %" modifier "0, [%1]" : "=r"(value) \
                : "r"(HVT_HYPERCALL_MMIO_BASE + offset) : "memory"); \
        (void)value; \
    }
WRITE(8, "b", "w")
WRITE(16, "h", "w")
WRITE(32, "", "w")
WRITE(64, "", "x")
READ(8, "b", "w")
READ(16, "h", "w")
READ(32, "", "w")
READ(64, "", "x")
#endif

static void call(uint64_t nr, uint64_t pointer)
{
    write32(nr * NUMBER_STRIDE, pointer);
}

static const struct access {
    const char *name;
    bool has_argument;
    void (*reach)(uint64_t number, uint64_t pointer);
} accesses[] = {
    { "call", true, call },
    { "write8", true, write8 },
    { "write16", true, write16 },
    { "write32", true, write32 },
    { "read8", false, read8 },
    { "read16", false, read16 },
    { "read32", false, read32 },
#if defined(__aarch64__)
    { "write64", true, write64 },
    { "read64", false, read64 },
#endif
};

#define ACCESSES (sizeof accesses / sizeof accesses[0])

static const struct access *access_named(const char *name)
{
    for (size_t i = 0; i < ACCESSES; i++)
        if (!strcmp(accesses[i].name, name))
            return &accesses[i];
    return NULL;
}

/* ---- One action ---------------------------------------------------------- */

struct action {
    const struct access *access;
    uint64_t number;
    uint64_t pointer;
    uint64_t values[ARG_WORDS];
    size_t value_count;
};

/* Starts at `word`, and leaves there what comes after the action. */
static void read_action(struct action *action)
{
    action->access = access_named(word);
    if (!action->access)
        refuse_word();
    action->number = next_number();
    action->pointer = action->access->has_argument ? next_number() : 0;
    action->value_count = 0;
    for (next_word(); *word && !access_named(word); next_word()) {
        if (action->value_count == ARG_WORDS)
            refuse_word();
        action->values[action->value_count++] = parse_number();
    }
}

static bool is_in_arena(uint64_t pointer)
{
    return pointer - (uintptr_t)arena <= sizeof arena - sizeof(uint64_t[ARG_WORDS]);
}

static void fill_argument(const struct action *action)
{
    memset(arena, FILLER, sizeof arena);
    if (is_in_arena(action->pointer))
        memcpy((void *)action->pointer, action->values,
                action->value_count * sizeof action->values[0]);
}

/* Outside of the words that were given; a tender may answer in those. */
static bool arena_changed(const struct action *action)
{
    uint64_t first = action->pointer - (uintptr_t)arena;
    size_t size = action->value_count * sizeof action->values[0];

    for (size_t i = 0; i < sizeof arena; i++)
        if (arena[i] != FILLER && (i < first || i - first >= size))
            return true;
    return false;
}

static void print_answer(const struct action *action)
{
    uint64_t values[ARG_WORDS];

    print("%s %lu:", action->access->name, action->number);
    if (is_in_arena(action->pointer)) {
        memcpy(values, (void *)action->pointer, sizeof values);
        for (size_t i = 0; i < action->value_count; i++)
            print(" 0x%lx", values[i]);
    }
    print("\n");
}

static void do_action(const struct action *action)
{
    fill_argument(action);
    action->access->reach(action->number, action->pointer);
    print_answer(action);
    if (arena_changed(action)) {
        print("test_hostile: bytes around the argument changed\nFAILURE\n");
        solo5_exit(STATUS_CHANGED);
    }
}

int solo5_app_main(const struct solo5_start_info *info)
{
    struct action action;

    places[PLACES - 1].address = info->heap_start + info->heap_size;
    rest = info->cmdline;
    next_word();
    while (*word) {
        read_action(&action);
        do_action(&action);
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
