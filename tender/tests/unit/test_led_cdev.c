/* SPDX-License-Identifier: ISC */
/* LED lines through the GPIO character device, against a fake of it. */
#include <errno.h>
#include <linux/gpio.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake_gpiochip.h"
#include "hvt_internal.h"
#include "hvt_led.h"
#include "unit.h"

#define KILLED (128 + SIGSYS)

#define EXPECT_TEXT(text, wanted) EXPECT(strcmp((text), (wanted)) == 0)
#define EXPECT_LOG(text) EXPECT_TEXT(fake_gpiochip_log(), text)

/* As the module makes it for --led:led0=25, its chip known. */
static struct led make_led(void)
{
    return (struct led){ .name = "led0", .line = 25, .label = "GPIO 25 (gpiochip1)",
        .hold = { .is_cdev = true, .fds = { -1, -1, -1, -1, -1, -1 } },
        .chip = { .name = "gpiochip1", .label = "pinctrl-bcm2835", .lines = 54 } };
}

static struct led take_led(void)
{
    struct led led = make_led();

    led_cdev.take(&led);
    EXPECT(led.hold.fds[LED_VALUE] >= 0);
    return led;
}

/* ---- Chips --------------------------------------------------------------- */

static const struct led_chip *chip_of_name(const char *name)
{
    static struct led_chip chips[8];
    size_t count = led_cdev.list_chips(chips, 8);

    EXPECT(count == 2);
    for (size_t i = 0; i < count; i++)
        if (strcmp(chips[i].name, name) == 0)
            return &chips[i];
    return NULL;
}

static void chips_are_listed_with_their_labels(void)
{
    const struct led_chip *chip;

    fake_gpiochip_make();
    chip = chip_of_name("gpiochip0");
    EXPECT(chip != NULL && strcmp(chip->label, "raspberrypi-exp-gpio") == 0);
    chip = chip_of_name("gpiochip1");
    EXPECT(chip != NULL && strcmp(chip->label, "pinctrl-bcm2835") == 0);
    EXPECT(chip->lines == FAKE_GPIOCHIP_LINES);
}

static void no_more_chips_are_listed_than_there_is_room_for(void)
{
    struct led_chip chips[1];

    fake_gpiochip_make();
    EXPECT(led_cdev.list_chips(chips, 1) == 1);
}

static void without_the_folder_there_are_no_chips(void)
{
    struct led_chip chips[1];

    EXPECT(led_cdev.list_chips(chips, 1) == 0);
}

static void read_chip(void *arg)
{
    led_cdev.read_chip(arg);
}

static void a_chip_that_cannot_be_read_is_refused_with_the_reason(void)
{
    struct led_chip chip;

    fake_gpiochip_make();
    fake_gpiochip_defect.request = GPIO_GET_CHIPINFO_IOCTL;
    fake_gpiochip_defect.error = EACCES;
    chip = *chip_of_name("gpiochip1");
    EXPECT_ENDING(read_chip, &chip, 1, "Cannot read dev/gpiochip1: Permission denied; "
            "run the tender as root or in the group that owns it");
}

static void a_place_is_described(void)
{
    struct led led = make_led();
    char text[LED_TEXT_SIZE];

    led.label[0] = '\0';
    led_cdev.describe(&led, text);
    EXPECT_TEXT(led.label, "GPIO 25 (gpiochip1)");
    EXPECT_TEXT(text, "GPIO 25 (chip pinctrl-bcm2835, dev/gpiochip1)");
}

/* ---- The life of a line -------------------------------------------------- */

static void a_line_is_taken_driven_and_given_back(void)
{
    struct led led;

    fake_gpiochip_make();
    led = take_led();
    EXPECT(led_cdev.drive(&led.hold, 1) && led_cdev.drive(&led.hold, 0));
    EXPECT(led_give_back(&led.hold) == NULL);
    EXPECT_LOG("25 solo5-hvt:led0 output 0\n25 1\n25 0\n25 0\n25 input\n");
}

static void take_and_give_back(bool active_low, bool initially_on)
{
    struct led led = make_led();

    led.active_low = active_low;
    led.initially_on = initially_on;
    led.hold.off_level = active_low;
    led_cdev.take(&led);
    EXPECT(led_give_back(&led.hold) == NULL);
    close(led.hold.fds[LED_VALUE]);
}

static void the_first_level_and_the_last_are_those_of_the_led(void)
{
    fake_gpiochip_make();
    take_and_give_back(false, true);
    take_and_give_back(true, false);
    take_and_give_back(true, true);
    EXPECT_LOG("25 solo5-hvt:led0 output 1\n25 0\n25 input\n"
            "25 solo5-hvt:led0 output 1\n25 1\n25 input\n"
            "25 solo5-hvt:led0 output 0\n25 1\n25 input\n");
}

static void a_long_name_is_cut(void)
{
    struct led led = make_led();

    fake_gpiochip_make();
    memset(led.name, 'x', MFT_NAME_SIZE - 1);
    led_cdev.take(&led);
    EXPECT_LOG("25 solo5-hvt:xxxxxxxxxxxxxxxxxxxxx output 0\n");
}

