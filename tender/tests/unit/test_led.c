/* SPDX-License-Identifier: ISC */
/* The LED module, against a fake of the kernel's sysfs GPIO. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_gpio.h"
#include "hvt_internal.h"
#include "unit.h"

#define MEM_SIZE UINT64_C(0x400000)
#define ARG      UINT64_C(0x200000)

static struct hvt hvt;
static struct mft *mft;

/* led0 and led1, and a network device of the name net0. */
static void make_manifest(void)
{
    static const struct mft_entry entries[] = {
        { .type = MFT_RESERVED_FIRST },
        { .name = "led0", .type = MFT_DEV_LED_BASIC },
        { .name = "led1", .type = MFT_DEV_LED_BASIC },
        { .name = "net0", .type = MFT_DEV_NET_BASIC },
    };

    mft = calloc(1, MFT_SIZE(4));
    mft->version = MFT_VERSION;
    mft->entries = 4;
    memcpy(mft->e, entries, sizeof(entries));
}

/* Some options, a guest, and what the fake does wrong. */
struct life {
    const char *options[3];
    void (*guest)(void);
    struct fake_gpio_defect defect;
};

/* Ends with status 0, unless the guest or an error ends it before. */
static void live(void *arg)
{
    const struct life *life = arg;

    make_manifest();
    fake_gpio_watch(life->defect);
    for (int i = 0; i < 3 && life->options[i] != NULL; i++)
        EXPECT(hvt_modules_handle_cmdarg(life->options[i], mft));
    hvt_signals_init();
    hvt_mem_init(&hvt.mem, MEM_SIZE);
    hvt_modules_setup(&hvt, mft);
    if (life->guest != NULL)
        life->guest();
    hvt_exit(0);
}

static int32_t led_set(uint64_t handle, uint32_t on)
{
    struct hvt_hc_led_set hc = { .handle = handle, .on = on, .ret = -1 };

    hvt_guest_write(&hvt, ARG, &hc, sizeof(hc));
    hvt_core_dispatch(&hvt, HVT_HYPERCALL_LED_SET, ARG);
    hvt_guest_read(&hvt, ARG, &hc, sizeof(hc));
    return hc.ret;
}

#define EXPECT_LOG(text) EXPECT(strcmp(fake_gpio_log(), (text)) == 0)

#define LED0_TAKEN "export 483\ngpio483/direction out\n"
#define LED0_FREED "gpio483/value 0\ngpio483/direction in\nunexport 483\n"

/* ---- The life of a line -------------------------------------------------- */

static void blink(void)
{
    EXPECT(led_set(1, 1) == HVT_R_OK);
    EXPECT(led_set(1, 0) == HVT_R_OK);
    EXPECT(led_set(1, 1) == HVT_R_OK);
}

static void a_line_is_exported_driven_and_given_back(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = blink };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0,
            "solo5-hvt: led0: GPIO 25 (chip pinctrl-bcm2835, base 458, sysfs 483)\n");
    EXPECT_LOG(LED0_TAKEN "gpio483/value 1\ngpio483/value 0\ngpio483/value 1\n"
            LED0_FREED);
    EXPECT(!fake_gpio_is_exported(483));
}

static void the_base_is_looked_up(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    fake_gpio_make(512);
    EXPECT_ENDING(live, &life, 0, "(chip pinctrl-bcm2835, base 512, sysfs 537)");
    EXPECT_LOG("export 537\ngpio537/direction out\n"
            "gpio537/value 0\ngpio537/direction in\nunexport 537\n");
}

static void set_both(void)
{
    EXPECT(led_set(2, 1) == HVT_R_OK);
    EXPECT(led_set(1, 1) == HVT_R_OK);
    EXPECT(led_set(2, 0) == HVT_R_OK);
}

