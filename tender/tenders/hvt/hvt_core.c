/* SPDX-License-Identifier: ISC */
/* hvt_core.c: hypercalls, and those that every guest may use. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "hvt_internal.h"

#define NS_PER_S UINT64_C(1000000000)
#define STATUS_SIGPIPE 141 /* what a shell shows for an ended reader */

static struct hvt_handler handlers[HVT_HYPERCALL_MAX];

void hvt_register_hypercall(unsigned nr, const struct hvt_handler *handler)
{
    if (nr >= HVT_HYPERCALL_MAX || handlers[nr].handle != NULL ||
            handler->arg_size > HVT_HC_ARG_MAX)
        hvt_fail("Hypercall %u cannot be registered", nr);
    handlers[nr] = *handler;
}

static const struct hvt_handler *handler_of(uint64_t nr)
{
    if (nr >= HVT_HYPERCALL_MAX || handlers[nr].handle == NULL)
        hvt_fail("invalid guest hypercall: num=%llu", (unsigned long long)nr);
    return &handlers[nr];
}

void hvt_core_dispatch(struct hvt *hvt, uint64_t nr, hvt_gpa_t gpa)
{
    const struct hvt_handler *handler = handler_of(nr);
    _Alignas(8) uint8_t arg[HVT_HC_ARG_MAX];

    hvt_mem_check(&hvt->mem, gpa, handler->arg_size,
            handler->has_out ? HVT_ACCESS_READ_WRITE : HVT_ACCESS_READ);
    hvt_guest_read(hvt, gpa, arg, handler->arg_size);
    handler->handle(hvt, arg);
    if (handler->has_out)
        hvt_guest_write(hvt, gpa, arg, handler->arg_size);
}

static void hypercall_walltime(struct hvt *hvt, void *arg)
{
    struct hvt_hc_walltime *hc = arg;
    struct timespec now;

    (void)hvt;
    clock_gettime(CLOCK_REALTIME, &now);
    hc->nsecs = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* A console that was made non-blocking by somebody else is waited for. */
static void await_console(void)
{
    struct pollfd console = { .fd = STDOUT_FILENO, .events = POLLOUT };

    poll(&console, 1, -1);
}

static _Noreturn void console_failed(void)
{
    if (errno == EPIPE)
        hvt_exit(STATUS_SIGPIPE);
    hvt_fail("Cannot write to the console: %s", strerror(errno));
}

static void write_console(const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(STDOUT_FILENO, data, size);

        if (n >= 0) {
            data += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN)
            await_console();
        else if (errno != EINTR)
            console_failed();
    }
}

static void hypercall_puts(struct hvt *hvt, void *arg)
{
    const struct hvt_hc_puts *hc = arg;
    uint8_t chunk[PIPE_BUF];

    hvt_mem_check(&hvt->mem, hc->data, hc->len, HVT_ACCESS_READ);
    for (uint64_t done = 0; done < hc->len; ) {
        uint64_t left = hc->len - done;
        size_t size = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);

        hvt_guest_read(hvt, hc->data + done, chunk, size);
        write_console(chunk, size);
        done += size;
    }
}

/* ---- POLL ---------------------------------------------------------------- */

/*
 * What POLL waits for: a timer, and the devices that can become readable. A timer
 * rather than the timeout of ppoll(), which Linux lets pass up to 0.1 % late.
 */
static struct pollfd polled[1 + MFT_MAX_ENTRIES]; /* the timer is the first */
static uint64_t polled_handles[1 + MFT_MAX_ENTRIES];
static nfds_t polled_count;

static void make_timer(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd < 0)
        hvt_fail("Cannot make a timer: %s", strerror(errno));
    hvt_sandbox_allow(SYS_timerfd_settime, fd);
    polled[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
    polled_count = 1;
}

void hvt_register_pollfd(int fd, uint64_t handle)
{
    if (handle >= MFT_MAX_ENTRIES || polled_count > MFT_MAX_ENTRIES)
        hvt_fail("Handle %llu cannot be polled", (unsigned long long)handle);
    polled[polled_count] = (struct pollfd){ .fd = fd, .events = POLLIN };
    polled_handles[polled_count++] = handle;
}

/* Cannot wrap: 2^64 ns are some 585 years. */
static struct timespec span_of(uint64_t nsecs)
{
    return (struct timespec){ .tv_sec = (time_t)(nsecs / NS_PER_S),
        .tv_nsec = (long)(nsecs % NS_PER_S) };
}

/* A timer of 0 ns would be none. */
static void start_timer(uint64_t nsecs)
{
    struct itimerspec timer = { .it_value = span_of(nsecs > 0 ? nsecs : 1) };

    if (timerfd_settime(polled[0].fd, 0, &timer, NULL) != 0)
        hvt_fail("Cannot set a timer: %s", strerror(errno));
}

static void await_devices(void)
{
    while (ppoll(polled, polled_count, NULL, NULL) < 0)
        if (errno != EINTR)
            hvt_fail("Cannot wait for devices: %s", strerror(errno));
}

/* Level-triggered: what can still be read next time is reported again. */
static void report_ready(struct hvt_hc_poll *hc)
{
    hc->ready_set = 0;
    hc->ret = 0;
    for (nfds_t i = 1; i < polled_count; i++) {
        if (polled[i].revents == 0)
            continue;
        hc->ready_set |= UINT64_C(1) << polled_handles[i];
        hc->ret++;
    }
}

static void hypercall_poll(struct hvt *hvt, void *arg)
{
    struct hvt_hc_poll *hc = arg;

    (void)hvt;
    start_timer(hc->timeout_nsecs);
    await_devices();
    report_ready(hc);
}

static void hypercall_halt(struct hvt *hvt, void *arg)
{
    const struct hvt_hc_halt *hc = arg;

    if (hc->cookie != 0)
        hvt_mem_check(&hvt->mem, hc->cookie, HVT_HALT_COOKIE_SIZE,
                HVT_ACCESS_READ);
    hvt_exit(hc->exit_status);
}

void hvt_core_init(void)
{
    hvt_register_hypercall(HVT_HYPERCALL_WALLTIME, &(struct hvt_handler){
            hypercall_walltime, sizeof(struct hvt_hc_walltime), true });
    hvt_register_hypercall(HVT_HYPERCALL_PUTS, &(struct hvt_handler){
            hypercall_puts, sizeof(struct hvt_hc_puts), false });
    hvt_register_hypercall(HVT_HYPERCALL_POLL, &(struct hvt_handler){
            hypercall_poll, sizeof(struct hvt_hc_poll), true });
    hvt_register_hypercall(HVT_HYPERCALL_HALT, &(struct hvt_handler){
            hypercall_halt, sizeof(struct hvt_hc_halt), false });
    hvt_sandbox_allow(SYS_write, STDOUT_FILENO);
    hvt_sandbox_allow(SYS_clock_gettime, HVT_NO_FD); /* where the vDSO cannot */
    make_timer();
}
