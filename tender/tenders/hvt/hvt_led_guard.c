/* SPDX-License-Identifier: ISC */
/*
 * hvt_led_guard.c: the process that takes LED lines and gives them back.
 *
 * A SIGKILL leaves a tender no time to clean up, so a second process, the guard,
 * does it. It takes the lines itself, so that there is no moment at which a line
 * is taken and the guard does not know, and hands copies of their descriptors to
 * the tender. It waits at a socket whose other end only the tender has, and the
 * kernel closes that end however the tender ends. The tender's exit hook closes
 * it too, and waits until the guard is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hvt_led.h"

#define TAKE_TIMEOUT_S 10 /* two files that come late, and a lock */
#define END_TIMEOUT_S  1

#define LIFELINE_FD 3 /* in the guard */

enum message_kind {
    LINE_TAKEN,   /* with descriptors; `text` may have a remark */
    LINE_REFUSED, /* because of `text` */
    LINE_WRONG,   /* when given back: `text` */
    GUARD_DONE,   /* everything was given back */
};

struct message {
    enum message_kind kind;
    uint32_t led; /* index */
    char text[LED_TEXT_SIZE];
};

/* Room for the descriptors of one message. */
union control {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(LED_FDS_MAX * sizeof(int))];
};

static const struct led_backend *backend;
static struct led *leds;
static size_t led_count;
static int lifeline = -1; /* each process has its own end */

/* ---- The guard ----------------------------------------------------------- */

/* SEQPACKET keeps the descriptors with their message. */
static void attach_fds(struct msghdr *header, const int fds[LED_FDS_MAX])
{
    struct cmsghdr *control = header->msg_control;
    int count = 0;

    while (count < LED_FDS_MAX && fds[count] >= 0)
        count++;
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(control), fds, (size_t)count * sizeof(int));
    header->msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
}

static void tell(struct message *message, const int *fds)
{
    union control control = { .bytes = { 0 } };
    struct iovec data = { .iov_base = message, .iov_len = sizeof(*message) };
    struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1,
        .msg_control = &control };

    if (fds != NULL)
        attach_fds(&header, fds);
    else
        header.msg_control = NULL;
    sendmsg(lifeline, &header, MSG_NOSIGNAL); /* if it fails, the tender is gone */
}

static bool take_led(uint32_t index)
{
    struct message message = { .kind = LINE_TAKEN, .led = index };
    bool is_taken = backend->take(&leds[index], message.text);

    if (!is_taken)
        message.kind = LINE_REFUSED;
    tell(&message, is_taken ? leds[index].fds : NULL);
    return is_taken;
}

static void take_leds(void)
{
    for (uint32_t i = 0; i < led_count && !led_guard_is_alone(); i++)
        if (!take_led(i))
            return;
}

static void give_back_leds(void)
{
    struct message message = { .kind = LINE_WRONG };
    const char *wrong;

    for (uint32_t i = 0; i < led_count; i++) {
        wrong = leds[i].taken ? backend->give_back(&leds[i]) : NULL;
        if (wrong == NULL)
            continue;
        message.led = i;
        snprintf(message.text, sizeof(message.text), "%s", wrong);
        tell(&message, NULL);
    }
}

bool led_guard_is_alone(void)
{
    struct pollfd end = { .fd = lifeline, .events = POLLIN };

    return poll(&end, 1, 0) > 0; /* the tender never sends */
}

static void await_end_of_tender(void)
{
    char nothing;

    while (read(lifeline, &nothing, 1) < 0 && errno == EINTR)
        ;
}

/* close_range needs Linux 5.9. */
static void close_all_from(int first)
{
    if (syscall(SYS_close_range, first, ~0U, 0) != 0)
        for (int fd = first; fd < sysconf(_SC_OPEN_MAX); fd++)
            close(fd);
}

/* Nobody shall wait for an end of the console that the guard holds open. */
static void keep_lifeline_only(void)
{
    int null_fd = open("/dev/null", O_RDWR);

    for (int fd = 0; fd < LIFELINE_FD; fd++)
        dup2(null_fd, fd);
    dup2(lifeline, LIFELINE_FD);
    lifeline = LIFELINE_FD;
    close_all_from(LIFELINE_FD + 1);
}

static void ignore_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Without the right to do so it stays as likely a victim as others. */
static void decline_oom_kill(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);

    if (fd >= 0 && write(fd, "-1000", strlen("-1000")) < 0)
        errno = 0;
    close(fd);
}

