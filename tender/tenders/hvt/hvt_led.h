/* SPDX-License-Identifier: ISC */
/*
 * hvt_led.h: LEDs, between the module, the guard and the two backends.
 *
 * The module (hvt_module_led.c) knows options and hypercalls, a backend knows
 * one way to reach a line, the guard (hvt_led_guard.c) is the process that takes
 * the lines and gives them back. Levels are those of the line, 0 or 1; which of
 * them means "on" only the module and led_level know.
 */
#ifndef HVT_LED_H
#define HVT_LED_H

#include "hvt.h"

#define LED_TEXT_SIZE 256
#define LED_FDS_MAX   3

struct led_chip {
    char name[32];  /* as the backend's folder has it, such as "gpiochip0" */
    char label[40]; /* or why it cannot be read */
    unsigned base;  /* sysfs only: number of line 0 */
    unsigned lines;
};

struct led {
    char name[MFT_NAME_SIZE]; /* as the guest calls it */
    uint64_t handle;
    const char *option; /* that granted the line, for messages; NULL: none did */
    char wanted[40];    /* label or name of the chip */
    unsigned line;      /* of the chip */
    bool active_low;
    bool initially_on;
    struct led_chip chip;
    char label[64]; /* "GPIO 25 (sysfs 483)", for messages */
    char key[24];   /* sysfs only: "gpio483" */
    bool taken;     /* by us, wholly or in part: must be given back */
    int fds[LED_FDS_MAX]; /* the backend's own, -1 if not open */
};

/* The level of the line at which the LED is on, or off. */
static inline int led_level(const struct led *led, bool on)
{
    return on != led->active_low;
}

/*
 * What runs in the guard does not end the process, but says why it failed. What
 * runs while the tender ends (give_back) is async-signal-safe.
 */
struct led_backend {
    const char *name;
    const char *folder; /* where its chips are */
    const char *advice; /* if there are none */

    /* Lists the chips, up to `max`, by name and label. Returns how many. */
    size_t (*list_chips)(struct led_chip *chips, size_t max);

    /* Reads the rest of the one that was chosen, or ends the tender. */
    void (*read_chip)(struct led_chip *chip);

    /* Writes where the LED is, for the operator, and led->label and key. */
    void (*describe)(struct led *led, char text[LED_TEXT_SIZE]);

    /*
     * Opens what all lines need; called in the tender and in the guard. `why`
     * may hold a remark on success, too.
     */
    bool (*open)(char why[LED_TEXT_SIZE]);

    /*
     * Makes the line an output at its initial level; in the guard. `why` may
     * hold a remark on success, too. If it fails with led->taken set, the line
     * is given back.
     */
    bool (*take)(struct led *led, char why[LED_TEXT_SIZE]);

    bool (*drive)(const struct led *led, int level);

    /*
     * Drives the LED off, makes the line an input, gives it back. Returns NULL,
     * or what is wrong, to be put after led->label.
     */
    const char *(*give_back)(const struct led *led);

    /* Declare to the sandbox what drive and give_back do, for all and for one. */
    void (*allow_all)(void);
    void (*allow)(const struct led *led);
};

extern const struct led_backend led_sysfs; /* hvt_led_sysfs.c */
extern const struct led_backend led_cdev;  /* hvt_led_cdev.c */

/* ---- The guard (hvt_led_guard.c) ----------------------------------------- */

/*
 * Starts the guard, has it take the lines and adds the exit hook that has it
 * give them back. Ends the tender if a line cannot be taken.
 */
void led_guard_start(const struct led_backend *backend, struct led *leds,
        size_t count);

/* The process that does it. */
extern const struct hvt_helper led_guard;

/* In the guard: whether the tender is gone, so that waiting is in vain. */
bool led_guard_is_alone(void);

/* ---- Records of sysfs lines (hvt_led_record.c) --------------------------- */

enum led_record {
    LED_RECORD_NEW,   /* locked; nobody has left one */
    LED_RECORD_STALE, /* locked; a tender that is dead has left it */
    LED_RECORD_HELD,  /* by a tender that lives */
    LED_RECORD_NONE,  /* there is no folder for records */
};

struct led_holder {
    long pid;
    unsigned long long inode; /* of the exported line's folder in sysfs */
    char command[128];
};

/* In the tender: who this is. In the guard: for whom it acts. */
struct led_holder led_record_self(void);
void led_record_act_for(const struct led_holder *tender);

/* Opens the folder of records. If it cannot, `why` says so. */
void led_record_open(char why[LED_TEXT_SIZE]);

/*
 * Locks the record `key` for as long as *fd and its copies are open. *holder is
 * what the record said before.
 */
enum led_record led_record_lock(const char *key, int *fd,
        struct led_holder *holder);

/* Says in the record for whom the line is held, and which export of it. */
void led_record_write(int fd, unsigned long long inode);

/* Removes a record that is locked; async-signal-safe. */
void led_record_remove(const char *key, int fd);

/* Declare that to the sandbox, and that the lock must last. */
void led_record_allow_all(void);
void led_record_allow(int fd);

/* ---- Of the character device, for sysfs' messages ------------------------ */

/* Who uses a line of the chip of that label; empty if it cannot be told. */
void led_cdev_consumer(const char *label, unsigned line, char consumer[33]);

#endif
