/* SPDX-License-Identifier: ISC */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "hvt_led.h"

#define FAKE_FD 100
#define BLOCKS_MAX 64

static bool is_trying; /* an input; otherwise the target sets up */

void host_broken(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    abort();
}

/* ---- The input ----------------------------------------------------------- */

static const uint8_t *next;
static size_t left;

size_t host_bytes_left(void)
{
    return left;
}

void host_next_bytes(void *to, size_t size)
{
    size_t there = size < left ? size : left;

    memset(to, 0, size);
    if (there == 0)
        return; /* there may be no input at all */
    memcpy(to, next, there);
    next += there;
    left -= there;
}

uint8_t host_next_byte(void)
{
    uint8_t byte;

    host_next_bytes(&byte, 1);
    return byte;
}

/* ---- The tender's variables ---------------------------------------------- */

/* The linker's names for the sections that fuzz.mk gives them. */
extern uint64_t __start_tender_data[], __stop_tender_data[];
extern uint64_t __start_tender_bss[], __stop_tender_bss[];

static uint64_t *kept_data, *kept_bss;

/* Not by memcpy(): the sanitizer forbids to copy what lies between variables. */
__attribute__((no_sanitize("address", "undefined"), no_builtin("memcpy")))
static void copy_words(uint64_t *restrict to, const uint64_t *restrict from,
        size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i];
}

static size_t words_between(const uint64_t *start, const uint64_t *stop)
{
    return (size_t)(stop - start);
}

static uint64_t *keep(const uint64_t *start, const uint64_t *stop)
{
    uint64_t *kept = calloc(words_between(start, stop) + 1, sizeof(*kept));

    copy_words(kept, start, words_between(start, stop));
    return kept;
}

void host_ready(void)
{
    kept_data = keep(__start_tender_data, __stop_tender_data);
    kept_bss = keep(__start_tender_bss, __stop_tender_bss);
}

static void restore_variables(void)
{
    copy_words(__start_tender_data, kept_data,
            words_between(__start_tender_data, __stop_tender_data));
    copy_words(__start_tender_bss, kept_bss,
            words_between(__start_tender_bss, __stop_tender_bss));
}

/* ---- Memory: freed when the tender ends, as the kernel does --------------- */

static void *blocks[BLOCKS_MAX];

void *host_calloc(size_t count, size_t size);
void *host_malloc(size_t size);
void host_free(void *block);

static void *add_block(void *block)
{
    for (size_t i = 0; is_trying && i < BLOCKS_MAX; i++) {
        if (blocks[i] == NULL) {
            blocks[i] = block;
            return block;
        }
    }
    return block;
}

void *host_calloc(size_t count, size_t size)
{
    return add_block(calloc(count, size));
}

void *host_malloc(size_t size)
{
    return add_block(malloc(size));
}

void host_free(void *block)
{
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        if (blocks[i] == block)
            blocks[i] = NULL;
    free(block);
}

static void free_blocks(void)
{
    for (size_t i = 0; i < BLOCKS_MAX; i++) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
}

/* ---- The end ------------------------------------------------------------- */

static jmp_buf end;
static int end_status;

_Noreturn void host_exit(int status);

void host_exit(int status)
{
    if (!is_trying)
        _exit(status);
    end_status = status;
    longjmp(end, 1);
}

int host_try(const uint8_t *input, size_t size, void (*code)(void))
{
    next = input;
    left = size;
    end_status = HOST_RETURNED;
    is_trying = true;
    if (setjmp(end) == 0)
        code();
    is_trying = false;
    free_blocks();
    restore_variables();
    return end_status;
}

/* ---- Transfers ----------------------------------------------------------- */

static const uint8_t *file_data;
static size_t file_size;

void host_set_file(const uint8_t *data, size_t size)
{
    file_data = data;
    file_size = size;
}

static const int errors[] = { EAGAIN, EINTR, EIO, EPIPE, ENODEV, ENOSPC, EPERM, EINVAL };

static int fail(void)
{
    errno = errors[host_next_byte() % (sizeof(errors) / sizeof(errors[0]))];
    return -1;
}

/* How a transfer of `size` bytes ends: whole, in part, with nothing, or not. */
static ssize_t transferred(size_t size)
{
    switch (host_next_byte()) {
    case 1:
        return fail();
    case 2:
        return 0;
    case 3:
        return (ssize_t)(size / 2);
    default:
        return (ssize_t)size;
    }
}

/* The sanitizer sees whether the tender may touch all that it hands over. */
static void look_at(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i += i + 64 < size ? 64 : 1)
        __asm__ volatile("" : : "r"(data[i]));
}

ssize_t host_write(int fd, const void *data, size_t size);
ssize_t host_write(int fd, const void *data, size_t size)
{
    if (!is_trying)
        return write(fd, data, size);
    look_at(data, size);
    return fd == STDERR_FILENO ? (ssize_t)size : transferred(size);
}

ssize_t host_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t host_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    if (!is_trying)
        return pwrite(fd, data, size, offset);
    look_at(data, size);
    return transferred(size);
}

ssize_t host_read(int fd, void *data, size_t size);
ssize_t host_read(int fd, void *data, size_t size)
{
    ssize_t n;

    if (!is_trying)
        return read(fd, data, size);
    n = transferred(size);
    if (n > 0)
        memset(data, host_next_byte(), (size_t)n);
    return n;
}

