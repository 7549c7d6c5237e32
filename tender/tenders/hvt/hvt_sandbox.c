/* SPDX-License-Identifier: ISC */
/*
 * hvt_sandbox.c: what the tender may still do once the guest runs.
 *
 * A guest that took over the tender would find the descriptors that the modules
 * declared, the calls they declared on each, and nothing else. Any other system
 * call ends the process. The filter's few kinds of instructions are written out
 * here; libseccomp would be the tender's only library.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hvt_internal.h"

#define RULES_MAX 504 /* 63 devices, 8 calls for each */

struct rule {
    int syscall_nr;
    int fd;
    unsigned long request; /* of an ioctl */
};

static struct rule rules[RULES_MAX];
static size_t rule_count;

static void add_rule(int syscall_nr, int fd, unsigned long request)
{
    if (rule_count == RULES_MAX)
        hvt_fail("more than %d rules of the sandbox", RULES_MAX);
    rules[rule_count++] = (struct rule){ syscall_nr, fd, request };
}

void hvt_sandbox_allow(int syscall_nr, int fd)
{
    add_rule(syscall_nr, fd, 0);
}

void hvt_sandbox_allow_ioctl(int fd, unsigned long request)
{
    add_rule(SYS_ioctl, fd, request);
}

/*
 * Messages, exit hooks and the end: what every tender must be able to. No handler
 * of a signal returns, so there is no rt_sigreturn.
 */
static void allow_the_way_out(void)
{
    hvt_sandbox_allow(SYS_write, STDERR_FILENO);
#ifdef SYS_poll /* aarch64 has ppoll only */
    hvt_sandbox_allow(SYS_poll, HVT_NO_FD);
#endif
    hvt_sandbox_allow(SYS_ppoll, HVT_NO_FD);
    hvt_sandbox_allow(SYS_rt_sigprocmask, HVT_NO_FD);
    /* What a wait becomes when the tender is stopped and continued. */
    hvt_sandbox_allow(SYS_restart_syscall, HVT_NO_FD);
    hvt_sandbox_allow(SYS_exit_group, HVT_NO_FD);
}

/* ---- Descriptors --------------------------------------------------------- */

/* What wait4 waits for is a process, whose number may be any descriptor's. */
static bool is_descriptor(const struct rule *rule)
{
    return rule->fd != HVT_NO_FD && rule->syscall_nr != SYS_wait4;
}

/* The lowest declared descriptor that is not below `from`, or -1. */
static int next_declared(int from)
{
    int next = -1;

    for (size_t i = 0; i < rule_count; i++)
        if (is_descriptor(&rules[i]) && rules[i].fd >= from &&
                (next < 0 || rules[i].fd < next))
            next = rules[i].fd;
    return next;
}

static void close_from_to(unsigned first, unsigned last)
{
    if (first <= last && close_range(first, last, 0) != 0)
        hvt_fail("Cannot close descriptors: %s; Linux 5.9 or newer is needed",
                strerror(errno));
}

static void close_undeclared(void)
{
    int first = 0, declared;

    while ((declared = next_declared(first)) >= 0) {
        if (declared > first)
            close_from_to((unsigned)first, (unsigned)declared - 1);
        first = declared + 1;
    }
    close_from_to((unsigned)first, ~0U);
}

/* ---- Rights -------------------------------------------------------------- */

/* Guest memory that can be read could be executed, too: in the tender. */
static void refuse_executable_memory(void)
{
    if (personality(0xffffffff) & READ_IMPLIES_EXEC)
        hvt_fail("The personality READ_IMPLIES_EXEC is set; "
                "run the tender without it");
}

static void set_process(int option, unsigned long value, const char *what)
{
    if (prctl(option, value, 0UL, 0UL, 0UL) != 0)
        hvt_fail("Cannot set %s: %s", what, strerror(errno));
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    if (syscall(SYS_capset, &header, none) != 0)
        hvt_fail("Cannot drop capabilities: %s", strerror(errno));
}

