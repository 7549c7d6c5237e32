/* SPDX-License-Identifier: ISC */
/*
 * stamps.c: linked into a tender, tells when it was where.
 *
 * The linker sends calls of the functions below through here (--wrap), so the
 * tender is measured as it is. Stamps are CLOCK_MONOTONIC; they are written out
 * when the guest has ended, where they disturb nothing.
 */
#include <time.h>

#include "hvt_internal.h"

#define STAMPS_MAX 16

static struct {
    const char *name;
    uint64_t ns;
} stamps[STAMPS_MAX];
static size_t stamp_count;

static void stamp(const char *name)
{
    struct timespec now;

    if (stamp_count == STAMPS_MAX)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    stamps[stamp_count].name = name;
    stamps[stamp_count++].ns = (uint64_t)now.tv_sec * 1000000000 +
            (uint64_t)now.tv_nsec;
}

void __real_hvt_options_parse(struct hvt_options *options, int argc, char **argv);
void __wrap_hvt_options_parse(struct hvt_options *options, int argc, char **argv)
{
    stamp("process start");
    __real_hvt_options_parse(options, argc, argv);
}

void __real_hvt_signals_init(void);
void __wrap_hvt_signals_init(void)
{
    stamp("options and image check");
    __real_hvt_signals_init();
}

void __real_hvt_vm_init(struct hvt *hvt, uint64_t mem_size);
void __wrap_hvt_vm_init(struct hvt *hvt, uint64_t mem_size)
{
    __real_hvt_vm_init(hvt, mem_size);
    stamp("KVM set-up");
}

hvt_gpa_t __real_hvt_elf_load(const struct hvt_elf *elf, struct hvt_mem *mem);
hvt_gpa_t __wrap_hvt_elf_load(const struct hvt_elf *elf, struct hvt_mem *mem)
{
    hvt_gpa_t end = __real_hvt_elf_load(elf, mem);

    stamp("ELF load");
    return end;
}

void __real_hvt_vcpu_init(struct hvt *hvt, hvt_gpa_t entry);
void __wrap_hvt_vcpu_init(struct hvt *hvt, hvt_gpa_t entry)
{
    __real_hvt_vcpu_init(hvt, entry);
    stamp("CPU set-up");
}

void __real_hvt_modules_setup(struct hvt *hvt, struct mft *mft);
void __wrap_hvt_modules_setup(struct hvt *hvt, struct mft *mft)
{
    __real_hvt_modules_setup(hvt, mft);
    stamp("devices");
}

_Noreturn void __real_hvt_vcpu_loop(struct hvt *hvt);
_Noreturn void __wrap_hvt_vcpu_loop(struct hvt *hvt)
{
    stamp("boot info and sandbox");
    hvt_say("guest memory,%llu,%llu", (unsigned long long)(uintptr_t)hvt->mem.base,
            (unsigned long long)hvt->mem.size);
    stamp("(message)"); /* of this build only, so it is a span of its own */
    __real_hvt_vcpu_loop(hvt);
}

void __real_hvt_core_dispatch(struct hvt *hvt, uint64_t nr, hvt_gpa_t gpa);
void __wrap_hvt_core_dispatch(struct hvt *hvt, uint64_t nr, hvt_gpa_t gpa)
{
    static bool is_booted, is_lit;
    bool lights = nr == HVT_HYPERCALL_LED_SET && !is_lit;

    if (!is_booted)
        stamp("guest boot");
    if (lights && is_booted)
        stamp("guest");
    __real_hvt_core_dispatch(hvt, nr, gpa);
    if (lights)
        stamp("LED set");
    is_booted = true;
    is_lit = is_lit || lights;
}

_Noreturn void __real_hvt_exit(int status);
_Noreturn void __wrap_hvt_exit(int status)
{
    stamp("guest to its end");
    for (size_t i = 0; i < stamp_count; i++)
        hvt_say("stamp,%s,%llu", stamps[i].name, (unsigned long long)stamps[i].ns);
    __real_hvt_exit(status);
}