/*
 * Who kills the tender by its name or its command line does not mean the guard.
 * Its memory is a copy: the tender keeps its own command line.
 */
static void change_name(void)
{
    char cmdline[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY);
    ssize_t size = fd >= 0 ? read(fd, cmdline, sizeof(cmdline)) : 0;

    close(fd);
    if (size > 0)
        memset(program_invocation_name, 0, (size_t)size);
    if (size > (ssize_t)sizeof("led-guard"))
        strcpy(program_invocation_name, "led-guard");
    prctl(PR_SET_NAME, "led-guard");
}

static _Noreturn void run_guard(void)
{
    struct message done = { .kind = GUARD_DONE };
    struct message failed = { .kind = LINE_REFUSED };

    ignore_signals();
    keep_lifeline_only();
    decline_oom_kill();
    change_name();
    if (backend->open(failed.text))
        take_leds();
    else
        tell(&failed, NULL);
    await_end_of_tender();
    give_back_leds();
    tell(&done, NULL);
    _exit(0);
}

/* ---- The tender's side --------------------------------------------------- */

static void set_timeout(time_t seconds)
{
    struct timeval timeout = { .tv_sec = seconds };

    setsockopt(lifeline, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

static ssize_t hear(struct message *message, union control *control)
{
    struct iovec data = { .iov_base = message, .iov_len = sizeof(*message) };
    struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof(*control) };
    ssize_t size;

    do
        size = recvmsg(lifeline, &header, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    return size;
}

static void keep_fds(struct led *led, const struct cmsghdr *control)
{
    size_t size = control->cmsg_len - CMSG_LEN(0);

    memcpy(led->fds, CMSG_DATA(control), size);
    led->taken = true;
}

static void hear_of_led(uint32_t index)
{
    union control control = { .bytes = { 0 } };
    struct message message;

    if (hear(&message, &control) != sizeof(message))
        hvt_fail("%s: the guard that takes the lines does not answer",
                leds[index].label);
    if (message.kind != LINE_TAKEN)
        hvt_fail("%s", message.text);
    keep_fds(&leds[index], &control.header);
    if (message.text[0] != '\0')
        hvt_say("%s", message.text);
}

/* Only if somebody killed or stopped the guard. */
static int give_back_without_guard(void)
{
    int rc = 0;

    for (size_t i = 0; i < led_count; i++) {
        const char *wrong = leds[i].taken ? backend->give_back(&leds[i]) : NULL;

        if (wrong == NULL)
            continue;
        hvt_say_texts(leds[i].label, wrong);
        rc = -1;
    }
    return rc;
}

static int give_back(void)
{
    struct message message;
    int rc = 0;

    shutdown(lifeline, SHUT_WR);
    while (read(lifeline, &message, sizeof(message)) == sizeof(message)) {
        if (message.kind == GUARD_DONE)
            return rc;
        if (message.kind == LINE_WRONG) {
            hvt_say_texts(leds[message.led].label, message.text);
            rc = -1;
        }
    }
    return give_back_without_guard();
}

/* As a grandchild it is nobody's to wait for, and never a zombie of ours. */
static void start_process(int guards_end)
{
    pid_t child = fork();

    if (child < 0)
        hvt_fail("Cannot start the guard of the LED lines: %s",
                strerror(errno));
    if (child > 0) {
        waitpid(child, NULL, 0);
        return;
    }
    setsid(); /* out of reach of a SIGKILL for the tender's process group */
    if (fork() != 0)
        _exit(0);
    lifeline = guards_end;
    run_guard();
}

void led_guard_start(const struct led_backend *of, struct led *all,
        size_t count)
{
    int ends[2];

    backend = of, leds = all, led_count = count;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        hvt_fail("Cannot make a socket: %s", strerror(errno));
    lifeline = ends[0];
    set_timeout(TAKE_TIMEOUT_S);
    hvt_signals_hold(); /* the guard must not end as the tender does */
    start_process(ends[1]);
    close(ends[1]);
    hvt_at_exit(give_back);
    hvt_signals_release();
    for (uint32_t i = 0; i < led_count; i++)
        hear_of_led(i);
    set_timeout(END_TIMEOUT_S);
    hvt_sandbox_allow(SYS_shutdown, lifeline);
    hvt_sandbox_allow(SYS_read, lifeline);
}
