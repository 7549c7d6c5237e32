/* SPDX-License-Identifier: ISC */
/* The sandbox: what was declared works, all else ends the process. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hvt_internal.h"
#include "unit.h"

#define KILLED (128 + SIGSYS)
#define STOPPED_FOR_MS 300

static int granted, other, timer; /* descriptors */

/* AddressSanitizer asks for the stack of signals when a process ends. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZER_CALL SYS_sigaltstack
#else
#define SANITIZER_CALL SYS_exit_group /* allowed anyway */
#endif

static void enter_sandbox(void)
{
    hvt_sandbox_allow(SANITIZER_CALL, HVT_NO_FD);
    hvt_sandbox_enter();
}

/* The number that the next descriptor will have. */
static int next_descriptor(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

/* As the tender: signals and hypercalls, a device that may be written at. */
static void enter(void)
{
    hvt_signals_init();
    timer = next_descriptor();
    hvt_core_init();
    granted = open("/dev/null", O_RDWR);
    other = open("/dev/null", O_RDWR);
    hvt_sandbox_allow(SYS_pwrite64, granted);
    hvt_sandbox_allow_ioctl(granted, FIONREAD);
    hvt_sandbox_allow(SYS_wait4, other); /* a process of that number */
    enter_sandbox();
}

/* ---- What is declared ----------------------------------------------------- */

static void use_what_was_granted(void *arg)
{
    (void)arg;
    enter();
    EXPECT(pwrite(granted, "x", 1, 0) == 1);
    EXPECT(ioctl(granted, FIONREAD, &other) == -1); /* /dev/null knows it not */
    EXPECT(write(STDOUT_FILENO, "x", 1) == 1);
    EXPECT(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &(struct timespec){ 0 }) == 0);
    EXPECT(poll(NULL, 0, 0) == 0);
    EXPECT(ppoll(NULL, 0, &(struct timespec){ 0 }, NULL) == 0);
}

static void declared_calls_work(void)
{
    EXPECT_ENDING(use_what_was_granted, NULL, UNIT_RETURNED, "");
}

static bool is_open(int fd)
{
    struct pollfd entry = { .fd = fd };

    poll(&entry, 1, 0);
    return !(entry.revents & POLLNVAL);
}

static void look_for_descriptors(void *arg)
{
    (void)arg;
    enter();
    for (int fd = 0; fd < 1000; fd++)
        EXPECT(is_open(fd) == (fd == STDOUT_FILENO || fd == STDERR_FILENO ||
                fd == granted || fd == timer));
}

static void other_descriptors_are_closed(void)
{
    EXPECT_ENDING(look_for_descriptors, NULL, UNIT_RETURNED, "");
}

static void declare_very_many(void *arg)
{
    (void)arg;
    for (unsigned long request = 0; request < 490; request++)
        hvt_sandbox_allow_ioctl(STDERR_FILENO, request);
    hvt_sandbox_allow_ioctl(STDERR_FILENO, TIOCGWINSZ);
    enter_sandbox();
    EXPECT(ioctl(STDERR_FILENO, TIOCGWINSZ, NULL) == -1);
}

static void declare_too_many(void *arg)
{
    declare_very_many(arg);
    for (int fd = 0; fd < 10; fd++)
        hvt_sandbox_allow(SYS_read, fd);
}

static void there_is_room_for_many_rules(void)
{
    EXPECT_ENDING(declare_very_many, NULL, UNIT_RETURNED, "");
    EXPECT_ENDING(declare_too_many, NULL, 1, "more than 504 rules of the sandbox");
}

/* ---- What is not ---------------------------------------------------------- */

struct row {
    const char *name;
    long syscall_nr;
    const int *fd; /* the first argument: this descriptor, */
    long arg0;     /* or if there is none, this */
    long arg1;
};

static const int console = STDOUT_FILENO;

