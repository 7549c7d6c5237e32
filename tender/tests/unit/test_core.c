/* SPDX-License-Identifier: ISC */
/* Hypercalls: dispatch, and those that every guest may use. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "fake_gpio.h"
#include "hvt_internal.h"
#include "unit.h"

#define MEM_SIZE UINT64_C(0x400000)
#define ARG      UINT64_C(0x200000) /* where the guest keeps its argument */
#define BUFFER   UINT64_C(0x201000)
#define READ_ONLY UINT64_C(0x300000)

#define NS_PER_MS UINT64_C(1000000)
#define LONGEST_NS UINT64_C(18446744073000000000) /* whole seconds only */

static struct hvt hvt;

static void init(void)
{
    hvt_signals_init();
    hvt_mem_init(&hvt.mem, MEM_SIZE);
    hvt_mem_protect(&hvt.mem, READ_ONLY, READ_ONLY + 0x1000, HVT_ACCESS_READ);
    hvt_core_init();
}

static void call(uint64_t nr, void *arg, size_t size)
{
    hvt_guest_write(&hvt, ARG, arg, size);
    hvt_core_dispatch(&hvt, nr, ARG);
    hvt_guest_read(&hvt, ARG, arg, size);
}

/* ---- Dispatch ------------------------------------------------------------ */

static void dispatch(void *nr)
{
    init();
    hvt_core_dispatch(&hvt, *(uint64_t *)nr, ARG);
}

static void numbers_without_handler_end_the_guest(void)
{
    EXPECT_ENDING(dispatch, &(uint64_t){ 0 }, 1, "invalid guest hypercall: num=0");
    EXPECT_ENDING(dispatch, &(uint64_t){ HVT_HYPERCALL_BLOCK_READ }, 1, "num=5");
    EXPECT_ENDING(dispatch, &(uint64_t){ HVT_HYPERCALL_LED_SET }, 1, "num=24");
    EXPECT_ENDING(dispatch, &(uint64_t){ HVT_HYPERCALL_MAX }, 1, "num=32");
    EXPECT_ENDING(dispatch, &(uint64_t){ UINT64_MAX }, 1,
            "invalid guest hypercall: num=18446744073709551615");
}

static void add_42(struct hvt *the_hvt, void *arg)
{
    uint64_t *value = arg;

    (void)the_hvt;
    *value += 42;
}

static const struct hvt_handler add = { add_42, sizeof(uint64_t), true };
static const struct hvt_handler add_without_out = { add_42, sizeof(uint64_t), false };

static void out_fields_reach_the_guest(void)
{
    uint64_t value = 1;

    init();
    hvt_register_hypercall(30, &add);
    call(30, &value, sizeof(value));
    EXPECT(value == 43);
}

static void in_fields_stay_as_the_guest_wrote_them(void)
{
    uint64_t value = 1;

    init();
    hvt_register_hypercall(30, &add_without_out);
    call(30, &value, sizeof(value));
    EXPECT(value == 1);
}

static void end_with_42(struct hvt *the_hvt, void *arg)
{
    (void)the_hvt, (void)arg;
    hvt_exit(42);
}

static void call_at(void *gpa)
{
    const struct hvt_handler end = { end_with_42, sizeof(uint64_t), true };

    init();
    hvt_register_hypercall(30, &end);
    hvt_core_dispatch(&hvt, 30, *(hvt_gpa_t *)gpa);
}

static void arguments_that_cannot_be_answered_have_no_effect(void)
{
    EXPECT_ENDING(call_at, &(hvt_gpa_t){ ARG }, 42, "");
    EXPECT_ENDING(call_at, &(hvt_gpa_t){ READ_ONLY }, 1, "not writable");
    EXPECT_ENDING(call_at, &(hvt_gpa_t){ 0x2000 }, 1, "not writable");
    EXPECT_ENDING(call_at, &(hvt_gpa_t){ MEM_SIZE - 8 }, 1, "outside guest memory");
}

static void register_at(void *nr)
{
    init();
    hvt_register_hypercall(*(unsigned *)nr, &add);
}

static void a_number_has_one_handler(void)
{
    EXPECT_ENDING(register_at, &(unsigned){ 30 }, UNIT_RETURNED, "");
    EXPECT_ENDING(register_at, &(unsigned){ HVT_HYPERCALL_HALT }, 1, "Hypercall 8");
    EXPECT_ENDING(register_at, &(unsigned){ HVT_HYPERCALL_MAX }, 1, "Hypercall 32");
}

