/* SPDX-License-Identifier: ISC */
/*
 * minimal_kvm.c: the least a program can do to run a guest. What the tender's
 * start is measured against.
 *
 * Opens KVM, makes a virtual machine and one virtual CPU, runs one instruction
 * that gives control back, ends with 0.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MEMORY_SIZE 0x10000 /* a page on every host */
#define ENTRY       0x10000 /* beyond address 0, which must not be memory */

static int kvm(int fd, unsigned long request, void *arg, const char *what)
{
    int rc = ioctl(fd, request, arg);

    if (rc < 0)
        err(1, "%s", what);
    return rc;
}

#if defined(__x86_64__)
static const uint8_t program[] = { 0xf4 }; /* hlt */
#define EXIT_REASON KVM_EXIT_HLT

/* In real mode, as after a reset, at CS:IP = ENTRY:0. */
static void set_entry(int vm, int vcpu)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs = { .rflags = 2 };

    (void)vm;
    kvm(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
    sregs.cs.base = ENTRY;
    sregs.cs.selector = ENTRY >> 4;
    kvm(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
    kvm(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}
#elif defined(__aarch64__)
/* str w0, [x0]: a store to address 0. A wfi would wait inside the kernel. */
static const uint8_t program[] = { 0x00, 0x00, 0x00, 0xb9 };
#define EXIT_REASON KVM_EXIT_MMIO

static void set_entry(int vm, int vcpu)
{
    struct kvm_vcpu_init init;
    uint64_t entry = ENTRY;
    struct kvm_one_reg pc = {
        .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
                KVM_REG_ARM_CORE_REG(regs.pc),
        .addr = (uintptr_t)&entry,
    };

    kvm(vm, KVM_ARM_PREFERRED_TARGET, &init, "KVM_ARM_PREFERRED_TARGET");
    kvm(vcpu, KVM_ARM_VCPU_INIT, &init, "KVM_ARM_VCPU_INIT");
    kvm(vcpu, KVM_SET_ONE_REG, &pc, "KVM_SET_ONE_REG");
}
#endif

static void *map(size_t size, int flags, int fd)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

    if (map == MAP_FAILED)
        err(1, "mmap");
    return map;
}

static void give_program(int vm)
{
    void *memory = map(MEMORY_SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = ENTRY,
        .memory_size = MEMORY_SIZE,
        .userspace_addr = (uintptr_t)memory,
    };

    memcpy(memory, program, sizeof(program));
    kvm(vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
}

int main(void)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int vm, vcpu;
    struct kvm_run *run;

    if (fd < 0)
        err(1, "/dev/kvm");
    vm = kvm(fd, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
    vcpu = kvm(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
    run = map((size_t)kvm(fd, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE"),
            MAP_SHARED, vcpu);
    give_program(vm);
    set_entry(vm, vcpu);
    kvm(vcpu, KVM_RUN, NULL, "KVM_RUN");
    if (run->exit_reason != EXIT_REASON)
        errx(1, "exit reason %u instead of %d", run->exit_reason, EXIT_REASON);
    return 0;
}