static void drop_rights(void)
{
    set_process(PR_SET_NO_NEW_PRIVS, 1, "no_new_privs");
    /* Neither other processes nor a core file shall hold the guest's memory. */
    set_process(PR_SET_DUMPABLE, 0, "the dumpable flag");
    drop_capabilities();
}

/* ---- The filter ---------------------------------------------------------- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define FIELD(name) offsetof(struct seccomp_data, name)

#define RULE_CODE 5  /* the most that emit_rule() emits */
#define GROUP_CODE 3 /* what emit_group() adds */
#define FRAME_CODE 5 /* what build_filter() adds */

static struct sock_filter code[BPF_MAXINSNS];
static unsigned short code_length;

_Static_assert(RULES_MAX * (RULE_CODE + GROUP_CODE) + FRAME_CODE <= BPF_MAXINSNS,
        "all rules fit into a filter, even if each is a group of its own");

static void emit(uint16_t opcode, uint32_t k, uint8_t skip_if_true,
        uint8_t skip_if_false)
{
    code[code_length++] = (struct sock_filter){ opcode, skip_if_true,
        skip_if_false, k };
}

/* The low 32 bits; of a descriptor or a request the kernel looks at no more. */
static void emit_load(size_t field)
{
    emit(BPF_LD | BPF_W | BPF_ABS, (uint32_t)field, 0, 0);
}

static void emit_skip_unless(uint32_t value, uint8_t skip)
{
    emit(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

static void emit_return(uint32_t action)
{
    emit(BPF_RET | BPF_K, action, 0, 0);
}

static void emit_rule(const struct rule *rule)
{
    bool is_ioctl = rule->syscall_nr == SYS_ioctl;

    if (rule->fd != HVT_NO_FD) {
        emit_load(FIELD(args[0]));
        emit_skip_unless((uint32_t)rule->fd, is_ioctl ? 3 : 1);
    }
    if (is_ioctl) {
        emit_load(FIELD(args[1]));
        emit_skip_unless((uint32_t)rule->request, 1);
    }
    emit_return(SECCOMP_RET_ALLOW);
}

/* All rules of one system call, whose number has been loaded. */
static void emit_group(int syscall_nr)
{
    unsigned short skip;

    emit(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)syscall_nr, 1, 0);
    skip = code_length;
    emit(BPF_JMP | BPF_JA, 0, 0, 0); /* only this jump can be a long one */
    for (size_t i = 0; i < rule_count; i++)
        if (rules[i].syscall_nr == syscall_nr)
            emit_rule(&rules[i]);
    emit_return(SECCOMP_RET_KILL_PROCESS);
    code[skip].k = (uint32_t)code_length - skip - 1;
}

static bool is_first_of_its_call(size_t rule)
{
    for (size_t i = 0; i < rule; i++)
        if (rules[i].syscall_nr == rules[rule].syscall_nr)
            return false;
    return true;
}

/* In the order of declaration: KVM_RUN, the most frequent call, comes first. */
static void build_filter(void)
{
    emit_load(FIELD(arch));
    emit(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    emit_return(SECCOMP_RET_KILL_PROCESS);
    emit_load(FIELD(nr));
    for (size_t i = 0; i < rule_count; i++)
        if (is_first_of_its_call(i))
            emit_group(rules[i].syscall_nr);
    emit_return(SECCOMP_RET_KILL_PROCESS);
}

static void install_filter(void)
{
    struct sock_fprog program = { .filter = code };

    build_filter();
    program.len = code_length;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
            SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        hvt_fail("Cannot install the filter of system calls: %s; the kernel "
                "needs CONFIG_SECCOMP_FILTER", strerror(errno));
}

void hvt_sandbox_enter(void)
{
    refuse_executable_memory();
    allow_the_way_out();
    close_undeclared();
    drop_rights();
    install_filter();
}