ssize_t host_pread(int fd, void *data, size_t size, off_t offset);
ssize_t host_pread(int fd, void *data, size_t size, off_t offset)
{
    size_t there;

    if (!is_trying)
        return pread(fd, data, size, offset);
    if (file_data == NULL)
        return host_read(fd, data, size);
    if (offset < 0) {
        errno = EINVAL;
        return -1;
    }
    if ((size_t)offset >= file_size)
        return 0;
    there = file_size - (size_t)offset;
    memcpy(data, file_data + offset, size < there ? size : there);
    return (ssize_t)(size < there ? size : there);
}

/* ---- LEDs ---------------------------------------------------------------- */

/* Takes the lines in this process: a guard would be one more to look after. */
void __wrap_led_guard_start(const struct led_backend *backend, struct led *leds,
        size_t count);
void __wrap_led_guard_start(const struct led_backend *backend, struct led *leds,
        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        backend->take(&leds[i]);
        backend->make_output(&leds[i]);
    }
}

int __wrap_led_guard_export(struct led *led);
int __wrap_led_guard_export(struct led *led)
{
    return led_write_text(led->hold.fds[LED_EXPORT], led_number(&led->hold)) ? 0 : EIO;
}

/* ---- The rest ------------------------------------------------------------ */

int host_open(const char *path, int flags, ...);
int host_open(const char *path, int flags, ...)
{
    if (!is_trying)
        return open(path, flags);
    return file_data == NULL && host_next_byte() == 1 ? fail() : FAKE_FD;
}

int host_close(int fd);
int host_close(int fd)
{
    return is_trying ? 0 : close(fd);
}

int host_fstat(int fd, struct stat *st);
int host_fstat(int fd, struct stat *st)
{
    if (!is_trying)
        return fstat(fd, st);
    memset(st, 0, sizeof(*st));
    st->st_mode = file_data == NULL && host_next_byte() == 1 ? S_IFCHR : S_IFREG;
    st->st_size = (off_t)file_size;
    return 0;
}

off_t host_lseek(int fd, off_t offset, int whence);
off_t host_lseek(int fd, off_t offset, int whence)
{
    if (!is_trying)
        return lseek(fd, offset, whence);
    host_next_bytes(&offset, sizeof(offset));
    return offset < 0 ? fail() : offset;
}

int host_ioctl(int fd, unsigned long request, void *arg);
int host_ioctl(int fd, unsigned long request, void *arg)
{
    if (!is_trying)
        return ioctl(fd, request, arg);
    if (host_next_byte() == 1)
        return fail();
    host_next_bytes(arg, arg != NULL ? _IOC_SIZE(request) : 0);
    return 0;
}

int host_fcntl(int fd, int command, ...);
int host_fcntl(int fd, int command, ...)
{
    va_list args;
    long arg;

    va_start(args, command);
    arg = va_arg(args, long);
    va_end(args);
    if (!is_trying)
        return fcntl(fd, command, arg);
    return host_next_byte() == 1 ? fail() : 0;
}

int host_socket(int family, int type, int protocol);
int host_socket(int family, int type, int protocol)
{
    if (!is_trying)
        return socket(family, type, protocol);
    return host_next_byte() == 1 ? fail() : FAKE_FD;
}

int host_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int host_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    if (!is_trying)
        return getsockopt(fd, level, name, value, size);
    host_next_bytes(value, *size);
    return host_next_byte() == 1 ? fail() : 0;
}

ssize_t host_getrandom(void *to, size_t size, unsigned flags);
ssize_t host_getrandom(void *to, size_t size, unsigned flags)
{
    if (!is_trying)
        return getrandom(to, size, flags);
    host_next_bytes(to, size);
    return (ssize_t)size;
}

int host_mprotect(void *memory, size_t size, int protection);
int host_mprotect(void *memory, size_t size, int protection)
{
    return is_trying ? 0 : mprotect(memory, size, protection);
}

int host_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int host_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return is_trying ? 0 : sigprocmask(how, set, old);
}

static int ready(struct pollfd *entries, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++)
        entries[i].revents = entries[i].events & (short)host_next_byte();
    return host_next_byte() == 1 ? fail() : (int)count;
}

int host_poll(struct pollfd *entries, nfds_t count, int timeout_ms);
int host_poll(struct pollfd *entries, nfds_t count, int timeout_ms)
{
    return is_trying ? ready(entries, count) : poll(entries, count, timeout_ms);
}

int host_ppoll(struct pollfd *entries, nfds_t count,
        const struct timespec *timeout, const sigset_t *signals);
int host_ppoll(struct pollfd *entries, nfds_t count,
        const struct timespec *timeout, const sigset_t *signals)
{
    return is_trying ? ready(entries, count)
                     : ppoll(entries, count, timeout, signals);
}

int host_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
        struct itimerspec *old_value);
int host_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
        struct itimerspec *old_value)
{
    if (!is_trying)
        return timerfd_settime(fd, flags, new_value, old_value);
    HOST_REQUIRE(new_value->it_value.tv_nsec >= 0 &&
            new_value->it_value.tv_nsec < 1000000000);
    return 0;
}

/* Only usage and version texts, which no input changes. */
int host_dprintf(int fd, const char *format, ...);
int host_dprintf(int fd, const char *format, ...)
{
    va_list args;
    int rc = 0;

    va_start(args, format);
    if (!is_trying)
        rc = vdprintf(fd, format, args);
    va_end(args);
    return rc;
}