/* ---- WALLTIME, POLL, HALT ------------------------------------------------ */

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void walltime_is_the_hosts(void)
{
    uint64_t before = now_ns(CLOCK_REALTIME);
    struct hvt_hc_walltime hc = { 0 };

    init();
    call(HVT_HYPERCALL_WALLTIME, &hc, sizeof(hc));
    EXPECT(hc.nsecs >= before && hc.nsecs <= now_ns(CLOCK_REALTIME));
}

static uint64_t poll_for(uint64_t timeout_nsecs)
{
    struct hvt_hc_poll hc = { timeout_nsecs, UINT64_MAX, -1 };
    uint64_t before = now_ns(CLOCK_MONOTONIC);

    init();
    call(HVT_HYPERCALL_POLL, &hc, sizeof(hc));
    EXPECT(hc.ret == 0 && hc.ready_set == 0);
    return now_ns(CLOCK_MONOTONIC) - before;
}

static void poll_waits_as_long_as_it_should(void)
{
    EXPECT(poll_for(30 * NS_PER_MS) >= 30 * NS_PER_MS);
}

static void poll_carries_nanoseconds_into_seconds(void)
{
    EXPECT(poll_for(999999999) >= 999999999);
}

/* A hang would be ended by the test's time limit. */
static void poll_without_timeout_returns(void)
{
    poll_for(0);
}

static void poll_for_ever(void *arg)
{
    struct itimerval soon = { .it_value = { .tv_usec = 50000 } };

    (void)arg;
    hvt_signals_init();
    setitimer(ITIMER_REAL, &soon, NULL);
    poll_for(LONGEST_NS);
}

static void poll_with_the_longest_timeout_does_not_wrap(void)
{
    EXPECT_ENDING(poll_for_ever, NULL, 1, "Exiting on signal 14");
}

static void halt(void *hc)
{
    init();
    call(HVT_HYPERCALL_HALT, hc, sizeof(struct hvt_hc_halt));
}

static void halt_ends_with_the_guests_status(void)
{
    EXPECT_ENDING(halt, (&(struct hvt_hc_halt){ 0, 0 }), 0, "");
    EXPECT_ENDING(halt, (&(struct hvt_hc_halt){ 0, 7 }), 7, "");
    EXPECT_ENDING(halt, (&(struct hvt_hc_halt){ 0, -1 }), 255, "");
    EXPECT_ENDING(halt, (&(struct hvt_hc_halt){ 0, 263 }), 7, "");
}

static void halt_checks_all_of_the_cookie(void)
{
    hvt_gpa_t most = MEM_SIZE - HVT_HALT_COOKIE_SIZE;

    EXPECT_ENDING(halt, (&(struct hvt_hc_halt){ most - 1, 7 }), 7, "");
    EXPECT_ENDING(halt, (&(struct hvt_hc_halt){ most, 7 }), 1,
            "outside guest memory");
}

/* ---- PUTS ---------------------------------------------------------------- */

static void put(hvt_gpa_t data, uint64_t size)
{
    struct hvt_hc_puts hc = { data, size };

    call(HVT_HYPERCALL_PUTS, &hc, sizeof(hc));
}

#define LONG_SIZE 8000 /* more than one chunk, less than unit_ending keeps */

static void put_long_text(void *write_limit)
{
    init();
    fake_write_limit = *(size_t *)write_limit;
    for (size_t i = 0; i < LONG_SIZE; i++)
        hvt.mem.base[BUFFER + i] = (uint8_t)('a' + i % 26);
    put(BUFFER, LONG_SIZE);
}

static void expect_long_text(size_t write_limit)
{
    struct unit_ending ending;

    unit_run(&ending, put_long_text, &write_limit);
    EXPECT(ending.status == UNIT_RETURNED);
    EXPECT(strlen(ending.console) == LONG_SIZE);
    for (size_t i = 0; i < LONG_SIZE; i++)
        EXPECT(ending.console[i] == (char)('a' + i % 26));
}

static void puts_writes_all_of_a_long_text(void)
{
    expect_long_text(0);
}

static void a_console_that_takes_little_at_a_time_loses_nothing(void)
{
    expect_long_text(1000);
}

static void put_nothing(void *arg)
{
    (void)arg;
    init();
    put(BUFFER, 0);
}

static void puts_of_nothing_is_no_error(void)
{
    EXPECT_ENDING(put_nothing, NULL, UNIT_RETURNED, "");
}

