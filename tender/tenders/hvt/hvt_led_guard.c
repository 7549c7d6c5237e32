/* SPDX-License-Identifier: ISC */
/*
 * hvt_led_guard.c: the process that takes LED lines and gives them back.
 *
 * A SIGKILL leaves a tender no time to clean up, so a helper does it, the guard.
 * It takes the lines itself, so that there is no moment at which a line is taken
 * and the guard does not know, and hands copies of their descriptors to the
 * tender. It waits for the end of the socket between them, which the kernel
 * makes however the tender ends. The tender's exit hook makes it too, and waits
 * until the guard is done.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hvt_led.h"

#define TAKE_TIMEOUT_S 10 /* two files that come late, and a lock */
#define END_TIMEOUT_S  1

/* The tender's one message to the guard: which lines to take, and for whom. */
struct job {
    struct led_holder tender;
    bool is_cdev;
    uint32_t led_count;
    struct led leds[MFT_MAX_ENTRIES];
};

#define JOB_SIZE(count) (offsetof(struct job, leds) + (count) * sizeof(struct led))

enum message_kind {
    LINE_TAKEN,   /* with descriptors; `text` may be a remark */
    LINE_REFUSED, /* because of `text` */
    LINE_WRONG,   /* when given back: `text` */
    GUARD_DONE,   /* everything was given back */
};

/* The guard's messages to the tender. */
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

static int lifeline = -1; /* this process's end of the socket */

/* ---- The guard ----------------------------------------------------------- */

static void tell(struct message *message)
{
    send(lifeline, message, sizeof(*message), MSG_NOSIGNAL);
    /* If it fails, the tender is gone, and the next read says so. */
}

static size_t count_fds(const struct led *led)
{
    size_t count = 0;

    while (count < LED_FDS_MAX && led->fds[count] >= 0)
        count++;
    return count;
}

static void tell_with_fds(struct message *message, const struct led *led)
{
    size_t size = count_fds(led) * sizeof(int);
    union control control = { .header = { .cmsg_level = SOL_SOCKET,
        .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(size) } };
    struct iovec data = { .iov_base = message, .iov_len = sizeof(*message) };
    struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = CMSG_SPACE(size) };

    memcpy(CMSG_DATA(&control.header), led->fds, size);
    sendmsg(lifeline, &header, MSG_NOSIGNAL);
}

static bool take_led(const struct led_backend *backend, struct led *led)
{
    struct message message = { .kind = LINE_TAKEN };

    if (backend->take(led, message.text)) {
        tell_with_fds(&message, led);
        return true;
    }
    message.kind = LINE_REFUSED;
    tell(&message);
    return false;
}

static void take_leds(const struct led_backend *backend, struct job *job)
{
    struct message refused = { .kind = LINE_REFUSED };

    if (!backend->open(refused.text)) {
        tell(&refused);
        return;
    }
    for (uint32_t i = 0; i < job->led_count && !led_guard_is_alone(); i++)
        if (!take_led(backend, &job->leds[i]))
            return;
}

static void give_back_led(const struct led_backend *backend,
        const struct led *led, uint32_t index)
{
    struct message message = { .kind = LINE_WRONG, .led = index };
    const char *wrong = backend->give_back(led);

    if (wrong == NULL)
        return;
    snprintf(message.text, sizeof(message.text), "%s", wrong);
    tell(&message);
}

static void give_back_leds(const struct led_backend *backend,
        const struct job *job)
{
    struct message done = { .kind = GUARD_DONE };

    for (uint32_t i = 0; i < job->led_count; i++)
        if (job->leds[i].taken)
            give_back_led(backend, &job->leds[i], i);
    tell(&done);
}

bool led_guard_is_alone(void)
{
    struct pollfd end = { .fd = lifeline, .events = POLLIN };

    return poll(&end, 1, 0) > 0; /* there is no message but the first */
}

static ssize_t read_patiently(void *data, size_t size)
{
    ssize_t n;

    do
        n = read(lifeline, data, size);
    while (n < 0 && errno == EINTR);
    return n;
}

