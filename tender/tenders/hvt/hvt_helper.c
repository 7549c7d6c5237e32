/* SPDX-License-Identifier: ISC */
/*
 * hvt_helper.c: second processes of modules, which a SIGKILL of the tender does
 * not reach.
 *
 * A helper is a child in a session of its own with all signals blocked. It runs
 * a program of its own, from a file in memory: who kills processes by program, by
 * name or by command line means the tender, and not its helper.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hvt_internal.h"

#ifndef MFD_EXEC /* Linux 6.3 wants to be told; older ones refuse it */
#define MFD_EXEC 0x0010U
#endif

static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Without the right to do so it stays as likely a victim as others. */
static void decline_oom_kill(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, "-1000", strlen("-1000")) < 0)
        errno = 0;
    close(fd);
}

/* close_range needs Linux 5.9. */
static void close_from(int first)
{
    if (syscall(SYS_close_range, first, ~0U, 0) != 0)
        for (int fd = first; fd < sysconf(_SC_OPEN_MAX); fd++)
            close(fd);
}

/* Nobody shall wait for the end of a console that a helper holds open. */
static void keep_only(int socket)
{
    int null_fd = open("/dev/null", O_RDWR);

    for (int fd = 0; fd < HVT_HELPER_FD; fd++)
        dup2(null_fd, fd);
    dup2(socket, HVT_HELPER_FD);
    close_from(HVT_HELPER_FD + 1);
}

static bool write_all(int fd, const char *data, size_t size)
{
    ssize_t n = 0;

    for (size_t done = 0; done < size && n >= 0; done += (size_t)n)
        n = write(fd, data + done, size - done);
    return n >= 0;
}

/* Returns if this host does not allow programs that are no files. */
static void execute(const struct hvt_helper *helper)
{
    char *argv[] = { (char *)helper->name, NULL }, *envp[] = { NULL };
    int fd = memfd_create(helper->name, MFD_CLOEXEC | MFD_EXEC);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(helper->name, MFD_CLOEXEC);
    if (fd >= 0 && write_all(fd, helper->program, helper->program_size))
        fexecve(fd, argv, envp);
    close(fd);
}

/* Then it is a process of the tender's program, with another name. */
static _Noreturn void run_here(const struct hvt_helper *helper)
{
    prctl(PR_SET_NAME, helper->name);
    helper->run(HVT_HELPER_FD);
    _exit(0);
}

static _Noreturn void become(const struct hvt_helper *helper, int socket)
{
    setsid(); /* a SIGKILL may be for a whole process group */
    block_signals();
    keep_only(socket);
    decline_oom_kill();
    execute(helper);
    run_here(helper);
}

int hvt_helper_start(const struct hvt_helper *helper, pid_t *pid)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        hvt_fail("Cannot make a socket: %s", strerror(errno));
    hvt_signals_hold(); /* the helper must not end as the tender does */
    *pid = fork();
    if (*pid == 0)
        become(helper, ends[1]);
    hvt_signals_release();
    if (*pid < 0)
        hvt_fail("Cannot start a process: %s", strerror(errno));
    close(ends[1]);
    return ends[0];
}