static void leds_are_told_apart_by_their_handles(void)
{
    struct life life = { .options = { "--led:led0=25", "--led:led1=0" },
        .guest = set_both };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "led1: GPIO 0 (chip pinctrl-bcm2835, base 458, "
            "sysfs 458)");
    EXPECT_LOG(LED0_TAKEN "export 458\ngpio458/direction out\n"
            "gpio458/value 1\ngpio483/value 1\ngpio458/value 0\n" LED0_FREED
            "gpio458/value 0\ngpio458/direction in\nunexport 458\n");
}

static void without_a_grant_nothing_is_touched(void)
{
    struct life life = { .options = { NULL } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "");
    EXPECT_LOG("");
}

static void set_without_grant(void)
{
    led_set(1, 1);
}

static void without_a_grant_there_is_no_hypercall(void)
{
    struct life life = { .options = { NULL }, .guest = set_without_grant };

    EXPECT_ENDING(live, &life, 1, "invalid guest hypercall: num=24");
}

static void check_manifest(void)
{
    EXPECT(mft->e[1].attached && mft->e[1].u.led_basic.on == 0);
    EXPECT(!mft->e[2].attached && !mft->e[3].attached);
}

static void a_granted_led_is_attached_and_off(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = check_manifest };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "");
}

/* ---- Levels and chips ---------------------------------------------------- */

static void blink_backwards(void)
{
    EXPECT(mft->e[1].u.led_basic.on == 1);
    EXPECT(led_set(1, 0) == HVT_R_OK);
    EXPECT(led_set(1, 1) == HVT_R_OK);
}

static void an_led_can_be_on_at_the_start(void)
{
    struct life life = { .options = { "--led-initial:led0=on", "--led:led0=25" },
        .guest = blink_backwards };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "sysfs 483), on\n");
    EXPECT_LOG("export 483\ngpio483/direction high\n"
            "gpio483/value 0\ngpio483/value 1\n" LED0_FREED);
}

static void an_active_low_led_is_on_when_its_line_is_low(void)
{
    struct life life = { .options = { "--led:led0=25", "--led-active-low:led0" },
        .guest = blink };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "sysfs 483), active low\n");
    EXPECT_LOG("export 483\ngpio483/direction high\n"
            "gpio483/value 0\ngpio483/value 1\ngpio483/value 0\n"
            "gpio483/value 1\ngpio483/direction in\nunexport 483\n");
}

static void an_active_low_led_can_be_on_at_the_start(void)
{
    struct life life = { .options = { "--led:led0=25", "--led-active-low:led0",
        "--led-initial:led0=on" }, .guest = blink_backwards };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "sysfs 483), active low, on\n");
    EXPECT_LOG("export 483\ngpio483/direction out\n"
            "gpio483/value 1\ngpio483/value 0\n"
            "gpio483/value 1\ngpio483/direction in\nunexport 483\n");
}

static void a_line_of_another_chip_can_be_named(void)
{
    struct life life = { .options = { "--led:led0=raspberrypi-exp-gpio:2",
        "--led:led1=gpiochip458:2" } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0,
            "led0: GPIO 2 (chip raspberrypi-exp-gpio, base 450, sysfs 452)");
    EXPECT(strncmp(fake_gpio_log(), "export 452\ngpio452/direction out\nexport 460\n",
            44) == 0);
}

static void a_label_of_two_chips_is_refused(void)
{
    struct life life = { .options = { "--led:led0=25" } };
    struct life named = { .options = { "--led:led0=gpiochip458:25" } };

    fake_gpio_make(458);
    EXPECT(system("cp gpio/gpiochip458/label gpio/gpiochip450/label") == 0);
    EXPECT_ENDING(live, &life, 1, "2 GPIO chips have the label pinctrl-bcm2835; say "
            "which by its name; this host has: gpiochip4");
    EXPECT_LOG("");
    EXPECT_ENDING(live, &named, 0, "sysfs 483");
}

/* ---- The hypercall ------------------------------------------------------- */