static const struct row forbidden[] = {
    { "pwrite64 on another descriptor", SYS_pwrite64, &other, 0, 0 },
    { "pwrite64 on the console", SYS_pwrite64, &console, 0, 0 },
    { "write on a device granted for pwrite64", SYS_write, &granted, 0, 0 },
    { "write on the console's descriptor and 1 << 8", SYS_write, NULL, 257, 0 },
    { "read from a device granted for pwrite64", SYS_read, &granted, 0, 0 },
    { "read from the standard input", SYS_read, NULL, 0, 0 },
    { "another ioctl on the device", SYS_ioctl, &granted, 0, TIOCSTI },
    { "the ioctl on another descriptor", SYS_ioctl, &other, 0, FIONREAD },
    { "openat", SYS_openat, NULL, AT_FDCWD, (long)"/dev/null" },
    { "close", SYS_close, &granted, 0, 0 },
    { "dup", SYS_dup, &granted, 0, 0 },
    { "fcntl", SYS_fcntl, &granted, 0, F_GETFL },
    { "mmap", SYS_mmap, NULL, 0, 4096 },
    { "mprotect", SYS_mprotect, NULL, 0, 0 },
    { "munmap", SYS_munmap, NULL, 0, 4096 },
    { "brk", SYS_brk, NULL, 0, 0 },
    { "execve", SYS_execve, NULL, (long)"/bin/true", 0 },
    { "clone", SYS_clone, NULL, SIGCHLD, 0 },
    { "kill", SYS_kill, NULL, 0, 0 },
    { "ptrace", SYS_ptrace, NULL, 0, 0 },
    { "socket", SYS_socket, NULL, AF_INET, SOCK_DGRAM },
    { "unlinkat", SYS_unlinkat, NULL, AT_FDCWD, (long)"none" },
    { "prctl", SYS_prctl, NULL, PR_GET_DUMPABLE, 0 },
    { "seccomp", SYS_seccomp, NULL, 0, 0 },
    { "getpid", SYS_getpid, NULL, 0, 0 },
    { "exit of one thread", SYS_exit, NULL, 0, 0 },
    { "rt_sigreturn", SYS_rt_sigreturn, NULL, 0, 0 },
    { "clock_nanosleep", SYS_clock_nanosleep, NULL, 0, 0 },
#if defined(__x86_64__)
    { "write by its x32 number", 0x40000000 | SYS_write, &console, 0, 0 },
#endif
};

static void call(void *arg)
{
    const struct row *row = arg;

    enter();
    syscall(row->syscall_nr, row->fd != NULL ? *row->fd : row->arg0, row->arg1,
            0L, 0L, 0L, 0L);
}

static void test_forbidden(const void *row)
{
    EXPECT_ENDING(call, (void *)row, KILLED, "");
}

#if defined(__x86_64__)
/* 1 is exit there, and write in the numbers of x86_64. */
static void call_as_i386(void *arg)
{
    long rc;

    (void)arg;
    enter();
    __asm__ volatile("int $0x80" : "=a"(rc)
            : "a"(1L), "b"((long)STDOUT_FILENO), "D"((long)STDOUT_FILENO) : "memory");
}

static void calls_of_another_architecture_end_it(void)
{
    EXPECT_ENDING(call_as_i386, NULL, KILLED, "");
}
#endif

static void *break_out(void *arg)
{
    syscall(SYS_getpid);
    return arg;
}

/* Started before; it breaks out once the first byte of `go` is there. */
static void *break_out_later(void *go)
{
    struct pollfd entry = { .fd = *(int *)go, .events = POLLIN };

    poll(&entry, 1, -1);
    return break_out(go);
}

static void enter_with_two_threads(void *arg)
{
    pthread_t thread;
    int go[2];

    (void)arg;
    EXPECT(pipe(go) == 0);
    EXPECT(pthread_create(&thread, NULL, break_out_later, go) == 0);
    hvt_sandbox_allow(SYS_read, go[0]);
    hvt_sandbox_allow(SYS_write, go[1]);
    enter();
    EXPECT(write(go[1], "x", 1) == 1);
    poll(NULL, 0, -1);
}

static void a_thread_takes_the_process_with_it(void)
{
    EXPECT_ENDING(enter_with_two_threads, NULL, KILLED, "");
}

