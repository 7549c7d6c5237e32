/* SPDX-License-Identifier: ISC */
/* hvt_sandbox.c: what the tender may still do once the guest runs. */
#include <sys/syscall.h>

#include "hvt_internal.h"

#define RULES_MAX 512 /* 63 devices, a few system calls each */

struct rule {
    int syscall_nr;
    int fd;
    unsigned long request; /* of an ioctl */
};

static struct rule rules[RULES_MAX];
static size_t rule_count;

static void add_rule(int syscall_nr, int fd, unsigned long request)
{
    if (rule_count == RULES_MAX)
        hvt_fail("more than %d rules of the sandbox", RULES_MAX);
    rules[rule_count++] = (struct rule){ syscall_nr, fd, request };
}

void hvt_sandbox_allow(int syscall_nr, int fd)
{
    add_rule(syscall_nr, fd, 0);
}

void hvt_sandbox_allow_ioctl(int fd, unsigned long request)
{
    add_rule(SYS_ioctl, fd, request);
}
