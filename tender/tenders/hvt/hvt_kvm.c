/* SPDX-License-Identifier: ISC */
/* hvt_kvm.c: the virtual machine and the loop that runs it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "hvt_internal.h"

#define KVM_API 12 /* the only version there is since 2007 */

int hvt_ioctl(int fd, unsigned long request, const void *arg, const char *what)
{
    int rc = ioctl(fd, request, arg);

    if (rc < 0)
        hvt_fail("KVM: %s: %s", what, strerror(errno));
    return rc;
}

static int open_kvm(void)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        hvt_fail("Cannot open /dev/kvm: %s; the host must offer KVM, and you "
                "need the right to use it", strerror(errno));
    if (hvt_ioctl(fd, KVM_GET_API_VERSION, NULL, "KVM_GET_API_VERSION") != KVM_API)
        hvt_fail("KVM: the API version is not %d", KVM_API);
    return fd;
}

static struct kvm_run *map_run(const struct hvt *hvt)
{
    int size = hvt_ioctl(hvt->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL,
            "KVM_GET_VCPU_MMAP_SIZE");
    void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED,
            hvt->vcpu_fd, 0);

    if (run == MAP_FAILED)
        hvt_fail("KVM: cannot map the virtual CPU: %s", strerror(errno));
    return run;
}

static void give_memory(struct hvt *hvt)
{
    struct kvm_userspace_memory_region region = {
        .memory_size = hvt->mem.size,
        .userspace_addr = (uintptr_t)hvt->mem.base,
    };

    hvt_ioctl(hvt->vm_fd, KVM_SET_USER_MEMORY_REGION, &region,
            "KVM_SET_USER_MEMORY_REGION");
}

void hvt_vm_init(struct hvt *hvt, uint64_t mem_size)
{
    hvt->kvm_fd = open_kvm();
    hvt->vm_fd = hvt_ioctl(hvt->kvm_fd, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
    hvt->vcpu_fd = hvt_ioctl(hvt->vm_fd, KVM_CREATE_VCPU, NULL,
            "KVM_CREATE_VCPU");
    hvt_sandbox_allow_ioctl(hvt->vcpu_fd, KVM_RUN);
    hvt->run = map_run(hvt);
    hvt_mem_init(&hvt->mem, mem_size);
    give_memory(hvt);
}

static _Noreturn void translation_fault(struct hvt *hvt)
{
    hvt_fail("host/guest translation fault: pc=0x%llx",
            (unsigned long long)hvt_vcpu_pc(hvt));
}

static void run_guest(struct hvt *hvt)
{
    if (ioctl(hvt->vcpu_fd, KVM_RUN, NULL) == 0)
        return;
    if (errno == EFAULT)
        translation_fault(hvt);
    if (errno != EINTR)
        hvt_fail("KVM_RUN: %s: pc=0x%llx", strerror(errno),
                (unsigned long long)hvt_vcpu_pc(hvt));
    hvt->run->exit_reason = KVM_EXIT_INTR;
}

/* Some KVMs report a write to protected memory as device access. */
static bool is_inside_memory(const struct hvt *hvt)
{
    return hvt->run->exit_reason == KVM_EXIT_MMIO &&
            hvt->run->mmio.phys_addr < hvt->mem.size;
}

static _Noreturn void refuse_exit(struct hvt *hvt)
{
    const struct kvm_run *run = hvt->run;
    unsigned long long pc = hvt_vcpu_pc(hvt);

    if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
        hvt_fail("KVM: entry failure: hardware_entry_failure_reason=0x%llx "
                "pc=0x%llx", run->fail_entry.hardware_entry_failure_reason, pc);
    if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
        hvt_fail("KVM: internal error: suberror=0x%x pc=0x%llx",
                run->internal.suberror, pc);
    hvt_fail("KVM: unhandled exit: exit_reason=0x%x pc=0x%llx",
            run->exit_reason, pc);
}

static void handle_exit(struct hvt *hvt)
{
    uint64_t nr;
    hvt_gpa_t gpa;

    if (hvt->run->exit_reason == KVM_EXIT_INTR)
        return;
    if (is_inside_memory(hvt))
        translation_fault(hvt);
    if (!hvt_vcpu_hypercall(hvt, &nr, &gpa))
        refuse_exit(hvt);
    hvt_core_dispatch(hvt, nr, gpa);
}

void hvt_vcpu_loop(struct hvt *hvt)
{
    for (;;) {
        run_guest(hvt);
        handle_exit(hvt);
    }
}