/* It is the only one: a copy that is left open would keep the line. */
static void a_line_is_free_when_its_descriptor_is_closed(void)
{
    struct led led;

    fake_gpiochip_make();
    led = take_led();
    EXPECT(fake_gpiochip_is_held(25) && !fake_gpiochip_is_held(24));
    close(led.hold.fds[LED_VALUE]);
    EXPECT(!fake_gpiochip_is_held(25));
}

/* ---- What goes wrong ----------------------------------------------------- */

static void take(void *led)
{
    led_cdev.take(led);
}

static void expect_refusal(struct led led, const char *text)
{
    EXPECT_ENDING(take, &led, 1, text);
}

static void a_line_in_use_is_refused_with_its_holders_name(void)
{
    struct led led = make_led();

    fake_gpiochip_make();
    take_led();
    strcpy(led.name, "second");
    expect_refusal(led, "GPIO 25 (gpiochip1) is in use by 'solo5-hvt:led0'; left alone");
    EXPECT_LOG("25 solo5-hvt:led0 output 0\n");
}

static void refuse_with(int error, const char *text)
{
    fake_gpiochip_defect.request = GPIO_V2_GET_LINE_IOCTL;
    fake_gpiochip_defect.error = error;
    expect_refusal(make_led(), text);
}

static void a_line_that_cannot_be_requested_is_refused_with_the_reason(void)
{
    fake_gpiochip_make();
    refuse_with(ENOTTY, "GPIO 25 (gpiochip1) cannot be requested: Inappropriate ioctl "
            "for device; the kernel must be Linux 5.10 or newer; "
            "--led-backend=sysfs may work");
    refuse_with(EIO, "GPIO 25 (gpiochip1) cannot be requested: Input/output error");
    EXPECT_LOG("");
}

static void a_chip_that_is_gone_is_named(void)
{
    struct led led = make_led();

    fake_gpiochip_make();
    strcpy(led.chip.name, "gpiochip9");
    expect_refusal(led, "Cannot open dev/gpiochip9: No such file or directory");
}

static void a_line_that_cannot_be_given_back_is_told(void)
{
    struct led led;

    fake_gpiochip_make();
    led = take_led();
    fake_gpiochip_defect.error = EIO;
    fake_gpiochip_defect.request = GPIO_V2_LINE_SET_CONFIG_IOCTL;
    EXPECT_TEXT(led_give_back(&led.hold), " cannot be made an input again");
    fake_gpiochip_defect.request = GPIO_V2_LINE_SET_VALUES_IOCTL;
    EXPECT_TEXT(led_give_back(&led.hold), " cannot be driven off");
    EXPECT(!led_cdev.drive(&led.hold, 1));
}

/* ---- For sysfs' messages ------------------------------------------------- */

static void expect_consumer(const char *label, unsigned line, const char *wanted)
{
    char consumer[33] = "unset";

    led_cdev_consumer(label, line, consumer);
    EXPECT_TEXT(consumer, wanted);
}

static void who_uses_a_line_is_told(void)
{
    fake_gpiochip_make();
    take_led();
    expect_consumer("pinctrl-bcm2835", 25, "solo5-hvt:led0");
    expect_consumer("pinctrl-bcm2835", 24, "");
    expect_consumer("pinctrl-bcm2835", 54, "");
    expect_consumer("no such chip", 25, "");
}

/* ---- In the sandbox ------------------------------------------------------ */

static struct led confined;

static void enter_sandbox(void)
{
    confined = take_led();
    led_cdev.allow_all();
    led_cdev.allow(&confined);
#ifdef __SANITIZE_ADDRESS__ /* asks for it when a process ends */
    hvt_sandbox_allow(SYS_sigaltstack, HVT_NO_FD);
#endif
    hvt_sandbox_enter();
}

static void drive_and_give_back(void *arg)
{
    (void)arg;
    enter_sandbox();
    EXPECT(led_cdev.drive(&confined.hold, 1) && led_give_back(&confined.hold) == NULL);
}

static void ask(void *request)
{
    enter_sandbox();
    ioctl(confined.hold.fds[LED_VALUE], *(unsigned long *)request, NULL);
}

static void a_line_can_be_driven_and_given_back_and_no_more(void)
{
    fake_gpiochip_make();
    EXPECT_ENDING(drive_and_give_back, NULL, UNIT_RETURNED, "");
    EXPECT_ENDING(ask, &(unsigned long){ GPIO_V2_LINE_GET_VALUES_IOCTL }, KILLED, "");
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    unit_enter_empty_folder();
    TEST(without_the_folder_there_are_no_chips);
    TEST(chips_are_listed_with_their_labels);
    TEST(no_more_chips_are_listed_than_there_is_room_for);
    TEST(a_chip_that_cannot_be_read_is_refused_with_the_reason);
    TEST(a_place_is_described);
    TEST(a_line_is_taken_driven_and_given_back);
    TEST(the_first_level_and_the_last_are_those_of_the_led);
    TEST(a_long_name_is_cut);
    TEST(a_line_is_free_when_its_descriptor_is_closed);
    TEST(a_line_in_use_is_refused_with_its_holders_name);
    TEST(a_line_that_cannot_be_requested_is_refused_with_the_reason);
    TEST(a_chip_that_is_gone_is_named);
    TEST(a_line_that_cannot_be_given_back_is_told);
    TEST(who_uses_a_line_is_told);
    TEST(a_line_can_be_driven_and_given_back_and_no_more);
    return unit_finish();
}
