/* SPDX-License-Identifier: ISC */
/*
 * hvt_module_led.c: LEDs on GPIO lines.
 *
 * --led:NAME=LINE gives the guest's LED_BASIC device NAME the line LINE of the
 * Raspberry Pi's GPIO chip; --led:NAME=CHIP:LINE one of another chip. How a line
 * is reached is a backend's business; that it is given back at the end, however
 * it comes, is the guard's (see hvt_led.h).
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvt_led.h"

#define DEFAULT_CHIP "pinctrl-bcm2835"
#define CHIPS_MAX    64
#define LIST_SIZE    512

static struct led leds[MFT_MAX_ENTRIES];
static size_t led_count;
static const struct led_backend *backend = &led_sysfs;

/* ---- The command line ---------------------------------------------------- */

/* What follows `option` in `arg`, or NULL. */
static const char *after(const char *arg, const char *option)
{
    size_t length = strlen(option);

    return strncmp(arg, option, length) == 0 ? arg + length : NULL;
}

/* Only digits, so neither signs nor spaces nor hexadecimal. */
static bool parse_line(const char *text, unsigned *line)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    *line = (unsigned)value;
    return isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0 &&
            value <= INT_MAX;
}

/* A chip's label may have colons: the line follows the last. */
static bool parse_place(const char *place, struct led *led)
{
    const char *colon = strrchr(place, ':');
    size_t length = colon != NULL ? (size_t)(colon - place) : 0;

    if (colon == NULL) {
        strcpy(led->wanted, DEFAULT_CHIP);
        return parse_line(place, &led->line);
    }
    if (length == 0 || length >= sizeof(led->wanted))
        return false;
    memcpy(led->wanted, place, length);
    led->wanted[length] = '\0';
    return parse_line(colon + 1, &led->line);
}

static struct mft_entry *find_entry(struct mft *mft, const char *arg,
        const char *name, size_t name_length)
{
    char copy[MFT_NAME_SIZE] = "";
    struct mft_entry *entry;

    if (name_length < sizeof(copy))
        memcpy(copy, name, name_length);
    entry = hvt_mft_find(mft, copy, MFT_DEV_LED_BASIC);
    if (copy[0] == '\0' || entry == NULL)
        hvt_fail("%s: Resource not declared in manifest: no LED_BASIC '%.*s'",
                arg, (int)name_length, name);
    return entry;
}

/* Options come in any order, so the first that names an LED makes it. */
static struct led *led_of_entry(const struct mft *mft,
        const struct mft_entry *entry)
{
    uint64_t handle = (uint64_t)(entry - mft->e);

    for (size_t i = 0; i < led_count; i++)
        if (leds[i].handle == handle)
            return &leds[i];
    leds[led_count] = (struct led){ .handle = handle };
    memcpy(leds[led_count].name, entry->name, MFT_NAME_SIZE);
    return &leds[led_count++];
}

/* --led:NAME=LINE, --led:NAME=CHIP:LINE */
static void grant_line(struct mft *mft, const char *arg, const char *value)
{
    const char *equals = strchr(value, '=');
    struct led place = { .line = 0 }, *led;
    struct mft_entry *entry;

    if (equals == NULL || !parse_place(equals + 1, &place))
        hvt_fail("%s: must be --led:NAME=LINE or --led:NAME=CHIP:LINE, with LINE "
                "a decimal GPIO number, such as --led:led0=25", arg);
    entry = find_entry(mft, arg, value, (size_t)(equals - value));
    led = led_of_entry(mft, entry);
    if (led->option != NULL)
        hvt_fail("%s: %s has been given a line already", arg, led->name);
    led->option = arg;
    led->line = place.line;
    memcpy(led->wanted, place.wanted, sizeof(led->wanted));
    entry->attached = true;
}

/* --led-active-low:NAME */
static void set_active_low(struct mft *mft, const char *arg, const char *name)
{
    led_of_entry(mft, find_entry(mft, arg, name, strlen(name)))->active_low = true;
}

/* --led-initial:NAME=on, --led-initial:NAME=off */
static void set_initial(struct mft *mft, const char *arg, const char *value)
{
    const char *equals = strchr(value, '=');
    bool on = equals != NULL && strcmp(equals, "=on") == 0;
    struct mft_entry *entry;

    if (!on && (equals == NULL || strcmp(equals, "=off") != 0))
        hvt_fail("%s: must be --led-initial:NAME=on or --led-initial:NAME=off",
                arg);
    entry = find_entry(mft, arg, value, (size_t)(equals - value));
    entry->u.led_basic.on = on;
    led_of_entry(mft, entry)->initially_on = on;
}

/* --led-backend=sysfs, --led-backend=cdev */
static void set_backend(struct mft *mft, const char *arg, const char *name)
{
    (void)mft;
    if (strcmp(name, led_sysfs.name) == 0)
        backend = &led_sysfs;
    else if (strcmp(name, led_cdev.name) == 0)
        backend = &led_cdev;
    else
        hvt_fail("%s: must be --led-backend=sysfs or --led-backend=cdev", arg);
}

static const struct {
    const char *option;
    void (*set)(struct mft *mft, const char *arg, const char *value);
} options[] = {
    { "--led:", grant_line },
    { "--led-active-low:", set_active_low },
    { "--led-initial:", set_initial },
    { "--led-backend=", set_backend },
};

static bool handle_cmdarg(const char *arg, struct mft *mft)
{
    const char *value;

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        value = after(arg, options[i].option);
        if (value != NULL) {
            options[i].set(mft, arg, value);
            return true;
        }
    }
    return false;
}

static void say_how_to_attach(const char *name)
{
    hvt_say("Grant it a line: --led:%s=LINE", name);
}

