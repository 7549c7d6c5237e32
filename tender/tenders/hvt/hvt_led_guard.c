/* SPDX-License-Identifier: ISC */
/*
 * hvt_led_guard.c: the process that gives LED lines back.
 *
 * A SIGKILL leaves a tender no time to clean up, so a helper does it, the guard.
 * It exports the lines itself, so that there is no moment at which a line is
 * exported and the guard does not know; lines of the character device are freed
 * by the kernel until it knows. It waits for the end of the socket between them,
 * which the kernel makes however the tender ends. The tender's exit hook makes it
 * too, and waits until the guard is done.
 *
 * This file, hvt_led_give_back.c and guard/system.c are a program without a C
 * library: a few pages to start and to keep.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hvt_led.h"

static struct led_hold holds[MFT_MAX_ENTRIES];
static int lifeline; /* this process's end of the socket */

/* ---- Orders -------------------------------------------------------------- */

static void answer(const struct led_answer *answer)
{
    send(lifeline, answer, sizeof(*answer), MSG_NOSIGNAL);
    /* If it fails, the tender is gone, and the next read says so. */
}

static ssize_t receive(struct led_order *order, union led_control *control)
{
    struct iovec data = { .iov_base = order, .iov_len = sizeof(*order) };
    struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof(*control) };
    ssize_t size;

    do
        size = recvmsg(lifeline, &header, 0);
    while (size < 0 && errno == EINTR);
    if (header.msg_controllen == 0)
        control->header.cmsg_len = CMSG_LEN(0);
    return size;
}

/* The tender's numbers say which descriptors came; here they have others. */
static int adopt_fds(int fds[LED_FDS], const int theirs[LED_FDS],
        const union led_control *control)
{
    const int *here = (const int *)(const void *)CMSG_DATA(&control->header);
    size_t left = (control->header.cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (int i = 0; i < LED_FDS; i++) {
        if (theirs[i] < 0)
            continue;
        if (left-- == 0)
            return EMFILE;
        fds[i] = *here++;
    }
    return 0;
}

static int obey(const struct led_order *order, const union led_control *control)
{
    struct led_hold *hold = &holds[order->led % MFT_MAX_ENTRIES];
    int fds[LED_FDS], error;

    memcpy(fds, hold->fds, sizeof(fds));
    *hold = order->hold;
    memcpy(hold->fds, fds, sizeof(fds));
    error = adopt_fds(hold->fds, order->hold.fds, control);
    if (error == 0 && order->kind == LED_EXPORT_FIRST) {
        hold->is_taken = led_write_text(hold->fds[LED_EXPORT], led_number(hold));
        error = hold->is_taken ? 0 : errno;
    }
    return error;
}

static void obey_all(void)
{
    struct led_answer done = { .kind = LED_DONE };
    union led_control control;
    struct led_order order;

    while (receive(&order, &control) == sizeof(order)) {
        done.error = obey(&order, &control);
        answer(&done);
    }
}

/* ---- The end ------------------------------------------------------------- */

static void give_back(uint32_t led)
{
    struct led_answer wrong = { .kind = LED_WRONG, .led = led };
    const char *why = led_give_back(&holds[led]);

    if (why == NULL)
        return;
    memcpy(wrong.text, why, strlen(why));
    answer(&wrong);
}

static void give_back_all(void)
{
    struct led_answer given_back = { .kind = LED_GIVEN_BACK };

    for (uint32_t i = 0; i < MFT_MAX_ENTRIES; i++)
        if (holds[i].is_taken)
            give_back(i);
    answer(&given_back);
}

void led_guard_run(int socket)
{
    lifeline = socket;
    for (int i = 0; i < MFT_MAX_ENTRIES; i++)
        memset(holds[i].fds, -1, sizeof(holds[i].fds));
    obey_all();
    give_back_all();
}
