/* SPDX-License-Identifier: ISC */
/* hvt_boot_info.c: what the guest is told at its start. */
#include <string.h>

#include "hvt_internal.h"

/* The guest finds the parts by pointers; the order is Solo5's. */
static hvt_gpa_t write_part(struct hvt *hvt, hvt_gpa_t *next, const void *part,
        size_t size)
{
    hvt_gpa_t gpa = *next;

    memcpy(hvt_mem_build(&hvt->mem, gpa), part, size);
    *next += size;
    return gpa;
}

/* What backs a device is none of the guest's business. */
static void hide_backing(struct mft *copy)
{
    for (uint32_t i = 0; i < copy->entries; i++)
        copy->e[i].backing = 0;
}

void hvt_boot_info_write(struct hvt *hvt, hvt_gpa_t kernel_end,
        const struct mft *mft, const char *cmdline)
{
    struct hvt_boot_info info = {
        .mem_size = hvt->mem.size,
        .kernel_end = kernel_end,
        .cpu_cycle_freq = hvt->cpu_cycle_freq,
    };
    hvt_gpa_t next = HVT_BOOT_INFO_BASE + sizeof(info);

    info.mft = write_part(hvt, &next, mft, MFT_SIZE(mft->entries));
    hide_backing(hvt_mem_build(&hvt->mem, info.mft));
    info.cmdline = write_part(hvt, &next, cmdline, strlen(cmdline) + 1);
    next = HVT_BOOT_INFO_BASE;
    write_part(hvt, &next, &info, sizeof(info));
}