static void set_wrongly(void)
{
    EXPECT(led_set(0, 1) == HVT_R_EINVAL);
    EXPECT(led_set(2, 1) == HVT_R_EINVAL); /* declared, not attached */
    EXPECT(led_set(3, 1) == HVT_R_EINVAL);
    EXPECT(led_set(64, 1) == HVT_R_EINVAL);
    EXPECT(led_set(UINT64_C(0x100000001), 1) == HVT_R_EINVAL);
    EXPECT(led_set(UINT64_MAX, 1) == HVT_R_EINVAL);
    EXPECT(led_set(1, 2) == HVT_R_EINVAL);
    EXPECT(led_set(1, UINT32_MAX) == HVT_R_EINVAL);
}

static void wrong_handles_and_levels_reach_no_line(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = set_wrongly };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "");
    EXPECT_LOG(LED0_TAKEN LED0_FREED);
}

static void set_in_vain(void)
{
    EXPECT(led_set(1, 1) == HVT_R_EUNSPEC);
}

static void a_failed_write_is_told_to_the_guest(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = set_in_vain,
        .defect = { .file = "value", .text = "1", .error = EIO } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "");
    EXPECT(!fake_gpio_is_exported(483));
}

/* ---- Other endings ------------------------------------------------------- */

static void be_terminated(void)
{
    led_set(1, 1);
    raise(SIGTERM);
}

static void a_signal_gives_the_line_back(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = be_terminated };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 1, "Exiting on signal 15");
    EXPECT_LOG(LED0_TAKEN "gpio483/value 1\n" LED0_FREED);
}

static void a_signal_during_the_export_gives_the_line_back(void)
{
    struct life life = { .options = { "--led:led0=25" },
        .defect = { .signal = SIGINT } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 1, "Exiting on signal 2");
    EXPECT_LOG("export 483\nunexport 483\n"); /* it is no output yet */
}

static void call_badly(void)
{
    led_set(1, 1);
    hvt_core_dispatch(&hvt, HVT_HYPERCALL_LED_SET, MEM_SIZE);
}

static void an_error_of_the_guest_gives_the_line_back(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = call_badly };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 1, "invalid guest memory access");
    EXPECT_LOG(LED0_TAKEN "gpio483/value 1\n" LED0_FREED);
}

static void lose_line(void)
{
    fake_gpio_unexport(483);
    EXPECT(led_set(1, 1) == HVT_R_EUNSPEC);
    fake_gpio_export(483); /* now it is somebody else's */
}

static void a_line_that_was_taken_away_is_left_alone(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = lose_line };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 1, "GPIO 25 (sysfs 483) was unexported by somebody else");
    EXPECT_LOG(LED0_TAKEN);
    EXPECT(fake_gpio_is_exported(483));
}

static void a_line_that_cannot_be_given_back_is_reported(void)
{
    struct life unexport = { .options = { "--led:led0=25" },
        .defect = { .file = "unexport", .error = EIO } };
    struct life direction = { .options = { "--led:led0=25" },
        .defect = { .file = "direction", .text = "in", .error = EIO } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &unexport, 1, "GPIO 25 (sysfs 483) cannot be unexported");
    fake_gpio_make(458);
    EXPECT_ENDING(live, &direction, 1, "GPIO 25 (sysfs 483) cannot be made an input");
    EXPECT(!fake_gpio_is_exported(483));
}

/* ---- The guard, and other tenders ---------------------------------------- */

#define RECORD "records/gpio483"

/* The guard is the tender's only child, and the test's when the tender is gone. */
static pid_t guard_pid(void)
{
    char path[64];
    FILE *file;
    int pid = 0;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    file = fopen(path, "r");
    EXPECT(file != NULL && fscanf(file, "%d", &pid) == 1 && fclose(file) == 0);
    return pid;
}

static bool becomes_free(unsigned number)
{
    for (int i = 0; i < 500 && fake_gpio_is_exported(number); i++)
        poll(NULL, 0, 10);
    return !fake_gpio_is_exported(number) && access(RECORD, F_OK) != 0;
}

static void be_killed(void)
{
    led_set(1, 1);
    kill(getpid(), SIGKILL);
}

