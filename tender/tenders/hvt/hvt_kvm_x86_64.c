/* SPDX-License-Identifier: ISC */
/*
 * hvt_kvm_x86_64.c: the state an x86_64 guest starts in, and its exits.
 *
 * Values are those of the Solo5 hvt ABI: 64-bit kernel mode, guest-virtual
 * equals guest-physical, nothing mapped below 0x10000, read-only up to 0x100000.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "hvt_internal.h"

#define GDT_BASE  0x1000
#define PML4_BASE 0x2000
#define PDPT_BASE 0x3000
#define PD_BASE   0x4000 /* four tables, one per GiB */
#define PD_COUNT  4
#define PT_BASE   0x8000 /* the first 2 MiB */

#define PAGE_PRESENT  0x01
#define PAGE_WRITABLE 0x02
#define PAGE_LARGE    0x80
#define PAGE_TABLE    (PAGE_PRESENT | PAGE_WRITABLE)
#define LARGE_SHIFT   21
#define SMALL_SHIFT   12
#define TABLE_ENTRIES 512

#define CR0_PE   (UINT64_C(1) << 0)
#define CR0_NE   (UINT64_C(1) << 5)
#define CR0_WP   (UINT64_C(1) << 16)
#define CR0_PG   (UINT64_C(1) << 31)
#define CR4_PAE        (UINT64_C(1) << 5)
#define CR4_OSFXSR     (UINT64_C(1) << 9)
#define CR4_OSXMMEXCPT (UINT64_C(1) << 10)
#define EFER_LME (UINT64_C(1) << 8)
#define EFER_LMA (UINT64_C(1) << 10)

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define TYPE_CODE 9  /* execute-only, accessed */
#define TYPE_DATA 3  /* read/write, accessed */
#define TYPE_TSS  11 /* busy 64-bit TSS: KVM refuses any other */

#define RFLAGS_RESERVED 0x2

#define CPUID_ENTRIES     100
#define CPUID_ENTRIES_MAX 6400

/*
 * The segments that set_sregs() loads. Part of the ABI, but of use only to a
 * guest that maps its page first.
 */
static const uint64_t gdt[] = {
    0, UINT64_C(0x00af99000000ffff), UINT64_C(0x00cf93000000ffff),
};

static uint64_t small_page(uint64_t gpa)
{
    if (gpa < HVT_BOOT_INFO_BASE)
        return 0;
    return gpa | PAGE_PRESENT | (gpa >= HVT_GUEST_MIN_BASE ? PAGE_WRITABLE : 0);
}

static void write_page_tables(const struct hvt_mem *mem)
{
    uint64_t *pml4 = hvt_mem_build(mem, PML4_BASE);
    uint64_t *pdpt = hvt_mem_build(mem, PDPT_BASE);
    uint64_t *pd = hvt_mem_build(mem, PD_BASE);
    uint64_t *pt = hvt_mem_build(mem, PT_BASE);

    pml4[0] = PDPT_BASE | PAGE_TABLE;
    for (uint64_t i = 0; i < PD_COUNT; i++)
        pdpt[i] = (PD_BASE + i * HVT_GUEST_PAGE) | PAGE_TABLE;
    pd[0] = PT_BASE | PAGE_TABLE;
    for (uint64_t i = 1; i << LARGE_SHIFT < mem->size; i++)
        pd[i] = i << LARGE_SHIFT | PAGE_LARGE | PAGE_TABLE;
    for (uint64_t i = 0; i < TABLE_ENTRIES; i++)
        pt[i] = small_page(i << SMALL_SHIFT);
}

