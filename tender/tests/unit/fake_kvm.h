/* SPDX-License-Identifier: ISC */
/*
 * fake_kvm.h: makes the kernel's KVM fail now and then.
 *
 * The program is linked with --wrap=ioctl: calls that are not meant to fail
 * reach the kernel.
 */
#ifndef FAKE_KVM_H
#define FAKE_KVM_H

#include <stdint.h>

struct fake_kvm_defect {
    unsigned long request; /* calls of this ioctl fail, */
    int times;             /* so many of them, */
    int error;             /* with this errno; 0: they return */
    int result;            /* this */
};

extern struct fake_kvm_defect fake_kvm_defect;

#endif
