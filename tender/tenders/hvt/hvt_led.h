/* SPDX-License-Identifier: ISC */
/*
 * hvt_led.h: LEDs, between the module, the guard and the two backends.
 *
 * The module (hvt_module_led.c) knows options and hypercalls, a backend knows
 * one way to reach a line. The guard (hvt_led_guard.c) is a process and a program
 * of its own, so that it can be small: it exports lines and gives lines back, the
 * tender does the rest. Levels are those of the line, 0 or 1; which of them means
 * "on" only the module and led_level know.
 */
#ifndef HVT_LED_H
#define HVT_LED_H

#include <sys/socket.h>

#include "hvt.h"

#define LED_TEXT_SIZE 256

/* Of struct led_hold. */
enum led_fd {
    LED_VALUE, /* with cdev: the line itself */
    LED_DIRECTION,
    LED_EXPORT,
    LED_UNEXPORT,
    LED_RECORDS, /* the folder */
    LED_RECORD,
    LED_FDS,
};

/* What it takes to give a line back; the guard knows no more of an LED. */
struct led_hold {
    bool is_cdev;
    bool is_taken;    /* by us, wholly or in part: must be given back */
    int off_level;
    char key[24];     /* sysfs only: "gpio483" */
    int fds[LED_FDS]; /* -1 if not open */
};

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
    struct led_hold hold;
    unsigned guarded_fds; /* bit N: the guard has hold.fds[N], too */
};

/* The level of the line at which the LED is on, or off. */
static inline int led_level(const struct led *led, bool on)
{
    return on != led->active_low;
}

/* What fails ends the tender, unless said otherwise. */
struct led_backend {
    const char *name;
    const char *folder; /* where its chips are */
    const char *advice; /* if there are none */

    /* Lists the chips, up to `max`, by name and label. Returns how many. */
    size_t (*list_chips)(struct led_chip *chips, size_t max);

    /* Reads the rest of the one that was chosen. */
    void (*read_chip)(struct led_chip *chip);

    /* Writes where the LED is, for the operator, and led->label and key. */
    void (*describe)(struct led *led, char text[LED_TEXT_SIZE]);

    /* Opens what all lines need. */
    void (*open)(void);

    /*
     * Takes the line and opens its files; the guard knows them before
     * make_output makes the line an output at its initial level. The character
     * device does both at once, and its line is free when nobody has it open.
     */
    void (*take)(struct led *led);
    void (*make_output)(const struct led *led);

    /* Returns whether it could. */
    bool (*drive)(const struct led_hold *hold, int level);

    /* Declare to the sandbox what drive and led_give_back do, for all and for one. */
    void (*allow_all)(void);
    void (*allow)(const struct led *led);
};

extern const struct led_backend led_sysfs; /* hvt_led_sysfs.c */
extern const struct led_backend led_cdev;  /* hvt_led_cdev.c */

/* ---- What tender and guard both do (hvt_led_give_back.c) ------------------ */

/*
 * Drives the LED off, makes the line an input, gives it back. Returns NULL, or
 * what is wrong, to be put after led->label. Async-signal-safe.
 */
const char *led_give_back(const struct led_hold *hold);

bool led_sysfs_drive(const struct led_hold *hold, int level);
bool led_cdev_drive(const struct led_hold *hold, int level);
bool led_write_text(int fd, const char *text);

/* The line's number in sysfs, as text. */
static inline const char *led_number(const struct led_hold *hold)
{
    return hold->key + sizeof("gpio") - 1;
}

/* Whether the record `key` is still the file `fd`, and no later one. */
bool led_record_is_still(int folder_fd, int fd, const char *key);

/* Removes the LED's record, which is locked. */
void led_record_remove(const struct led_hold *hold);

/* ---- Between tender and guard -------------------------------------------- */

/* The tender's message. The descriptors that are not -1 come with it. */
struct led_order {
    enum { LED_HOLD_ONLY, LED_EXPORT_FIRST } kind;
    uint32_t led; /* index */
    struct led_hold hold;
};

/* The guard's message. */
struct led_answer {
    enum {
        LED_DONE,       /* what was ordered; `error` is 0 or an errno */
        LED_WRONG,      /* when `led` was given back: `text` */
        LED_GIVEN_BACK, /* everything that was taken */
    } kind;
    uint32_t led;
    int error;
    char text[64];
};

/* Room for the descriptors of one message. */
union led_control {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(LED_FDS * sizeof(int))];
};

/* The guard (hvt_led_guard.c): returns when the tender is gone and all is done. */
void led_guard_run(int socket);

/* ---- The tender's side (hvt_led_guarded.c) ------------------------------- */

/*
 * Starts the guard, takes the lines and adds the exit hook that has the guard
 * give them back.
 */
void led_guard_start(const struct led_backend *backend, struct led *leds,
        size_t count);

/* Has the guard export the line, and know it as taken. Returns 0 or an errno. */
int led_guard_export(struct led *led);

/* Has the guard know the line as taken, and all its descriptors. */
void led_guard_hold(struct led *led);

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

/* Opens the folder of records. If it cannot, it says so; returns it, or -1. */
int led_record_open(void);

/*
 * Locks the record `key` for as long as *fd and its copies are open. *holder is
 * what the record said before.
 */
enum led_record led_record_lock(const char *key, int *fd,
        struct led_holder *holder);

/* Says in the record who holds the line, and which export of it. */
void led_record_write(int fd, unsigned long long inode);

/* Declare that to the sandbox, and that the lock must last. */
void led_record_allow_all(void);
void led_record_allow(int fd);

/* ---- Of the character device, for sysfs' messages ------------------------ */

/* Who uses a line of the chip of that label; empty if it cannot be told. */
void led_cdev_consumer(const char *label, unsigned line, char consumer[33]);

#endif
