/* SPDX-License-Identifier: ISC */
/* hvt_led_guarded.c: the tender's side of the guard (hvt_led_guard.c). */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hvt_led.h"

#define EXPORT_TIMEOUT_S 10
#define END_TIMEOUT_S    5 /* busy machines let a guard wait for a processor */

static int lifeline = -1; /* this process's end of the socket */
static pid_t guard_pid;
static struct led *leds;
static size_t led_count;

static ssize_t hear(struct led_answer *answer)
{
    ssize_t size;

    do
        size = read(lifeline, answer, sizeof(*answer));
    while (size < 0 && errno == EINTR);
    return size;
}

/* ---- The end ------------------------------------------------------------- */

/* Only if somebody killed or stopped the guard. */
static int give_back_without_guard(void)
{
    int rc = 0;

    for (size_t i = 0; i < led_count; i++) {
        const struct led_hold *hold = &leds[i].hold;
        const char *wrong = hold->is_taken ? led_give_back(hold) : NULL;

        if (wrong == NULL)
            continue;
        hvt_say_texts(leds[i].label, wrong);
        rc = -1;
    }
    return rc;
}

/* Returns whether the guard has done its work, well or not; *rc is -1 if not. */
static bool hear_guard_out(int *rc)
{
    struct led_answer answer;
    bool is_given_back = false;
    ssize_t size;

    while ((size = hear(&answer)) == sizeof(answer)) {
        is_given_back = is_given_back || answer.kind == LED_GIVEN_BACK;
        if (answer.kind == LED_WRONG) {
            hvt_say_texts(leds[answer.led].label, answer.text);
            *rc = -1;
        }
    }
    if (size == 0) /* it has closed its end, so this will not take long */
        waitpid(guard_pid, NULL, 0);
    return is_given_back;
}

static int give_back(void)
{
    int rc = 0;

    shutdown(lifeline, SHUT_WR);
    return hear_guard_out(&rc) ? rc : give_back_without_guard();
}

/* ---- Orders -------------------------------------------------------------- */

/* The guard keeps what it was sent before, so each descriptor is sent once. */
static size_t pick_fds(struct led *led, int theirs[LED_FDS], int *picked)
{
    size_t count = 0;

    for (unsigned i = 0; i < LED_FDS; i++) {
        theirs[i] = (led->guarded_fds & 1U << i) ? -1 : led->hold.fds[i];
        if (theirs[i] < 0)
            continue;
        led->guarded_fds |= 1U << i;
        picked[count++] = theirs[i];
    }
    return count;
}

static bool give_order(struct led *led, struct led_order *order)
{
    union led_control control = { .header = {
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    int *picked = (int *)(void *)CMSG_DATA(&control.header);
    size_t size = pick_fds(led, order->hold.fds, picked) * sizeof(int);
    struct iovec data = { .iov_base = order, .iov_len = sizeof(*order) };
    struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };

    control.header.cmsg_len = CMSG_LEN(size);
    if (size > 0) {
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(size);
    }
    return sendmsg(lifeline, &header, MSG_NOSIGNAL) == sizeof(*order);
}

static int order(struct led *led, struct led_order order)
{
    struct led_answer answer;

    order.led = (uint32_t)(led - leds);
    order.hold = led->hold;
    if (!give_order(led, &order) || hear(&answer) != sizeof(answer))
        hvt_fail("%s: the guard that gives the lines back does not answer",
                led->label);
    led->hold.is_taken = order.hold.is_taken || answer.error == 0;
    return answer.error;
}

int led_guard_export(struct led *led)
{
    return order(led, (struct led_order){ .kind = LED_EXPORT_FIRST });
}

void led_guard_hold(struct led *led)
{
    int error;

    led->hold.is_taken = true;
    error = order(led, (struct led_order){ .kind = LED_HOLD_ONLY });
    if (error != 0)
        hvt_fail("%s: the guard cannot hold it: %s", led->label, strerror(error));
}

/* ---- The start ----------------------------------------------------------- */

/* What the Makefile builds from hvt_led_guard.c. */
extern const char led_guard_program[] __attribute__((visibility("hidden")));
extern const char led_guard_program_end[] __attribute__((visibility("hidden")));

#if defined(__x86_64__)
#define PROGRAM "led-guard-x86_64"
#elif defined(__aarch64__)
#define PROGRAM "led-guard-aarch64"
#endif

__asm__(".section .rodata\n"
        ".globl led_guard_program, led_guard_program_end\n"
        "led_guard_program:\n"
        ".incbin \"" PROGRAM "\"\n"
        "led_guard_program_end:\n"
        ".previous\n");

static void set_timeout(time_t seconds)
{
    struct timeval timeout = { .tv_sec = seconds };

    setsockopt(lifeline, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

static void start_guard(void)
{
    struct hvt_helper guard = {
        .name = "led-guard",
        .program = led_guard_program,
        .program_size = (size_t)(led_guard_program_end - led_guard_program),
        .run = led_guard_run,
    };

    lifeline = hvt_helper_start(&guard, &guard_pid);
    hvt_at_exit(give_back);
}

void led_guard_start(const struct led_backend *backend, struct led *all,
        size_t count)
{
    leds = all, led_count = count;
    start_guard();
    set_timeout(EXPORT_TIMEOUT_S);
    for (size_t i = 0; i < count; i++) {
        backend->take(&leds[i]);
        led_guard_hold(&leds[i]);
        backend->make_output(&leds[i]);
    }
    set_timeout(END_TIMEOUT_S);
    hvt_sandbox_allow(SYS_shutdown, lifeline);
    hvt_sandbox_allow(SYS_read, lifeline);
    hvt_sandbox_allow(SYS_wait4, guard_pid); /* there it is a process */
}