/* Returns false if the kernel knows more features than `entries`. */
static bool try_set_cpuid(struct hvt *hvt, uint32_t entries)
{
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) +
            entries * sizeof(cpuid->entries[0]));
    bool fits;

    if (cpuid == NULL)
        hvt_fail("No memory for %u CPUID entries", entries);
    cpuid->nent = entries;
    fits = ioctl(hvt->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) == 0;
    if (!fits && errno != E2BIG)
        hvt_fail("KVM: KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
    if (fits)
        hvt_ioctl(hvt->vcpu_fd, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
    free(cpuid);
    return fits;
}

static void set_cpuid(struct hvt *hvt)
{
    uint32_t entries = CPUID_ENTRIES;

    while (!try_set_cpuid(hvt, entries)) {
        entries *= 2;
        if (entries > CPUID_ENTRIES_MAX)
            hvt_fail("KVM: more than %d CPUID entries", CPUID_ENTRIES_MAX);
    }
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
    return (struct kvm_segment){ .selector = selector, .limit = 0xffffffff,
        .type = type, .present = 1, .s = 1, .g = 1,
        .l = type == TYPE_CODE, .db = type != TYPE_CODE };
}

static void set_sregs(struct hvt *hvt)
{
    struct kvm_segment data = flat_segment(SELECTOR_DATA, TYPE_DATA);
    struct kvm_sregs sregs = {
        .cs = flat_segment(SELECTOR_CODE, TYPE_CODE),
        .ss = data, .ds = data, .es = data, .fs = data, .gs = data,
        .tr = { .type = TYPE_TSS, .present = 1 },
        .ldt = { .unusable = 1 },
        .gdt = { .base = GDT_BASE, .limit = sizeof(gdt) - 1 },
        .cr0 = CR0_PE | CR0_NE | CR0_WP | CR0_PG,
        .cr3 = PML4_BASE,
        .cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT,
        .efer = EFER_LME | EFER_LMA,
    };

    hvt_ioctl(hvt->vcpu_fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
}

/* The stack looks as if a return address had been pushed. */
static void set_regs(struct hvt *hvt, hvt_gpa_t entry)
{
    struct kvm_regs regs = {
        .rip = entry,
        .rsp = hvt->mem.size - 8,
        .rdi = HVT_BOOT_INFO_BASE,
        .rflags = RFLAGS_RESERVED,
    };

    hvt_ioctl(hvt->vcpu_fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static uint64_t tsc_frequency(struct hvt *hvt)
{
    int khz;

    if (hvt_ioctl(hvt->kvm_fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_GET_TSC_KHZ,
            "KVM_CAP_GET_TSC_KHZ") != 1)
        hvt_fail("KVM: the host cannot tell the frequency of its TSC");
    khz = ioctl(hvt->vcpu_fd, KVM_GET_TSC_KHZ, NULL);
    if (khz <= 0)
        hvt_fail("KVM: the host's TSC is unstable");
    return (uint64_t)khz * 1000;
}

void hvt_vcpu_init(struct hvt *hvt, hvt_gpa_t entry)
{
    memcpy(hvt_mem_build(&hvt->mem, GDT_BASE), gdt, sizeof(gdt));
    write_page_tables(&hvt->mem);
    set_cpuid(hvt);
    set_sregs(hvt);
    set_regs(hvt, entry);
    hvt->cpu_cycle_freq = tsc_frequency(hvt);
    hvt_sandbox_allow_ioctl(hvt->vcpu_fd, KVM_GET_REGS); /* hvt_vcpu_pc() */
}

uint64_t hvt_vcpu_pc(struct hvt *hvt)
{
    struct kvm_regs regs = { 0 };

    return ioctl(hvt->vcpu_fd, KVM_GET_REGS, &regs) == 0 ? regs.rip : 0;
}

static bool is_hypercall_port(const struct kvm_run *run)
{
    return run->io.direction == KVM_EXIT_IO_OUT &&
            run->io.size == sizeof(uint32_t) && run->io.count == 1 &&
            run->io.port >= HVT_HYPERCALL_PIO_BASE &&
            run->io.port < HVT_HYPERCALL_PIO(HVT_HYPERCALL_MAX);
}

bool hvt_vcpu_hypercall(struct hvt *hvt, uint64_t *nr, hvt_gpa_t *gpa)
{
    const struct kvm_run *run = hvt->run;
    uint32_t value;

    if (run->exit_reason != KVM_EXIT_IO)
        return false;
    if (!is_hypercall_port(run))
        hvt_fail("invalid guest port access: port=0x%x size=%u count=%u",
                run->io.port, run->io.size, run->io.count);
    memcpy(&value, (const uint8_t *)run + run->io.data_offset, sizeof(value));
    *nr = (uint64_t)run->io.port - HVT_HYPERCALL_PIO_BASE;
    *gpa = value;
    return true;
}
