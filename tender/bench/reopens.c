/* SPDX-License-Identifier: ISC */
/*
 * reopens.c: linked into a tender, makes it switch LEDs as the paper's did: open
 * the line's file, write, close, at each call.
 *
 * The linker sends the tender's pwrite() through here (--wrap). The first call on
 * a descriptor looks up its path.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hvt_internal.h"

#define FDS_MAX 64
#define ANY_FD  (-1)

static char paths[FDS_MAX][PATH_MAX];

void __real_hvt_modules_setup(struct hvt *hvt, struct mft *mft);
void __wrap_hvt_modules_setup(struct hvt *hvt, struct mft *mft)
{
    __real_hvt_modules_setup(hvt, mft);
    hvt_sandbox_allow(SYS_readlinkat, ANY_FD);
    hvt_sandbox_allow(SYS_openat, ANY_FD);
    hvt_sandbox_allow(SYS_write, ANY_FD);
    hvt_sandbox_allow(SYS_close, ANY_FD);
}

static const char *path_of(int fd)
{
    char link[32];

    if (paths[fd][0] == '\0') {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (readlinkat(AT_FDCWD, link, paths[fd], PATH_MAX - 1) < 0)
            hvt_fail("%s cannot be read", link);
    }
    return paths[fd];
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    int again = fd < FDS_MAX ? open(path_of(fd), O_WRONLY | O_CLOEXEC) : -1;
    ssize_t written;

    (void)offset; /* always 0 */
    if (again < 0)
        return -1;
    written = write(again, data, size);
    close(again);
    return written;
}
