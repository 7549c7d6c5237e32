/* SPDX-License-Identifier: ISC */
/*
 * hvt_led_record.c: which tender holds which line.
 *
 * sysfs does not know who exported a line, so a file in HVT_LED_RECORDS says it:
 * the tender's process, the inode of the line's folder (a later export has
 * another), the command. Whoever holds the line holds a lock on the file; a
 * file without a lock was left by tender and guard that were killed together.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hvt_led.h"

#ifndef HVT_LED_RECORDS /* the unit tests have their own */
#define HVT_LED_RECORDS "/run/solo5-hvt"
#endif

/* A tender that was just killed needs some time to give its line back. */
#define LOCK_TRIES   30
#define LOCK_STEP_NS 10000000

static int folder_fd = -1;
static char command[128]; /* of this tender */

static void read_command(void)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, command, sizeof(command) - 1) : 0;

    close(fd);
    for (ssize_t i = 0; i < length - 1; i++)
        if (command[i] == '\0' || command[i] == '\n')
            command[i] = ' ';
}

int led_record_open(void)
{
    if (mkdir(HVT_LED_RECORDS, 0755) == 0 || errno == EEXIST)
        folder_fd = open(HVT_LED_RECORDS,
                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder_fd < 0)
        hvt_say("Cannot keep records in " HVT_LED_RECORDS ": %s; a line that a "
                "killed tender left exported will not be recognised",
                strerror(errno));
    read_command();
    return folder_fd;
}

static bool lock_patiently(int fd)
{
    struct timespec step = { .tv_nsec = LOCK_STEP_NS };

    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (i == LOCK_TRIES)
            return false;
        nanosleep(&step, NULL);
    }
    return true;
}

static bool read_holder(int fd, struct led_holder *holder)
{
    char text[256];
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

    *holder = (struct led_holder){ .pid = 0 };
    text[size > 0 ? size : 0] = '\0';
    return sscanf(text, "%ld %llu %127[^\n]", &holder->pid, &holder->inode,
            holder->command) >= 2;
}

enum led_record led_record_lock(const char *key, int *fd,
        struct led_holder *holder)
{
    bool is_locked;

    if (folder_fd < 0)
        return LED_RECORD_NONE;
    do { /* it may be removed by its holder while it is waited for */
        *fd = openat(folder_fd, key, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                0644);
        if (*fd < 0)
            return LED_RECORD_NONE;
        is_locked = lock_patiently(*fd);
    } while (is_locked && !led_record_is_still(folder_fd, *fd, key) && close(*fd) == 0);
    if (is_locked)
        return read_holder(*fd, holder) ? LED_RECORD_STALE : LED_RECORD_NEW;
    read_holder(*fd, holder);
    close(*fd);
    *fd = -1;
    return LED_RECORD_HELD;
}

void led_record_write(int fd, unsigned long long inode)
{
    if (fd < 0 || ftruncate(fd, 0) != 0)
        return;
    lseek(fd, 0, SEEK_SET);
    dprintf(fd, "%ld %llu %s\n", (long)getpid(), inode, command);
}

void led_record_allow_all(void)
{
    if (folder_fd < 0)
        return;
    hvt_sandbox_allow(SYS_newfstatat, folder_fd);
    hvt_sandbox_allow(SYS_unlinkat, folder_fd);
}

/* The lock lasts as long as its file is open, so the sandbox must not close it. */
void led_record_allow(int fd)
{
    if (fd < 0)
        return;
    hvt_sandbox_allow(SYS_fstat, fd); /* fstat() is the one or the other */
    hvt_sandbox_allow(SYS_newfstatat, fd);
}
