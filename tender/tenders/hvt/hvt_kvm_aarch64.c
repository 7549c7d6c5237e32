/* SPDX-License-Identifier: ISC */
/*
 * hvt_kvm_aarch64.c: the state an aarch64 guest starts in, and its exits.
 *
 * Values are those of the Solo5 hvt ABI: EL1, 4 KiB granule, guest-virtual
 * equals guest-physical, nothing mapped below 0x10000, read-only up to 0x100000,
 * hypercalls in the GiB above 4 GiB.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "hvt_internal.h"

#define L0_BASE 0x1000
#define L1_BASE 0x2000
#define L2_BASE 0x3000 /* four tables, one per GiB */
#define L3_BASE 0x7000 /* the first 2 MiB */

#define GIB_SHIFT     30
#define BLOCK_SHIFT   21
#define PAGE_SHIFT    12
#define TABLE_ENTRIES 512

/* Descriptors: attribute index << 2, AP[2] read-only, SH inner, AF, PXN, UXN. */
#define DESC_BLOCK     UINT64_C(0x1)
#define DESC_TABLE     UINT64_C(0x3)
#define DESC_PAGE      UINT64_C(0x3)
#define DESC_DEVICE    (UINT64_C(1) << 2) /* MAIR index 1: Device-nGnRE */
#define DESC_NORMAL    (UINT64_C(4) << 2) /* MAIR index 4: write-back */
#define DESC_READ_ONLY (UINT64_C(1) << 7)
#define DESC_INNER     (UINT64_C(3) << 8)
#define DESC_ACCESSED  (UINT64_C(1) << 10)
#define DESC_PXN       (UINT64_C(1) << 53)
#define DESC_UXN       (UINT64_C(1) << 54)
#define DESC_RAM       (DESC_NORMAL | DESC_INNER | DESC_ACCESSED | DESC_UXN)
#define DESC_MMIO      (DESC_DEVICE | DESC_INNER | DESC_ACCESSED | DESC_UXN | \
                        DESC_PXN)

#define SYS_REG(op0, op1, crn, crm, op2) ARM64_SYS_REG(op0, op1, crn, crm, op2)
#define SCTLR_EL1 SYS_REG(3, 0, 1, 0, 0)
#define CPACR_EL1 SYS_REG(3, 0, 1, 0, 2)
#define TTBR0_EL1 SYS_REG(3, 0, 2, 0, 0)
#define TCR_EL1   SYS_REG(3, 0, 2, 0, 2)
#define MAIR_EL1  SYS_REG(3, 0, 10, 2, 0)

#define CORE_REG(field) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | \
        KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field))
#define X0      CORE_REG(regs.regs[0])
#define PC      CORE_REG(regs.pc)
#define PSTATE  CORE_REG(regs.pstate)
#define SP_EL1  CORE_REG(sp_el1)

#define CPACR_FPEN (UINT64_C(3) << 20) /* FP and SIMD do not trap */
/* nGnRnE, nGnRE, GRE, normal uncached, write-back, write-through. */
#define MAIR_VALUE UINT64_C(0x0000bbff440c0400)
/* 40-bit addresses in and out, 4 KiB granule, write-back inner shareable. */
#define TCR_VALUE  UINT64_C(0x32b5183518)
#define SCTLR_MMU_AND_CACHES UINT64_C(0x1005) /* M, C, I */
#define PSTATE_EL1H_MASKED   UINT64_C(0x3c5)  /* EL1, own stack, DAIF masked */

static uint64_t small_page(uint64_t gpa)
{
    if (gpa < HVT_BOOT_INFO_BASE)
        return 0;
    if (gpa < HVT_GUEST_MIN_BASE)
        return gpa | DESC_PAGE | DESC_RAM | DESC_READ_ONLY | DESC_PXN;
    return gpa | DESC_PAGE | DESC_RAM;
}

static void write_page_tables(const struct hvt_mem *mem)
{
    uint64_t *l0 = hvt_mem_build(mem, L0_BASE);
    uint64_t *l1 = hvt_mem_build(mem, L1_BASE);
    uint64_t *l2 = hvt_mem_build(mem, L2_BASE);
    uint64_t *l3 = hvt_mem_build(mem, L3_BASE);

    l0[0] = L1_BASE | DESC_TABLE;
    for (uint64_t i = 0; i << GIB_SHIFT < mem->size; i++)
        l1[i] = (L2_BASE + i * HVT_GUEST_PAGE) | DESC_TABLE;
    l1[HVT_HYPERCALL_MMIO_BASE >> GIB_SHIFT] =
            HVT_HYPERCALL_MMIO_BASE | DESC_BLOCK | DESC_MMIO;
    l2[0] = L3_BASE | DESC_TABLE;
    for (uint64_t i = 1; i << BLOCK_SHIFT < mem->size; i++)
        l2[i] = i << BLOCK_SHIFT | DESC_BLOCK | DESC_RAM;
    for (uint64_t i = 0; i < TABLE_ENTRIES; i++)
        l3[i] = small_page(i << PAGE_SHIFT);
}