/* ---- The chips ----------------------------------------------------------- */

/* "gpiochip450 (raspberrypi-exp-gpio), gpiochip458 (pinctrl-bcm2835)" */
static void list_chips(char list[LIST_SIZE], const struct led_chip *chips,
        size_t count)
{
    size_t used = 0;

    list[0] = '\0';
    for (size_t i = 0; i < count && used < LIST_SIZE; i++)
        used += (size_t)snprintf(list + used, LIST_SIZE - used, "%s%s (%s)",
                i > 0 ? ", " : "", chips[i].name, chips[i].label);
}

static _Noreturn void refuse_chip(const struct led *led, size_t matches,
        const struct led_chip *chips, size_t count)
{
    char list[LIST_SIZE];

    list_chips(list, chips, count);
    if (count == 0)
        hvt_fail("%s: there is no GPIO chip in %s; %s", led->option,
                backend->folder, backend->advice);
    if (matches > 1)
        hvt_fail("%s: %zu GPIO chips have the label %s; say which by its name; "
                "this host has: %s", led->option, matches, led->wanted, list);
    hvt_fail("%s: No GPIO chip with label or name %s in %s; this host has: %s",
            led->option, led->wanted, backend->folder, list);
}

/* A name is of one chip only, so it goes before labels. */
static const struct led_chip *match_chip(const struct led *led,
        const struct led_chip *chips, size_t count, size_t *matches)
{
    const struct led_chip *match = NULL;

    *matches = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(chips[i].name, led->wanted) == 0) {
            *matches = 1;
            return &chips[i];
        }
        if (strcmp(chips[i].label, led->wanted) == 0) {
            (*matches)++;
            match = &chips[i];
        }
    }
    return match;
}

static void find_chip(struct led *led, const struct led_chip *chips,
        size_t count)
{
    size_t matches;
    const struct led_chip *chip = match_chip(led, chips, count, &matches);

    if (matches != 1)
        refuse_chip(led, matches, chips, count);
    led->chip = *chip;
    backend->read_chip(&led->chip);
    if (led->line >= led->chip.lines)
        hvt_fail("%s: the chip %s has lines 0 to %u only", led->option,
                chip->label, led->chip.lines - 1);
}

static void refuse_shared_line(const struct led *led)
{
    for (const struct led *other = leds; other < led; other++)
        if (other->line == led->line &&
                strcmp(other->chip.name, led->chip.name) == 0)
            hvt_fail("%s: line %u has been given to %s already", led->option,
                    led->line, other->name);
}

/* Nothing is touched before all lines are known to be there. */
static void find_lines(void)
{
    struct led_chip chips[CHIPS_MAX];
    size_t count = backend->list_chips(chips, CHIPS_MAX);

    for (size_t i = 0; i < led_count; i++) {
        find_chip(&leds[i], chips, count);
        refuse_shared_line(&leds[i]);
    }
}

static void prepare_hold(struct led *led)
{
    led->hold.is_cdev = backend == &led_cdev;
    led->hold.off_level = led_level(led, false);
    for (int i = 0; i < LED_FDS; i++)
        led->hold.fds[i] = -1;
}

static void take_lines(void)
{
    char text[MFT_MAX_ENTRIES][LED_TEXT_SIZE];

    for (size_t i = 0; i < led_count; i++) {
        prepare_hold(&leds[i]);
        backend->describe(&leds[i], text[i]);
    }
    backend->open();
    led_guard_start(backend, leds, led_count);
    backend->allow_all();
    for (size_t i = 0; i < led_count; i++) {
        backend->allow(&leds[i]);
        hvt_say("%s: %s%s%s", leds[i].name, text[i],
                leds[i].active_low ? ", active low" : "",
                leds[i].initially_on ? ", on" : "");
    }
}

/* ---- The hypercall ------------------------------------------------------- */

static const struct led *led_of_handle(uint64_t handle)
{
    for (size_t i = 0; i < led_count; i++)
        if (leds[i].handle == handle)
            return &leds[i];
    return NULL;
}

static void hypercall_led_set(struct hvt *hvt, void *arg)
{
    struct hvt_hc_led_set *hc = arg;
    const struct led *led = led_of_handle(hc->handle);

    (void)hvt;
    if (led == NULL || hc->on > 1)
        hc->ret = HVT_R_EINVAL;
    else
        hc->ret = backend->drive(&led->hold, led_level(led, hc->on))
                ? HVT_R_OK : HVT_R_EUNSPEC;
}

static void setup(struct hvt *hvt, struct mft *mft)
{
    (void)hvt, (void)mft;
    if (led_count == 0)
        return;
    find_lines();
    take_lines();
    hvt_register_hypercall(HVT_HYPERCALL_LED_SET, &(struct hvt_handler){
            hypercall_led_set, sizeof(struct hvt_hc_led_set), true });
}

DECLARE_MODULE(led) = {
    .name = "led",
    .type = MFT_DEV_LED_BASIC,
    .type_name = "LED_BASIC",
    .handle_cmdarg = handle_cmdarg,
    .setup = setup,
    .usage = "--led:NAME=LINE     let the LED NAME drive GPIO line LINE of "
            DEFAULT_CHIP "\n"
            "  --led:NAME=CHIP:LINE\n"
            "                      ... of the chip with label or name CHIP\n"
            "  --led-active-low:NAME\n"
            "                      the LED is on when its line is low\n"
            "  --led-initial:NAME=on|off\n"
            "                      its state when the guest starts (default off)\n"
            "  --led-backend=sysfs|cdev\n"
            "                      how lines are driven (default sysfs)",
    .say_how_to_attach = say_how_to_attach,
};
