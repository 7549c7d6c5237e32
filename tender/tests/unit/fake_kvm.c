/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "fake_gpiochip.h"
#include "fake_kvm.h"

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

struct fake_kvm_defect fake_kvm_defect;

/* The kernel sees a chip's requests first, and with it the sandbox's filter. */
static int ask_chip(int fd, unsigned long request, void *arg)
{
    __real_ioctl(fd, request, arg);
    return fake_gpiochip_ioctl(fd, request, arg);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (_IOC_TYPE(request) == FAKE_GPIOCHIP_IOCTL)
        return ask_chip(fd, request, arg);
    if (request != fake_kvm_defect.request || fake_kvm_defect.times == 0)
        return __real_ioctl(fd, request, arg);
    fake_kvm_defect.times--;
    errno = fake_kvm_defect.error;
    return errno != 0 ? -1 : fake_kvm_defect.result;
}
