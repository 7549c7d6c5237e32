/* SPDX-License-Identifier: ISC */
/* Whatever ends the tender, the exit hooks run, once. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hvt_internal.h"
#include "unit.h"

/* Hooks write to the console, which unit_run keeps. */
static int first_hook(void)
{
    return write(STDOUT_FILENO, "first ", 6) == 6 ? 0 : -1;
}

static int second_hook(void)
{
    return write(STDOUT_FILENO, "second ", 7) == 7 ? 0 : -1;
}

static int failing_hook(void)
{
    return -1;
}

static void prepare(void)
{
    hvt_signals_init();
    hvt_at_exit(first_hook);
    hvt_at_exit(second_hook);
}

static void end_with(void *status)
{
    prepare();
    hvt_exit(*(int *)status);
}

static void end_with_error(void *text)
{
    prepare();
    hvt_fail("%s", (const char *)text);
}

static void end_by_signal(void *number)
{
    prepare();
    raise(*(int *)number);
}

static void expect_hooks_ran(void (*code)(void *), void *arg, int status)
{
    struct unit_ending ending;

    unit_run(&ending, code, arg);
    EXPECT(strcmp(ending.console, "second first ") == 0);
    EXPECT(ending.status == status);
}

static void the_last_hook_added_runs_first(void)
{
    expect_hooks_ran(end_with, &(int){ 7 }, 7);
}

static void the_low_eight_bits_of_the_status_count(void)
{
    expect_hooks_ran(end_with, &(int){ -1 }, 255);
    expect_hooks_ran(end_with, &(int){ 263 }, 7);
}

static void an_error_runs_the_hooks(void)
{
    expect_hooks_ran(end_with_error, "text", 1);
    EXPECT_ENDING(end_with_error, "text", 1, "solo5-hvt: text\n");
}

static const int signals[] = {
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU,
};

static void test_signal(const void *number)
{
    char says[64];

    snprintf(says, sizeof(says), "solo5-hvt: Exiting on signal %d\n",
            *(const int *)number);
    expect_hooks_ran(end_by_signal, (void *)number, 1);
    EXPECT_ENDING(end_by_signal, (void *)number, 1, says);
}

static void end_by_ignored_signal(void *number)
{
    signal(*(int *)number, SIG_IGN);
    end_by_signal(number);
}

static void nohup_is_respected(void)
{
    EXPECT_ENDING(end_by_ignored_signal, &(int){ SIGHUP }, UNIT_RETURNED, "");
    EXPECT_ENDING(end_by_ignored_signal, &(int){ SIGINT }, 1, "signal 2");
}

static void end_by_blocked_signal(void *number)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    end_by_signal(number);
}

static void a_mask_inherited_from_the_parent_does_not_count(void)
{
    expect_hooks_ran(end_by_blocked_signal, &(int){ SIGTERM }, 1);
}

static void two_signals(void *arg)
{
    (void)arg;
    prepare();
    hvt_signals_hold();
    raise(SIGTERM);
    raise(SIGINT);
    EXPECT(write(STDOUT_FILENO, "held ", 5) == 5);
    hvt_signals_release();
}

static void held_signals_wait_and_then_end_it_once(void)
{
    struct unit_ending ending;

    unit_run(&ending, two_signals, NULL);
    EXPECT(ending.status == 1);
    EXPECT(strcmp(ending.console, "held second first ") == 0);
}

static int signalling_hook(void)
{
    return raise(SIGTERM);
}

static void end_and_be_signalled(void *arg)
{
    (void)arg;
    prepare();
    hvt_at_exit(signalling_hook);
    hvt_exit(7);
}

static void a_signal_during_the_hooks_changes_nothing(void)
{
    expect_hooks_ran(end_and_be_signalled, NULL, 7);
}

static void end_with_failing_hook(void *status)
{
    hvt_at_exit(failing_hook);
    hvt_exit(*(int *)status);
}

static void a_failed_hook_is_no_success(void)
{
    EXPECT_ENDING(end_with_failing_hook, &(int){ 0 }, 1, "");
    EXPECT_ENDING(end_with_failing_hook, &(int){ 256 }, 1, "");
    EXPECT_ENDING(end_with_failing_hook, &(int){ 7 }, 7, "");
}

static void end_with_closed_stderr(void *arg)
{
    close(STDERR_FILENO);
    end_with_error(arg);
}

static void end_with_unread_stderr(void *arg)
{
    char page[4096] = "";
    int fds[2];

    EXPECT(pipe2(fds, O_NONBLOCK) == 0);
    while (write(fds[1], page, sizeof(page)) > 0)
        ; /* until it is full */
    fcntl(fds[1], F_SETFL, 0);
    dup2(fds[1], STDERR_FILENO);
    end_with_error(arg);
}

static void end_with_broken_stderr(void *arg)
{
    int fds[2];

    EXPECT(pipe(fds) == 0);
    dup2(fds[1], STDERR_FILENO);
    close(fds[0]);
    end_with_error(arg);
}

static void an_unusable_stderr_stops_nothing(void)
{
    expect_hooks_ran(end_with_closed_stderr, "text", 1);
    expect_hooks_ran(end_with_unread_stderr, "text", 1);
    expect_hooks_ran(end_with_broken_stderr, "text", 1);
}

static void write_past_file_limit(void *arg)
{
    (void)arg;
    prepare();
    raise(SIGXFSZ);
    raise(SIGPIPE);
    hvt_exit(0);
}

static void signals_that_write_raises_are_left_to_its_errors(void)
{
    expect_hooks_ran(write_past_file_limit, NULL, 0);
}

static void end_with_long_text(void *text)
{
    hvt_fail("%s|%s", (char *)text, (char *)text);
}

static void long_messages_are_cut(void)
{
    char text[2000];
    struct unit_ending ending;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    unit_run(&ending, end_with_long_text, text);
    EXPECT(ending.status == 1 && strlen(ending.errors) == 1024);
    EXPECT(ending.errors[1023] == '\n');
}

static void add_too_many_hooks(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        hvt_at_exit(first_hook);
}

static void too_many_hooks_are_refused(void)
{
    EXPECT_ENDING(add_too_many_hooks, NULL, 1, "exit hooks");
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    TEST(the_last_hook_added_runs_first);
    TEST(the_low_eight_bits_of_the_status_count);
    TEST(an_error_runs_the_hooks);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        unit_test_row(strsignal(signals[i]), test_signal, &signals[i]);
    TEST(nohup_is_respected);
    TEST(a_mask_inherited_from_the_parent_does_not_count);
    TEST(held_signals_wait_and_then_end_it_once);
    TEST(a_signal_during_the_hooks_changes_nothing);
    TEST(a_failed_hook_is_no_success);
    TEST(an_unusable_stderr_stops_nothing);
    TEST(signals_that_write_raises_are_left_to_its_errors);
    TEST(long_messages_are_cut);
    TEST(too_many_hooks_are_refused);
    return unit_finish();
}