static void a_killed_tender_gives_the_line_back(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = be_killed };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 128 + SIGKILL, "");
    EXPECT(becomes_free(483));
    EXPECT_LOG(LED0_TAKEN "gpio483/value 1\n" LED0_FREED);
}

static void kill_guard(void)
{
    pid_t guard = guard_pid();

    led_set(1, 1);
    EXPECT(kill(guard, SIGKILL) == 0);
    EXPECT(waitid(P_PID, (id_t)guard, &(siginfo_t){ 0 }, WEXITED | WNOWAIT) == 0);
}

static void a_tender_whose_guard_was_killed_gives_the_line_back(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = kill_guard };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "");
    EXPECT(!fake_gpio_is_exported(483) && access(RECORD, F_OK) != 0);
    EXPECT_LOG(LED0_TAKEN "gpio483/value 1\n" LED0_FREED);
}

/* A guard that was slow and its tender may both give the line back. */
static void a_line_that_is_given_back_twice_at_once_is_well(void)
{
    struct life life = { .options = { "--led:led0=25" },
        .defect = { .file = "unexport", .error = EINVAL, .is_late = true } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "");
    EXPECT(!fake_gpio_is_exported(483) && access(RECORD, F_OK) != 0);
}

static void send_all_signals(void)
{
    pid_t guard = guard_pid();

    led_set(1, 1);
    for (int i = 1; i < 32; i++)
        if (i != SIGKILL && i != SIGSTOP)
            kill(guard, i);
}

static void no_signal_ends_the_guard(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = send_all_signals };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "");
    EXPECT_LOG(LED0_TAKEN "gpio483/value 1\n" LED0_FREED);
}

static void await_order(void)
{
    raise(SIGSTOP);
    EXPECT(led_set(1, 1) == HVT_R_OK);
}

static void a_second_tender_is_refused_with_the_holders_name(void)
{
    struct life first = { .options = { "--led:led0=25" }, .guest = await_order };
    struct life second = { .options = { "--led:led0=25" } };
    char holder[80];
    pid_t pid;
    int status;

    fake_gpio_make(458);
    pid = fork();
    if (pid == 0) {
        EXPECT(freopen("/dev/null", "w", stderr) != NULL);
        live(&first);
    }
    EXPECT(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    snprintf(holder, sizeof(holder), "GPIO 25 (sysfs 483) is held by another tender: "
            "pid %d, ", pid);
    EXPECT_ENDING(live, &second, 1, holder);
    kill(pid, SIGCONT);
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    EXPECT_LOG(LED0_TAKEN "gpio483/value 1\n" LED0_FREED);
}

static void be_killed_with_guard(void)
{
    kill_guard();
    kill(getpid(), SIGKILL);
}

static void leave_export(void)
{
    struct life life = { .options = { "--led:led0=25" }, .guest = be_killed_with_guard };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 128 + SIGKILL, "");
    EXPECT(fake_gpio_is_exported(483) && access(RECORD, F_OK) == 0);
}

static void a_stale_export_is_taken_over(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    leave_export();
    EXPECT_ENDING(live, &life, 0, "GPIO 25 (sysfs 483): taking over what tender ");
    EXPECT_LOG(LED0_TAKEN "gpio483/value 1\ngpio483/direction out\n" LED0_FREED);
    EXPECT(access(RECORD, F_OK) != 0);
}

static void end_despite_stopped_guard(void)
{
    led_set(1, 1);
    kill(guard_pid(), SIGSTOP);
}

static void continue_guard_late(void)
{
    pid_t guard = guard_pid();

    kill(guard, SIGCONT);
    waitpid(guard, NULL, 0);
}

/* Its line, and the record of it, are another tender's by then. */
static void a_guard_that_was_stopped_does_no_harm_later(void)
{
    struct life life = { .options = { "--led:led0=25" },
        .guest = end_despite_stopped_guard };
    struct life next = { .options = { "--led:led0=25" }, .guest = be_killed_with_guard };

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "");
    EXPECT(!fake_gpio_is_exported(483) && access(RECORD, F_OK) != 0);
    EXPECT_ENDING(live, &next, 128 + SIGKILL, "");
    EXPECT(fake_gpio_is_exported(483) && access(RECORD, F_OK) == 0);
    continue_guard_late();
    EXPECT(fake_gpio_is_exported(483) && access(RECORD, F_OK) == 0);
}

