/* SPDX-License-Identifier: ISC */
/* The virtual CPU: what a guest starts with, and how its exits are answered. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "fake_kvm.h"
#include "hvt_internal.h"
#include "unit.h"

#define MEM_SIZE UINT64_C(0x400000)
#define CODE     UINT64_C(0x100000) /* read-only */
#define ARG      UINT64_C(0x200000)
#define ARG_ADDRESS "0x200000"

/*
 * Guests a few instructions long, assembled here and copied; at the alignment
 * that an aarch64 vector table needs.
 */
#define GUEST(name, code) \
    __asm__(".pushsection .rodata\n .balign 0x800\n" \
            #name "_guest:\n" code "\n" #name "_guest_end:\n" \
            ".popsection\n"); \
    extern const char name##_guest[], name##_guest_end[]

struct row {
    const char *name;
    const char *code;
    const char *end;
    int status;
    const char *says;
};

#define ROW(name, status, says) \
    { #name, name##_guest, name##_guest_end, status, says }

#if defined(__x86_64__)

#define OUT(port) "mov $" port ", %edx\n mov $" ARG_ADDRESS ", %eax\n out %eax, %dx\n"
/* Status 7 if the condition holds; the argument's exit_status is preset to 7. */
#define HALT OUT("0x508")
#define TRAP "ud2\n" /* there is no vector: a triple fault */

GUEST(halt, HALT);
GUEST(start_state,
        "cmp $0x10000, %rdi\n jne 1f\n cmp $0x3ffff8, %rsp\n jne 1f\n"
        "pushf\n pop %rax\n and $0x602, %eax\n cmp $2, %eax\n jne 1f\n" HALT
        "1:" TRAP);
GUEST(unknown_number, OUT("0x51f"));
GUEST(port_below, OUT("0x4ff"));
GUEST(port_above, OUT("0x520"));
GUEST(ring_kick, OUT("0x600"));
GUEST(port_read, "mov $0x502, %edx\n in %dx, %eax");
GUEST(port_byte, "mov $0x502, %edx\n out %al, %dx");
GUEST(idle, "hlt");
GUEST(trap, TRAP);
GUEST(write_code, "movb $0, 0x100800");
GUEST(write_beyond, "mov $0x400000, %eax\n movb $0, (%rax)");
GUEST(read_zero_page, "movb 8, %al\n" HALT);
GUEST(read_page_tables, "movb 0x2000, %al\n" HALT);
GUEST(write_page_tables, "movb $0, 0x2000");
GUEST(ask_cpuid, "xor %eax, %eax\n cpuid\n test %ebx, %ebx\n jz 1f\n" HALT "1:" TRAP);
GUEST(write_boot_info, "movb $0, 0x10000");
GUEST(read_boot_info, "movb 0x10000, %al\n" HALT);
GUEST(loop, "1: jmp 1b");

#define FAULT "KVM: unhandled exit: exit_reason=0x8"
#define BAD_ACCESS "invalid guest port access: port="

static const struct row arch_rows[] = {
    ROW(unknown_number, 1, "invalid guest hypercall: num=31"),
    ROW(port_below, 1, BAD_ACCESS "0x4ff"),
    ROW(port_above, 1, BAD_ACCESS "0x520"),
    ROW(ring_kick, 1, BAD_ACCESS "0x600"),
    ROW(port_read, 1, BAD_ACCESS "0x502"),
    ROW(port_byte, 1, BAD_ACCESS "0x502 size=1"),
    ROW(idle, 1, "KVM: unhandled exit: exit_reason=0x5"),
    ROW(trap, 1, FAULT),
    ROW(write_beyond, 1, FAULT),
    ROW(read_zero_page, 1, FAULT),
    ROW(read_page_tables, 1, FAULT),
    ROW(write_page_tables, 1, FAULT),
    ROW(write_boot_info, 1, FAULT),
    ROW(ask_cpuid, 7, ""),
};

#elif defined(__aarch64__)

/* The window is at 4 GiB; hypercall n is a store to window + 8 n. */
#define WINDOW "mov x1, #0x100000000\n mov w0, #" ARG_ADDRESS "\n"
#define HALT WINDOW "str w0, [x1, #0x40]\n"
#define SPIN "1: b 1b\n"

/* A fault enters the vector table; the one here ends with status 9. */
#define VECTORS "adr x2, 2f\n msr vbar_el1, x2\n isb\n"
#define VECTOR_CODE SPIN ".balign 0x800\n 2: .skip 0x200\n" \
        "mov w3, #9\n mov w0, #" ARG_ADDRESS "\n str w3, [x0, #8]\n" HALT SPIN

GUEST(halt, HALT);
GUEST(start_state, "cmp x0, #0x10000\n b.ne 1f\n mov x2, sp\n mov x3, #0x3ffff0\n"
        "cmp x2, x3\n b.ne 1f\n mrs x2, daif\n cmp x2, #0x3c0\n b.ne 1f\n"
        "mrs x2, CurrentEL\n cmp x2, #4\n b.ne 1f\n fmov d0, #1.0\n" HALT SPIN);
GUEST(unknown_number, WINDOW "str w0, [x1, #0xf8]");
GUEST(store_above, WINDOW "str w0, [x1, #0x100]");
GUEST(store_long, WINDOW "str x0, [x1, #0x10]");
GUEST(store_byte, WINDOW "strb w0, [x1, #0x10]");
GUEST(load, WINDOW "ldr w0, [x1, #0x10]");
GUEST(store_between, WINDOW "str w0, [x1, #0x14]");
GUEST(write_code, "mov x0, #0x100000\n strb w0, [x0, #0x800]");
GUEST(write_beyond, VECTORS "mov x0, #0x400000\n strb w0, [x0]\n" VECTOR_CODE);
GUEST(read_zero_page, VECTORS "mov x0, #8\n ldrb w0, [x0]\n" VECTOR_CODE);
GUEST(read_page_tables, VECTORS "mov x0, #0x2000\n ldrb w0, [x0]\n" VECTOR_CODE);
GUEST(write_page_tables, VECTORS "mov x0, #0x2000\n strb w0, [x0]\n" VECTOR_CODE);
GUEST(write_boot_info, VECTORS "mov x0, #0x10000\n strb w0, [x0]\n" VECTOR_CODE);
GUEST(read_boot_info, "mov x0, #0x10000\n ldrb w0, [x0]\n" HALT);
GUEST(loop, SPIN);

#define BAD_ACCESS "invalid guest mmio access: addr="

static const struct row arch_rows[] = {
    ROW(unknown_number, 1, "invalid guest hypercall: num=31"),
    ROW(store_above, 1, BAD_ACCESS "0x100000100 size=4 write"),
    ROW(store_long, 1, BAD_ACCESS "0x100000010 size=8 write"),
    ROW(store_byte, 1, BAD_ACCESS "0x100000010 size=1 write"),
    ROW(store_between, 1, BAD_ACCESS "0x100000014 size=4 write"),
    ROW(load, 1, BAD_ACCESS "0x100000010 size=4 read"),
    ROW(write_beyond, 9, ""),
    ROW(read_zero_page, 9, ""),
    ROW(read_page_tables, 9, ""),
    ROW(write_page_tables, 9, ""),
    ROW(write_boot_info, 9, ""),
};


#endif

static const struct row common_rows[] = {
    ROW(halt, 7, ""),
    ROW(start_state, 7, ""),
    ROW(read_boot_info, 7, ""),
    ROW(write_code, 1, "host/guest translation fault: pc=0x1000"),
};

static struct hvt hvt;

/* The argument of every hypercall here is that of HALT with status 7. */
static void build(const struct row *row)
{
    struct hvt_hc_halt hc = { .exit_status = 7 };

    hvt_signals_init();
    hvt_vm_init(&hvt, MEM_SIZE);
    memcpy(hvt_mem_build(&hvt.mem, CODE), row->code, (size_t)(row->end - row->code));
    hvt_mem_protect(&hvt.mem, CODE, CODE + 0x1000, HVT_ACCESS_READ);
    hvt_vcpu_init(&hvt, CODE);
    hvt_core_init();
    hvt_guest_write(&hvt, ARG, &hc, sizeof(hc));
}

static void run(void *row)
{
    build(row);
    hvt_vcpu_loop(&hvt);
}

static void test_row(const void *arg)
{
    const struct row *row = arg;

    EXPECT_ENDING(run, (void *)arg, row->status, row->says);
}

static void run_until_signal(void *row)
{
    struct itimerval soon = { .it_value = { .tv_usec = 100000 } };

    build(row);
    setitimer(ITIMER_REAL, &soon, NULL);
    hvt_vcpu_loop(&hvt);
}

static void a_guest_that_never_exits_can_be_interrupted(void)
{
    static const struct row row = ROW(loop, 0, "");

    EXPECT_ENDING(run_until_signal, (void *)&row, 1, "Exiting on signal 14");
}

static void the_guest_is_told_its_counters_frequency(void)
{
    build(&common_rows[0]);
    EXPECT(hvt.cpu_cycle_freq > 1000000);
}

struct manifest {
    struct mft mft;
    struct mft_entry e[2];
};

/* A device as its module leaves it. */
static struct manifest attached_device(void)
{
    struct manifest manifest = { .mft = { .version = MFT_VERSION, .entries = 2 } };

    manifest.e[0].type = MFT_RESERVED_FIRST;
    manifest.e[1] = (struct mft_entry){ "net0", .type = MFT_DEV_NET_BASIC,
        .u.net_basic = { { 2, 0, 0, 0, 0, 1 }, 9000 }, .attached = true, .backing = 5 };
    return manifest;
}

static const struct hvt_boot_info *write_boot_info(const struct manifest *manifest)
{
    build(&common_rows[0]);
    hvt_boot_info_write(&hvt, 0x123000, &manifest->mft, "a b");
    return hvt_mem_build(&hvt.mem, HVT_BOOT_INFO_BASE);
}

static void boot_info_leads_to_manifest_and_command_line(void)
{
    const struct manifest manifest = attached_device();
    const struct hvt_boot_info *info = write_boot_info(&manifest);
    struct manifest copy;

    EXPECT(info->mem_size == MEM_SIZE && info->kernel_end == 0x123000);
    EXPECT(info->cpu_cycle_freq == hvt.cpu_cycle_freq);
    EXPECT(strcmp(hvt_mem_build(&hvt.mem, info->cmdline), "a b") == 0);
    EXPECT(info->mft % 8 == 0);
    memcpy(&copy, hvt_mem_build(&hvt.mem, info->mft), sizeof(copy));
    copy.e[1].backing = manifest.e[1].backing;
    EXPECT(memcmp(&copy, &manifest, sizeof(copy)) == 0);
}

static void the_guest_does_not_learn_what_backs_a_device(void)
{
    const struct manifest manifest = attached_device();
    const struct hvt_boot_info *info = write_boot_info(&manifest);
    const struct mft *copy = hvt_mem_build(&hvt.mem, info->mft);

    EXPECT(copy->e[1].backing == 0 && manifest.e[1].backing == 5);
}

/*
 * Guests of Solo5 0.11 and later look for a ring behind the 40 bytes that older
 * ones know; whatever is not zero there would have them wait on it for ever.
 */
static void boot_info_offers_no_ring(void)
{
    struct manifest manifest = attached_device();
    const struct hvt_boot_info *info = write_boot_info(&manifest);
    static const uint8_t nothing[16];

    EXPECT(memcmp((const uint8_t *)info + 40, nothing, sizeof(nothing)) == 0);
    EXPECT(info->mft >= HVT_BOOT_INFO_BASE + sizeof(*info));
}

/* ---- A KVM that fails ---------------------------------------------------- */

/* Runs the guest `halt`. */
static void run_with_defect(void *defect)
{
    fake_kvm_defect = *(struct fake_kvm_defect *)defect;
    run((void *)&common_rows[0]);
}

#define EXPECT_WITH(status, says, ...) \
    EXPECT_ENDING(run_with_defect, (&(struct fake_kvm_defect){ __VA_ARGS__ }), \
            (status), (says))

static void an_interrupted_guest_runs_on(void)
{
    EXPECT_WITH(7, "", KVM_RUN, 3, EINTR, 0);
}

static void a_fault_of_the_host_is_a_translation_fault(void)
{
    EXPECT_WITH(1, "host/guest translation fault: pc=0x100000", KVM_RUN, 1, EFAULT, 0);
}

static void other_errors_of_kvm_are_named(void)
{
    EXPECT_WITH(1, "KVM_RUN: Input/output error: pc=0x100000", KVM_RUN, 1, EIO, 0);
    EXPECT_WITH(1, "KVM: KVM_CREATE_VM: Operation not permitted", KVM_CREATE_VM, 1,
            EPERM, 0);
    EXPECT_WITH(1, "KVM: the API version is not 12", KVM_GET_API_VERSION, 1, 0, 11);
}

/* KVM_RUN returns at once with the exit that `run` was given. */
static void handle_exit(void *exit)
{
    build(&common_rows[0]);
    *hvt.run = *(struct kvm_run *)exit;
    fake_kvm_defect = (struct fake_kvm_defect){ KVM_RUN, 1, 0, 0 };
    hvt_vcpu_loop(&hvt);
}

static void exits_that_are_no_hypercall_are_named(void)
{
    struct kvm_run entry = { .exit_reason = KVM_EXIT_FAIL_ENTRY,
        .fail_entry = { .hardware_entry_failure_reason = 0x123 } };
    struct kvm_run internal = { .exit_reason = KVM_EXIT_INTERNAL_ERROR,
        .internal = { .suberror = 2 } };
    struct kvm_run other = { .exit_reason = KVM_EXIT_SHUTDOWN };

    EXPECT_ENDING(handle_exit, &entry, 1,
            "entry failure: hardware_entry_failure_reason=0x123 pc=0x100000");
    EXPECT_ENDING(handle_exit, &internal, 1, "internal error: suberror=0x2 pc=0x1000");
    EXPECT_ENDING(handle_exit, &other, 1, "unhandled exit: exit_reason=0x8 pc=0x1000");
}

static void device_access_inside_memory_is_a_translation_fault(void)
{
    struct kvm_run exit = { .exit_reason = KVM_EXIT_MMIO,
        .mmio = { .phys_addr = MEM_SIZE - 1, .len = 4, .is_write = 1 } };

    EXPECT_ENDING(handle_exit, &exit, 1, "host/guest translation fault");
    exit.mmio.phys_addr = MEM_SIZE;
    EXPECT_ENDING(handle_exit, &exit, 1, "solo5-hvt: ");
}

#if defined(__x86_64__)

/* As `rep outsl` gives it, which not every KVM can run. */
static void a_string_of_hypercalls_is_refused(void)
{
    struct kvm_run exit = { .exit_reason = KVM_EXIT_IO, .io = {
        .direction = KVM_EXIT_IO_OUT, .size = 4, .port = 0x502, .count = 2 } };

    EXPECT_ENDING(handle_exit, &exit, 1, BAD_ACCESS "0x502 size=4 count=2");
}

static void a_long_list_of_cpu_features_is_taken(void)
{
    EXPECT_WITH(7, "", KVM_GET_SUPPORTED_CPUID, 3, E2BIG, 0);
    EXPECT_WITH(1, "more than 6400 CPUID entries", KVM_GET_SUPPORTED_CPUID, 100,
            E2BIG, 0);
    EXPECT_WITH(1, "KVM: KVM_GET_SUPPORTED_CPUID: Input/output error",
            KVM_GET_SUPPORTED_CPUID, 1, EIO, 0);
}

static void an_unstable_counter_is_refused(void)
{
    EXPECT_WITH(1, "the host's TSC is unstable", KVM_GET_TSC_KHZ, 1, EIO, 0);
    EXPECT_WITH(1, "the host's TSC is unstable", KVM_GET_TSC_KHZ, 1, 0, 0);
    EXPECT_WITH(1, "cannot tell the frequency", KVM_CHECK_EXTENSION, 1, 0, 0);
}

static void the_descriptor_table_lies_where_the_abi_has_it(void)
{
    static const uint64_t gdt[] = { 0, UINT64_C(0x00af99000000ffff),
        UINT64_C(0x00cf93000000ffff) };

    build(&common_rows[0]);
    EXPECT(memcmp(hvt_mem_build(&hvt.mem, 0x1000), gdt, sizeof(gdt)) == 0);
}

static void run_arch_tests(void)
{
    TEST(a_string_of_hypercalls_is_refused);
    TEST(a_long_list_of_cpu_features_is_taken);
    TEST(an_unstable_counter_is_refused);
    TEST(the_descriptor_table_lies_where_the_abi_has_it);
}

#else

static void run_arch_tests(void)
{
}

#endif

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        unit_test_row(rows[i].name, test_row, &rows[i]);
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    if (access("/dev/kvm", R_OK | W_OK) != 0) {
        unit_skip("all tests of the virtual CPU", "this host has no usable /dev/kvm");
        return unit_finish();
    }
    run_rows(common_rows, sizeof(common_rows) / sizeof(common_rows[0]));
    run_rows(arch_rows, sizeof(arch_rows) / sizeof(arch_rows[0]));
    TEST(a_guest_that_never_exits_can_be_interrupted);
    TEST(the_guest_is_told_its_counters_frequency);
    TEST(boot_info_leads_to_manifest_and_command_line);
    TEST(the_guest_does_not_learn_what_backs_a_device);
    TEST(boot_info_offers_no_ring);
    TEST(an_interrupted_guest_runs_on);
    TEST(a_fault_of_the_host_is_a_translation_fault);
    TEST(other_errors_of_kvm_are_named);
    TEST(exits_that_are_no_hypercall_are_named);
    TEST(device_access_inside_memory_is_a_translation_fault);
    run_arch_tests();
    return unit_finish();
}
