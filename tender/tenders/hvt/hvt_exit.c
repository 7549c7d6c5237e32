/* SPDX-License-Identifier: ISC */
/*
 * hvt_exit.c: messages, and the one way out.
 *
 * Signals end the tender from inside their handler: wherever it waits, be it
 * in the guest, a hypercall or a console nobody reads, no wait has to look for
 * them. The price is that all code from here to the hooks is async-signal-safe.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hvt_internal.h"

#define PREFIX "solo5-hvt: "
#define MESSAGE_SIZE 1024 /* less than PIPE_BUF: a ready pipe takes it whole */
#define STDERR_WAIT_MS 1000
#define HOOKS_MAX 8

static hvt_exit_hook volatile hooks[HOOKS_MAX]; /* read by signal handlers */
static volatile sig_atomic_t hook_count;

/* A stderr that nobody reads must not keep the tender from ending. */
static void write_stderr(const char *text, size_t size)
{
    struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };

    if (poll(&ready, 1, STDERR_WAIT_MS) > 0 &&
            write(STDERR_FILENO, text, size) < 0)
        return; /* there is nowhere left to say it */
}

static char printable(char c)
{
    return c >= ' ' && c <= '~' ? c : '?';
}

static size_t append(char line[MESSAGE_SIZE], size_t size, const char *text)
{
    while (*text != '\0' && size < MESSAGE_SIZE - 1) /* room for the newline */
        line[size++] = printable(*text++);
    return size;
}

void hvt_say_texts(const char *text, const char *more)
{
    char line[MESSAGE_SIZE];
    size_t size = append(line, append(line, append(line, 0, PREFIX), text), more);

    line[size++] = '\n';
    write_stderr(line, size);
}

static void say_args(const char *format, va_list args)
{
    char text[MESSAGE_SIZE];

    vsnprintf(text, sizeof(text), format, args);
    hvt_say_texts(text, "");
}

void hvt_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_args(format, args);
    va_end(args);
}

/* The hooks come before any message: the host's state is what matters most. */
static int run_hooks(void)
{
    int failed = 0;

    hvt_signals_hold();
    while (hook_count > 0)
        if (hooks[--hook_count]() != 0)
            failed = 1;
    return failed;
}

void hvt_exit(int status)
{
    int failed = run_hooks();

    _exit((status & 0xff) == 0 ? failed : status);
}

void hvt_fail(const char *format, ...)
{
    va_list args;

    run_hooks();
    va_start(args, format);
    say_args(format, args);
    _exit(1);
}

void hvt_at_exit(hvt_exit_hook hook)
{
    if (hook_count == HOOKS_MAX)
        hvt_fail("more than %d exit hooks", HOOKS_MAX);
    hooks[hook_count] = hook;
    hook_count++; /* last, for a handler that runs in between */
}

/* Signals that end a process by default and that somebody may well send. */
static const int ending_signals[] = {
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU,
};

#define ENDING_SIGNALS (sizeof(ending_signals) / sizeof(ending_signals[0]))

static sigset_t ending_set(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ENDING_SIGNALS; i++)
        sigaddset(&set, ending_signals[i]);
    return set;
}

void hvt_signals_hold(void)
{
    sigset_t set = ending_set();

    sigprocmask(SIG_BLOCK, &set, NULL);
}

void hvt_signals_release(void)
{
    sigset_t set = ending_set();

    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void on_ending_signal(int signal_number)
{
    char digits[] = { (char)('0' + signal_number / 10),
        (char)('0' + signal_number % 10), '\0' };

    run_hooks();
    hvt_say_texts("Exiting on signal ", digits + (digits[0] == '0'));
    _exit(1);
}

static void end_on(int signal_number)
{
    struct sigaction action = { .sa_handler = on_ending_signal };

    sigaction(signal_number, &action, NULL);
}

/* nohup's wish is kept. */
static bool is_ignored(int signal_number)
{
    struct sigaction current;

    return sigaction(signal_number, NULL, &current) == 0 &&
            current.sa_handler == SIG_IGN;
}

void hvt_signals_init(void)
{
    for (size_t i = 0; i < ENDING_SIGNALS; i++)
        if (ending_signals[i] != SIGHUP || !is_ignored(SIGHUP))
            end_on(ending_signals[i]);
    /* A parent may have left them blocked. */
    hvt_signals_release();
    /* These would end the tender inside write(), past the hooks; the errors of
     * write() say the same. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}