/* An administrator tidied up, then somebody else exported the line. */
static void a_later_export_is_not_taken_for_a_stale_one(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    leave_export();
    fake_gpio_unexport(483);
    EXPECT(mkdir("gpio/other", 0700) == 0); /* takes the inode that became free */
    fake_gpio_export(483);
    EXPECT_ENDING(live, &life, 1, "already exported by somebody else");
    EXPECT(fake_gpio_is_exported(483) && access(RECORD, F_OK) != 0);
}

static void a_record_without_an_export_does_no_harm(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    leave_export();
    fake_gpio_unexport(483);
    EXPECT_ENDING(live, &life, 0, "led0: GPIO 25");
    EXPECT(becomes_free(483));
}

static void a_record_that_is_damaged_proves_nothing(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    leave_export();
    EXPECT(system("echo garbage > " RECORD) == 0);
    EXPECT_ENDING(live, &life, 1, "already exported by somebody else");
    EXPECT(fake_gpio_is_exported(483));
}

static void without_a_folder_for_records_there_is_a_remark(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    fake_gpio_make(458);
    EXPECT(system("rm -rf records; touch records") == 0);
    EXPECT_ENDING(live, &life, 0, "Cannot keep records in records: Not a directory; a line "
            "that a killed tender left exported will not be recognised");
    EXPECT_LOG(LED0_TAKEN LED0_FREED);
    EXPECT(unlink("records") == 0);
}

/* ---- Setups that fail ---------------------------------------------------- */

static void a_line_somebody_else_exported_is_left_alone(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    fake_gpio_make(458);
    fake_gpio_export(483);
    EXPECT_ENDING(live, &life, 1, "solo5-hvt: GPIO 25 (sysfs 483) is already exported "
            "by somebody else; not ours, left alone\n");
    EXPECT_LOG("export 483\n");
    EXPECT(fake_gpio_is_exported(483));
}

static void the_lines_taken_before_a_failure_are_given_back(void)
{
    struct life life = { .options = { "--led:led1=24", "--led:led0=25" } };

    fake_gpio_make(458);
    fake_gpio_export(483);
    EXPECT_ENDING(live, &life, 1, "already exported");
    EXPECT_LOG("export 482\ngpio482/direction out\nexport 483\n"
            "gpio482/value 0\ngpio482/direction in\nunexport 482\n");
    EXPECT(fake_gpio_is_exported(483) && !fake_gpio_is_exported(482));
}

static void a_line_a_driver_uses_is_refused(void)
{
    struct life life = { .options = { "--led:led0=25" },
        .defect = { .file = "export", .error = EBUSY } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 1, "cannot be exported: Device or resource busy; a "
            "driver of the kernel uses it");
    EXPECT_LOG("");
}

static void a_line_that_cannot_be_an_output_is_given_back(void)
{
    struct life life = { .options = { "--led:led0=25" },
        .defect = { .file = "direction", .text = "out", .error = EIO } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 1, "cannot be made an output: Input/output error");
    EXPECT_LOG("export 483\n" LED0_FREED);
}

static void files_that_come_late_are_waited_for(void)
{
    struct life life = { .options = { "--led:led0=25" },
        .defect = { .slow_steps = 200 } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 0, "led0: GPIO 25");
    EXPECT_LOG(LED0_TAKEN LED0_FREED);
}

static void files_that_never_come_are_not_waited_for_for_ever(void)
{
    struct life life = { .options = { "--led:led0=25" },
        .defect = { .slow_steps = 201 } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 1, "Cannot open gpio/gpio483/direction: No such file");
    EXPECT_LOG("export 483\nunexport 483\n");
}