/* ---- Rights ---------------------------------------------------------------- */

static void look_for_rights(void *arg)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { 1, 1, 1 }, { 1, 1, 1 } };

    (void)arg;
    hvt_sandbox_allow(SYS_prctl, HVT_NO_FD);
    hvt_sandbox_allow(SYS_capget, HVT_NO_FD);
    enter();
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    EXPECT(prctl(PR_GET_DUMPABLE) == 0);
    EXPECT(syscall(SYS_capget, &header, data) == 0);
    for (int i = 0; i < 2; i++)
        EXPECT((data[i].effective | data[i].permitted | data[i].inheritable) == 0);
}

static void rights_are_dropped(void)
{
    EXPECT_ENDING(look_for_rights, NULL, UNIT_RETURNED, "");
}

static void enter_with_executable_memory(void *arg)
{
    (void)arg;
    personality(READ_IMPLIES_EXEC);
    enter();
}

static void executable_memory_is_refused(void)
{
    EXPECT_ENDING(enter_with_executable_memory, NULL, 1, "READ_IMPLIES_EXEC");
}

/* ---- The way out ------------------------------------------------------------ */

static int hook(void)
{
    return pwrite(granted, "x", 1, 0) == 1 && write(STDOUT_FILENO, "hook", 4) == 4
            ? 0 : -1;
}

static void end_with_status(void *arg)
{
    (void)arg;
    hvt_at_exit(hook);
    enter();
    hvt_exit(7);
}

static void end_with_error(void *arg)
{
    (void)arg;
    hvt_at_exit(hook);
    enter();
    hvt_fail("%s %d 0x%llx %s", "text", -1, ~0ULL, strerror(EIO));
}

static void end_by_signal(void *arg)
{
    struct itimerval soon = { .it_value = { .tv_usec = 50000 } };

    (void)arg;
    hvt_at_exit(hook);
    setitimer(ITIMER_REAL, &soon, NULL);
    enter();
    poll(NULL, 0, -1);
}

static void expect_way_out(void (*code)(void *), int status, const char *text)
{
    struct unit_ending ending;

    unit_run(&ending, code, NULL);
    EXPECT(ending.status == status);
    EXPECT(strcmp(ending.console, "hook") == 0);
    EXPECT(strstr(ending.errors, text) != NULL);
}

static void the_way_out_is_open(void)
{
    expect_way_out(end_with_status, 7, "");
    expect_way_out(end_with_error, 1,
            "solo5-hvt: text -1 0xffffffffffffffff Input/output error\n");
    expect_way_out(end_by_signal, 1, "solo5-hvt: Exiting on signal 14\n");
}

static char state_of(pid_t pid)
{
    char path[64], state = '?';
    FILE *stat;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    stat = fopen(path, "r");
    if (stat != NULL && fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
        state = '?';
    if (stat != NULL)
        fclose(stat);
    return state;
}

static void await_state(pid_t pid, char state)
{
    while (state_of(pid) != state) /* the test's own alarm bounds it */
        usleep(1000);
}

static _Noreturn void wait_in_the_sandbox(void)
{
    enter();
    poll(NULL, 0, STOPPED_FOR_MS);
    hvt_exit(7);
}

static void a_wait_survives_being_stopped(void)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        wait_in_the_sandbox();
    await_state(child, 'S');
    kill(child, SIGSTOP);
    await_state(child, 'T');
    kill(child, SIGCONT);
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    TEST(declared_calls_work);
    TEST(other_descriptors_are_closed);
    TEST(there_is_room_for_many_rules);
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
        unit_test_row(forbidden[i].name, test_forbidden, &forbidden[i]);
#if defined(__x86_64__)
    TEST(calls_of_another_architecture_end_it);
#endif
    TEST(a_thread_takes_the_process_with_it);
    TEST(rights_are_dropped);
    TEST(executable_memory_is_refused);
    TEST(the_way_out_is_open);
    TEST(a_wait_survives_being_stopped);
    return unit_finish();
}
