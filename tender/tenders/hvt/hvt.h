/* SPDX-License-Identifier: ISC */
/*
 * hvt.h: what a module of the tender may use.
 *
 * A module brings one kind of device to the guest. It registers itself with
 * DECLARE_MODULE; no list in the tender names it. A module cannot reach guest
 * memory except through the functions below, which check every access.
 */
#ifndef HVT_H
#define HVT_H

#define HVT_HOST /* guest pointers become numbers, see hvt_abi.h */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "solo5/hvt_abi.h"
#include "solo5/mft_abi.h"

struct hvt;

/* ---- Messages and endings ------------------------------------------------ */

/*
 * Writes one line "solo5-hvt: TEXT" to stderr. Bytes that are no printable
 * ASCII, as a hostile image may have in its names, appear as '?'.
 */
void hvt_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* hvt_say for two ready texts in one line; async-signal-safe. */
void hvt_say_texts(const char *text, const char *more);

/* Runs the exit hooks, says what went wrong and ends the tender: status 1. */
_Noreturn void hvt_fail(const char *format, ...)
        __attribute__((format(printf, 1, 2)));

/* Runs the exit hooks and ends the tender; the low 8 bits of `status` count. */
_Noreturn void hvt_exit(int status);

/*
 * An exit hook gives back to the host what a module took from it. It runs once,
 * whatever ends the tender: the guest, an error, or a signal. It may run inside
 * a signal handler, so it calls async-signal-safe functions only and copes with
 * a setup that was interrupted half way. Returns 0, or -1 after saying what it
 * could not do; the tender then never ends with status 0.
 */
typedef int (*hvt_exit_hook)(void);

/* Adds a hook; the last one added runs first. */
void hvt_at_exit(hvt_exit_hook hook);

/*
 * Between these two no signal ends the tender. For the moments when the host's
 * state and the record that an exit hook goes by do not agree yet.
 */
void hvt_signals_hold(void);
void hvt_signals_release(void);

/* ---- Helpers ------------------------------------------------------------- */

/*
 * A helper is a second process of a module, for what must be done even if the
 * tender is killed. It has nothing of the tender but a socket (SOCK_SEQPACKET),
 * on which it reads an end as soon as the tender is gone. All signals are
 * blocked.
 */
#define HVT_HELPER_FD 3 /* the socket, after the standard files */

struct hvt_helper {
    const char *name;    /* up to 15 characters */
    const char *program; /* a static ELF file, executed from memory */
    size_t program_size; /* bytes */
    /* What the program does, where a host refuses to execute memory. */
    void (*run)(int socket);
};

/*
 * Starts the helper of a module. Returns the tender's end. An exit hook waits for
 * the process, which must not outlive the tender as a zombie.
 */
int hvt_helper_start(const struct hvt_helper *helper, pid_t *pid);

/* ---- The sandbox --------------------------------------------------------- */

/*
 * A module declares in its setup every system call that it will make on a
 * descriptor once the guest runs; any other call ends the process then, and
 * descriptors that nobody declared are closed. Exit hooks count as well. No
 * memory can be allocated any more. `fd` is the call's first argument; for wait4
 * that is a process.
 */
#define HVT_NO_FD (-1) /* the call takes no descriptor, or may have any */
void hvt_sandbox_allow(int syscall_nr, int fd);
void hvt_sandbox_allow_ioctl(int fd, unsigned long request);

/* ---- Guest memory -------------------------------------------------------- */

/*
 * Copy `size` bytes from or to guest-physical address `gpa`. The tender ends if
 * a byte lies outside guest memory, or where the guest's segments do not allow
 * the access; nothing has been copied then.
 */
void hvt_guest_read(struct hvt *hvt, hvt_gpa_t gpa, void *to, size_t size);
void hvt_guest_write(struct hvt *hvt, hvt_gpa_t gpa, const void *from,
        size_t size);

/*
 * The same checks without the copy: where those bytes lie in the tender, for a
 * system call that moves many of them. Good until the handler returns.
 */
const void *hvt_guest_readable(struct hvt *hvt, hvt_gpa_t gpa, size_t size);
void *hvt_guest_writable(struct hvt *hvt, hvt_gpa_t gpa, size_t size);

/* ---- Hypercalls ---------------------------------------------------------- */

#define HVT_HC_ARG_MAX 64 /* bytes; no argument struct is larger */

/*
 * What carries out a hypercall. `handle` gets a copy of the guest's argument
 * struct; if the struct has OUT fields the copy is written back afterwards. That
 * the guest's struct may be read, and written if need be, is checked before.
 */
struct hvt_handler {
    void (*handle)(struct hvt *hvt, void *arg);
    size_t arg_size; /* bytes */
    bool has_out;    /* the struct has OUT fields */
};

/* Gives number `nr` (see enum hvt_hypercall) its handler. */
void hvt_register_hypercall(unsigned nr, const struct hvt_handler *handler);

/*
 * Lets POLL end as soon as `fd` can be read; the guest is told by the bit of
 * `handle`. For setup.
 */
void hvt_register_pollfd(int fd, uint64_t handle);

/* ---- The manifest -------------------------------------------------------- */

/* The entry of that name and type, or NULL. Its index is the handle. */
struct mft_entry *hvt_mft_find(struct mft *mft, const char *name, uint32_t type);

/*
 * For an option PREFIX NAME=VALUE, such as "--block:disk=disk.img": the entry
 * NAME of that type, with `value` pointing behind the '='. NULL if `arg` does
 * not start with `prefix`; ends the tender if the manifest has no such entry.
 */
struct mft_entry *hvt_option_device(const char *arg, const char *prefix,
        struct mft *mft, uint32_t type, const char **value);

/* A decimal number of at most `max`; digits only, so no sign and no space. */
bool hvt_parse_number(const char *text, uint64_t max, uint64_t *number);

/* ---- Modules ------------------------------------------------------------- */

struct hvt_module {
    const char *name;
    uint32_t type; /* the enum mft_type whose devices it attaches */
    const char *type_name; /* as a manifest's source has it: "LED_BASIC" */
    /*
     * Called for every option the tender does not know itself, before any guest
     * exists. Returns false if the option is not this module's; otherwise marks
     * the entry in `mft` as attached and returns true, or ends the tender.
     */
    bool (*handle_cmdarg)(const char *arg, struct mft *mft);
    /*
     * Called once the virtual CPU exists. Opens all that the module will ever
     * need, registers hypercalls and exit hooks; ends the tender if it cannot.
     */
    void (*setup)(struct hvt *hvt, struct mft *mft);
    /* One line for each option, for --help. */
    const char *usage;
    /* Says how to attach the device `name`, which the operator forgot. */
    void (*say_how_to_attach)(const char *name);
};

/* Puts a pointer to the module where the tender finds it: in a section that the
 * linker gathers from all object files. */
#define DECLARE_MODULE(ident) \
    static const struct hvt_module ident; \
    static const struct hvt_module *const ident##_entry \
            __attribute__((section("hvt_modules"), used)) = &ident; \
    static const struct hvt_module ident

#endif