static void a_line_beyond_the_chip_is_refused_before_any_export(void)
{
    struct life life = { .options = { "--led:led0=25", "--led:led1=54" } };

    fake_gpio_make(458);
    EXPECT_ENDING(live, &life, 1,
            "--led:led1=54: the chip pinctrl-bcm2835 has lines 0 to 53 only");
    EXPECT_LOG("");
}

static void a_host_without_the_chip_is_told_which_it_has(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    fake_gpio_make(458);
    EXPECT(system("rm -r gpio/gpiochip458") == 0);
    EXPECT_ENDING(live, &life, 1, "No GPIO chip with label or name pinctrl-bcm2835 "
            "in gpio; this host has: gpiochip450 (raspberrypi-exp-gpio)\n");
    EXPECT(system("rm -r gpio/gpiochip450") == 0);
    EXPECT_ENDING(live, &life, 1, "there is no GPIO chip in gpio");
    EXPECT(system("rm -r gpio") == 0);
    EXPECT_ENDING(live, &life, 1, "the kernel needs CONFIG_GPIO_SYSFS");
}

static void a_chip_that_does_not_tell_its_numbers_is_refused(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    fake_gpio_make(458);
    EXPECT(unlink("gpio/gpiochip458/base") == 0);
    EXPECT_ENDING(live, &life, 1, "gpio/gpiochip458/base: '' is no number");
    EXPECT(unlink("gpio/gpiochip458/label") == 0);
    EXPECT_ENDING(live, &life, 1, "No GPIO chip with label");
    EXPECT_LOG("");
}

static void a_control_file_that_cannot_be_opened_is_named(void)
{
    struct life life = { .options = { "--led:led0=25" } };

    fake_gpio_make(458);
    EXPECT(unlink("gpio/unexport") == 0);
    EXPECT_ENDING(live, &life, 1, "Cannot open gpio/unexport: ");
    EXPECT_LOG("");
}

/* ---- Options ------------------------------------------------------------- */

struct option_row {
    const char *name;
    struct life life;
    const char *says;
};

#define FORM "must be --led:NAME=LINE or --led:NAME=CHIP:LINE, with LINE a decimal GPIO " \
    "number"
#define UNDECLARED "Resource not declared in manifest: no LED_BASIC "

