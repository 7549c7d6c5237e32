/* SPDX-License-Identifier: ISC */
/* The LED module, against a fake of the kernel's sysfs GPIO. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Up to two options, a guest, and what the fake does wrong. */
struct life {
    const char *options[2];
    void (*guest)(void);
    struct fake_gpio_defect defect;
};

/* Ends with status 0, unless the guest or an error ends it before. */
static void live(void *arg)
{
    const struct life *life = arg;

    make_manifest();
    fake_gpio_defect = life->defect;
    for (int i = 0; i < 2 && life->options[i] != NULL; i++)
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
    EXPECT_LOG("export 483\nunexport 483\n");
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
    EXPECT_LOG("export 483\ngpio483/direction in\nunexport 483\n");
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
    EXPECT_ENDING(live, &life, 1, "No GPIO chip with label pinctrl-bcm2835 in gpio; "
            "this host has: raspberrypi-exp-gpio");
    EXPECT(system("rm -r gpio/gpiochip450") == 0);
    EXPECT_ENDING(live, &life, 1, "this host has: no chip");
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

#define FORM "must be --led:NAME=LINE with LINE a decimal GPIO number"
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
    { "name not declared", { .options = { "--led:led2=25" } }, UNDECLARED "'led2'" },
    { "name of another type", { .options = { "--led:net0=25" } }, UNDECLARED "'net0'" },
    { "name empty", { .options = { "--led:=25" } }, UNDECLARED "''" },
    { "name too long", { .options = { "--led:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa=25" } }, UNDECLARED },
    { "name granted twice", { .options = { "--led:led0=25", "--led:led0=24" } },
        "--led:led0=24: led0 has been given a line already" },
    { "line granted twice", { .options = { "--led:led0=25", "--led:led1=25" } },
        "--led:led1=25: line 25 has been given to led0 already" },
};

static void test_option(const void *arg)
{
    const struct option_row *row = arg;

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
