/* SPDX-License-Identifier: ISC */
/*
 * guard/system.c: what the guard needs of a C library, and where it starts.
 *
 * With glibc it would be 200 pages, with this it is a few. The declarations are
 * those of the usual headers. Structures are the kernel's own on both machines.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hvt_led.h"

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %rsp\n call guard_main\n");

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall" : "=a"(result)
            : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
            : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: bl guard_main\n");

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a,
            x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d,
            x4 __asm__("x4") = e, x5 __asm__("x5") = f;

    __asm__ volatile("svc 0" : "+r"(x0)
            : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#endif

_Noreturn void guard_main(void);

void guard_main(void)
{
    call(SYS_prctl, PR_SET_NAME, (long)"led-guard", 0, 0, 0, 0); /* as ps has it */
    led_guard_run(HVT_HELPER_FD);
    for (;;)
        call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

/* ---- System calls -------------------------------------------------------- */

int *__errno_location(void)
{
    static int error;

    return &error;
}

static long result(long rc)
{
    if (rc >= 0)
        return rc;
    errno = (int)-rc;
    return -1;
}

ssize_t write(int fd, const void *data, size_t size)
{
    return result(call(SYS_write, fd, (long)data, (long)size, 0, 0, 0));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return result(call(SYS_pwrite64, fd, (long)data, (long)size, offset, 0, 0));
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return result(call(SYS_sendto, fd, (long)data, (long)size, flags, 0, 0));
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return result(call(SYS_recvmsg, fd, (long)message, flags, 0, 0, 0));
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    return (int)result(call(SYS_ioctl, fd, (long)request, (long)arg, 0, 0, 0));
}

int fstat(int fd, struct stat *st)
{
    return (int)result(call(SYS_fstat, fd, (long)st, 0, 0, 0, 0));
}

int fstatat(int folder_fd, const char *path, struct stat *st, int flags)
{
    return (int)result(call(SYS_newfstatat, folder_fd, (long)path, (long)st, flags,
            0, 0));
}

int unlinkat(int folder_fd, const char *path, int flags)
{
    return (int)result(call(SYS_unlinkat, folder_fd, (long)path, flags, 0, 0, 0));
}

/* ---- Memory and text; the compiler itself calls the first two -------------- */

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((char *)to)[i] = (char)byte;
    return to;
}

size_t strlen(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0')
        length++;
    return length;
}