static const struct option_row option_rows[] = {
    { "no line", { .options = { "--led:led0" } }, FORM },
    { "empty line", { .options = { "--led:led0=" } }, FORM },
    { "line no number", { .options = { "--led:led0=x" } }, FORM },
    { "line with a tail", { .options = { "--led:led0=25x" } }, FORM },
    { "line with a space", { .options = { "--led:led0= 25" } }, FORM },
    { "line negative", { .options = { "--led:led0=-1" } }, FORM },
    { "line hexadecimal", { .options = { "--led:led0=0x19" } }, FORM },
    { "line that wraps", { .options = { "--led:led0=4294967321" } }, FORM },
    { "line that wraps 64 bits", { .options = { "--led:led0=18446744073709551641" } },
        FORM },
    { "chip empty", { .options = { "--led:led0=:25" } }, FORM },
    { "chip without line", { .options = { "--led:led0=gpiochip458:" } }, FORM },
    { "chip too long", { .options = { "--led:led0=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        ":25" } }, FORM },
    { "chip unknown", { .options = { "--led:led0=gpiochip0:25" } }, "No GPIO chip with label "
        "or name gpiochip0 in gpio; this host has: gpiochip4" },
    { "line beyond another chip", { .options = { "--led:led0=raspberrypi-exp-gpio:8" } },
        "the chip raspberrypi-exp-gpio has lines 0 to 7 only" },
    { "initial neither on nor off", { .options = { "--led-initial:led0=1" } },
        "must be --led-initial:NAME=on or --led-initial:NAME=off" },
    { "initial of none", { .options = { "--led-initial:led0" } },
        "must be --led-initial:NAME=on or --led-initial:NAME=off" },
    { "initial not declared", { .options = { "--led-initial:led2=on" } }, UNDECLARED "'led2'" },
    { "active low not declared", { .options = { "--led-active-low:led2" } },
        UNDECLARED "'led2'" },
    { "active low with a value", { .options = { "--led-active-low:led0=1" } },
        UNDECLARED "'led0=1'" },
    { "backend unknown", { .options = { "--led-backend=mmio" } },
        "--led-backend=mmio: must be --led-backend=sysfs or --led-backend=cdev" },
    { "name not declared", { .options = { "--led:led2=25" } }, UNDECLARED "'led2'" },
    { "name of another type", { .options = { "--led:net0=25" } }, UNDECLARED "'net0'" },
    { "name empty", { .options = { "--led:=25" } }, UNDECLARED "''" },
    { "name too long", { .options = { "--led:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa=25" } }, UNDECLARED },
    { "name granted twice", { .options = { "--led:led0=25", "--led:led0=24" } },
        "--led:led0=24: led0 has been given a line already" },
    { "line granted twice", { .options = { "--led:led0=25", "--led:led1=25" } },
        "--led:led1=25: line 25 has been given to led0 already" },
    { "line granted twice by other words", { .options = { "--led:led0=25",
        "--led:led1=gpiochip458:25" } },
        "--led:led1=gpiochip458:25: line 25 has been given to led0 already" },
};

static void test_option(const void *arg)
{
    const struct option_row *row = arg;

    fake_gpio_make(458);
    EXPECT_ENDING(live, (void *)&row->life, 1, row->says);
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    unit_enter_empty_folder();
    TEST(a_line_is_exported_driven_and_given_back);
    TEST(the_base_is_looked_up);
    TEST(leds_are_told_apart_by_their_handles);
    TEST(without_a_grant_nothing_is_touched);
    TEST(without_a_grant_there_is_no_hypercall);
    TEST(a_granted_led_is_attached_and_off);
    TEST(wrong_handles_and_levels_reach_no_line);
    TEST(a_failed_write_is_told_to_the_guest);
    TEST(a_signal_gives_the_line_back);
    TEST(a_signal_during_the_export_gives_the_line_back);
    TEST(an_error_of_the_guest_gives_the_line_back);
    TEST(a_line_that_was_taken_away_is_left_alone);
    TEST(a_line_that_cannot_be_given_back_is_reported);
    TEST(an_led_can_be_on_at_the_start);
    TEST(an_active_low_led_is_on_when_its_line_is_low);
    TEST(an_active_low_led_can_be_on_at_the_start);
    TEST(a_line_of_another_chip_can_be_named);
    TEST(a_label_of_two_chips_is_refused);
    TEST(a_killed_tender_gives_the_line_back);
    TEST(a_tender_whose_guard_was_killed_gives_the_line_back);
    TEST(a_line_that_is_given_back_twice_at_once_is_well);
    TEST(no_signal_ends_the_guard);
    TEST(a_second_tender_is_refused_with_the_holders_name);
    TEST(a_stale_export_is_taken_over);
    TEST(a_guard_that_was_stopped_does_no_harm_later);
    TEST(a_later_export_is_not_taken_for_a_stale_one);
    TEST(a_record_without_an_export_does_no_harm);
    TEST(a_record_that_is_damaged_proves_nothing);
    TEST(without_a_folder_for_records_there_is_a_remark);
    TEST(a_line_somebody_else_exported_is_left_alone);
    TEST(the_lines_taken_before_a_failure_are_given_back);
    TEST(a_line_a_driver_uses_is_refused);
    TEST(a_line_that_cannot_be_an_output_is_given_back);
    TEST(files_that_come_late_are_waited_for);
    TEST(files_that_never_come_are_not_waited_for_for_ever);
    TEST(a_line_beyond_the_chip_is_refused_before_any_export);
    TEST(a_host_without_the_chip_is_told_which_it_has);
    TEST(a_chip_that_does_not_tell_its_numbers_is_refused);
    TEST(a_control_file_that_cannot_be_opened_is_named);
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++)
        unit_test_row(option_rows[i].name, test_option, &option_rows[i]);
    return unit_finish();
}