static void set_reg(struct hvt *hvt, uint64_t id, uint64_t value)
{
    struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

    hvt_ioctl(hvt->vcpu_fd, KVM_SET_ONE_REG, &reg, "KVM_SET_ONE_REG");
}

static uint64_t get_reg(struct hvt *hvt, uint64_t id)
{
    uint64_t value = 0;
    struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

    hvt_ioctl(hvt->vcpu_fd, KVM_GET_ONE_REG, &reg, "KVM_GET_ONE_REG");
    return value;
}

static void reset_vcpu(struct hvt *hvt)
{
    struct kvm_vcpu_init init;

    hvt_ioctl(hvt->vm_fd, KVM_ARM_PREFERRED_TARGET, &init,
            "KVM_ARM_PREFERRED_TARGET");
    hvt_ioctl(hvt->vcpu_fd, KVM_ARM_VCPU_INIT, &init, "KVM_ARM_VCPU_INIT");
}

static void set_system_registers(struct hvt *hvt)
{
    set_reg(hvt, CPACR_EL1, get_reg(hvt, CPACR_EL1) | CPACR_FPEN);
    set_reg(hvt, MAIR_EL1, MAIR_VALUE);
    set_reg(hvt, TCR_EL1, TCR_VALUE);
    set_reg(hvt, TTBR0_EL1, L0_BASE);
    set_reg(hvt, SCTLR_EL1, SCTLR_MMU_AND_CACHES);
}

static void set_core_registers(struct hvt *hvt, hvt_gpa_t entry)
{
    set_reg(hvt, PSTATE, PSTATE_EL1H_MASKED);
    set_reg(hvt, SP_EL1, hvt->mem.size - 16);
    set_reg(hvt, X0, HVT_BOOT_INFO_BASE);
    set_reg(hvt, PC, entry);
}

/* The guest reads the host's virtual counter, CNTVCT_EL0. */
static uint64_t counter_frequency(void)
{
    uint64_t hz;

    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    if (hz == 0)
        hvt_fail("The host's firmware left CNTFRQ_EL0 zero");
    return hz;
}

void hvt_vcpu_init(struct hvt *hvt, hvt_gpa_t entry)
{
    write_page_tables(&hvt->mem);
    reset_vcpu(hvt);
    set_system_registers(hvt);
    set_core_registers(hvt, entry);
    hvt->cpu_cycle_freq = counter_frequency();
    hvt_sandbox_allow_ioctl(hvt->vcpu_fd, KVM_GET_ONE_REG); /* hvt_vcpu_pc() */
}

uint64_t hvt_vcpu_pc(struct hvt *hvt)
{
    uint64_t pc = 0;
    struct kvm_one_reg reg = { .id = PC, .addr = (uintptr_t)&pc };

    return ioctl(hvt->vcpu_fd, KVM_GET_ONE_REG, &reg) == 0 ? pc : 0;
}

static bool is_hypercall_store(const struct kvm_run *run)
{
    return run->mmio.is_write && run->mmio.len == sizeof(uint32_t) &&
            run->mmio.phys_addr >= HVT_HYPERCALL_MMIO_BASE &&
            run->mmio.phys_addr < HVT_HYPERCALL_MMIO(HVT_HYPERCALL_MAX) &&
            run->mmio.phys_addr % 8 == 0;
}

bool hvt_vcpu_hypercall(struct hvt *hvt, uint64_t *nr, hvt_gpa_t *gpa)
{
    const struct kvm_run *run = hvt->run;
    uint32_t value;

    if (run->exit_reason != KVM_EXIT_MMIO)
        return false;
    if (!is_hypercall_store(run))
        hvt_fail("invalid guest mmio access: addr=0x%llx size=%u %s",
                (unsigned long long)run->mmio.phys_addr, run->mmio.len,
                run->mmio.is_write ? "write" : "read");
    memcpy(&value, run->mmio.data, sizeof(value));
    *nr = (run->mmio.phys_addr - HVT_HYPERCALL_MMIO_BASE) >> 3;
    *gpa = value;
    return true;
}