static void put_too_much(void *arg)
{
    (void)arg;
    init();
    hvt.mem.base[BUFFER] = 'x';
    put(BUFFER, MEM_SIZE - BUFFER);
}

static void puts_beyond_memory_writes_nothing(void)
{
    struct unit_ending ending;

    unit_run(&ending, put_too_much, NULL);
    EXPECT(ending.status == 1 && ending.console[0] == '\0');
    EXPECT(strstr(ending.errors, "outside guest memory") != NULL);
}

static void put_at(void *gpa)
{
    init();
    put(*(hvt_gpa_t *)gpa, 5);
}

static void puts_may_read_what_the_guest_may_read(void)
{
    EXPECT_ENDING(put_at, &(hvt_gpa_t){ READ_ONLY }, UNIT_RETURNED, "");
    EXPECT_ENDING(put_at, &(hvt_gpa_t){ HVT_BOOT_INFO_BASE }, UNIT_RETURNED, "");
}

static int hook(void)
{
    hvt_say_texts("hook ran", "");
    return 0;
}

static void put_to(int console)
{
    init();
    hvt_at_exit(hook);
    dup2(console, STDOUT_FILENO);
    put(BUFFER, 5);
}

static void put_to_full_device(void *arg)
{
    (void)arg;
    put_to(open("/dev/full", O_WRONLY));
}

static void put_to_closed_pipe(void *arg)
{
    int fds[2];

    (void)arg;
    EXPECT(pipe(fds) == 0);
    close(fds[0]);
    put_to(fds[1]);
}

static void a_console_that_fails_ends_the_guest_with_hooks_run(void)
{
    EXPECT_ENDING(put_to_full_device, NULL, 1, "hook ran\nsolo5-hvt: Cannot write "
            "to the console: No space left on device");
    EXPECT_ENDING(put_to_closed_pipe, NULL, 141, "hook ran\n");
}

static void put_to_slow_pipe(void *arg)
{
    char text[LONG_SIZE];
    int fds[2];

    (void)arg;
    EXPECT(pipe2(fds, O_NONBLOCK) == 0 && fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
    if (fork() == 0) {
        put_to(fds[1]);
        put(BUFFER, LONG_SIZE);
        _exit(0);
    }
    close(fds[1]);
    fcntl(fds[0], F_SETFL, 0);
    for (size_t done = 0; done < 5 + LONG_SIZE; ) {
        ssize_t n = read(fds[0], text, sizeof(text));

        EXPECT(n > 0);
        done += (size_t)n;
    }
}

static void a_non_blocking_console_loses_nothing(void)
{
    EXPECT_ENDING(put_to_slow_pipe, NULL, UNIT_RETURNED, "");
}

static void put_to_stuck_pipe(void *arg)
{
    struct itimerval soon = { .it_value = { .tv_usec = 50000 } };
    int fds[2];

    (void)arg;
    EXPECT(pipe(fds) == 0 && fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
    put_to(fds[1]);
    setitimer(ITIMER_REAL, &soon, NULL);
    put(BUFFER, LONG_SIZE);
}

static void a_console_that_nobody_reads_can_be_interrupted(void)
{
    EXPECT_ENDING(put_to_stuck_pipe, NULL, 1,
            "hook ran\nsolo5-hvt: Exiting on signal 14");
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    TEST(numbers_without_handler_end_the_guest);
    TEST(out_fields_reach_the_guest);
    TEST(in_fields_stay_as_the_guest_wrote_them);
    TEST(arguments_that_cannot_be_answered_have_no_effect);
    TEST(a_number_has_one_handler);
    TEST(walltime_is_the_hosts);
    TEST(poll_waits_as_long_as_it_should);
    TEST(poll_carries_nanoseconds_into_seconds);
    TEST(poll_without_timeout_returns);
    TEST(poll_with_the_longest_timeout_does_not_wrap);
    TEST(halt_ends_with_the_guests_status);
    TEST(halt_checks_all_of_the_cookie);
    TEST(puts_writes_all_of_a_long_text);
    TEST(a_console_that_takes_little_at_a_time_loses_nothing);
    TEST(puts_of_nothing_is_no_error);
    TEST(puts_beyond_memory_writes_nothing);
    TEST(puts_may_read_what_the_guest_may_read);
    TEST(a_console_that_fails_ends_the_guest_with_hooks_run);
    TEST(a_non_blocking_console_loses_nothing);
    TEST(a_console_that_nobody_reads_can_be_interrupted);
    return unit_finish();
}