static void run_guard(int socket)
{
    static struct job job;
    const struct led_backend *backend;
    char nothing;
    ssize_t size;

    lifeline = socket;
    size = read_patiently(&job, sizeof(job));
    if (size < (ssize_t)JOB_SIZE(0) || size != (ssize_t)JOB_SIZE(job.led_count))
        return; /* the tender is gone already, or this is none */
    led_record_act_for(&job.tender);
    backend = job.is_cdev ? &led_cdev : &led_sysfs;
    take_leds(backend, &job);
    read_patiently(&nothing, sizeof(nothing));
    give_back_leds(backend, &job);
}

const struct hvt_helper led_guard = { .name = "led-guard", .run = run_guard };

/* ---- The tender's side --------------------------------------------------- */

static const struct led_backend *tenders_backend;
static struct led *tenders_leds;
static size_t tenders_led_count;
static pid_t guard_pid;

static void set_timeout(time_t seconds)
{
    struct timeval timeout = { .tv_sec = seconds };

    setsockopt(lifeline, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

static void give_job(void)
{
    static struct job job;
    ssize_t size = (ssize_t)JOB_SIZE(tenders_led_count);

    job.tender = led_record_self();
    job.is_cdev = tenders_backend == &led_cdev;
    job.led_count = (uint32_t)tenders_led_count;
    memcpy(job.leds, tenders_leds, tenders_led_count * sizeof(struct led));
    if (send(lifeline, &job, (size_t)size, MSG_NOSIGNAL) != size)
        hvt_fail("Cannot tell the guard which lines to take: %s",
                strerror(errno));
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

static void hear_of_led(struct led *led)
{
    union control control = { .bytes = { 0 } };
    struct message message;

    if (hear(&message, &control) != sizeof(message))
        hvt_fail("%s: the guard that takes the lines does not answer",
                led->label);
    if (message.kind != LINE_TAKEN)
        hvt_fail("%s", message.text);
    memcpy(led->fds, CMSG_DATA(&control.header),
            control.header.cmsg_len - CMSG_LEN(0));
    led->taken = true;
    if (message.text[0] != '\0')
        hvt_say("%s", message.text);
}

/* Only if somebody killed or stopped the guard. */
static int give_back_without_guard(void)
{
    int rc = 0;

    for (size_t i = 0; i < tenders_led_count; i++) {
        const struct led *led = &tenders_leds[i];
        const char *wrong = led->taken ? tenders_backend->give_back(led) : NULL;

        if (wrong == NULL)
            continue;
        hvt_say_texts(led->label, wrong);
        rc = -1;
    }
    return rc;
}

/* Returns whether the guard has done its work, well or not; *rc is -1 if not. */
static bool hear_guard_out(int *rc)
{
    struct message message;
    bool is_done = false;
    ssize_t size;

    while ((size = read_patiently(&message, sizeof(message))) == sizeof(message)) {
        is_done = is_done || message.kind == GUARD_DONE;
        if (message.kind == LINE_WRONG) {
            hvt_say_texts(tenders_leds[message.led].label, message.text);
            *rc = -1;
        }
    }
    if (size == 0) /* it has closed its end, so this will not take long */
        waitpid(guard_pid, NULL, 0);
    return is_done;
}

static int give_back(void)
{
    int rc = 0;

    shutdown(lifeline, SHUT_WR);
    return hear_guard_out(&rc) ? rc : give_back_without_guard();
}

void led_guard_start(const struct led_backend *backend, struct led *leds,
        size_t count)
{
    tenders_backend = backend, tenders_leds = leds, tenders_led_count = count;
    lifeline = hvt_helper_start(&led_guard, &guard_pid);
    hvt_at_exit(give_back);
    set_timeout(TAKE_TIMEOUT_S);
    give_job();
    for (size_t i = 0; i < count; i++)
        hear_of_led(&leds[i]);
    set_timeout(END_TIMEOUT_S);
    hvt_sandbox_allow(SYS_shutdown, lifeline);
    hvt_sandbox_allow(SYS_read, lifeline);
    hvt_sandbox_allow(SYS_wait4, guard_pid); /* there it is a process */
}
