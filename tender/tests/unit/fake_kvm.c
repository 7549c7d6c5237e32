/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>

#include "fake_kvm.h"

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

struct fake_kvm_defect fake_kvm_defect;

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (request != fake_kvm_defect.request || fake_kvm_defect.times == 0)
        return __real_ioctl(fd, request, arg);
    fake_kvm_defect.times--;
    errno = fake_kvm_defect.error;
    return errno != 0 ? -1 : fake_kvm_defect.result;
}
