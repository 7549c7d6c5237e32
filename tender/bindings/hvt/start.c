/* SPDX-License-Identifier: ISC */

#include "bindings.h"
#include "hvt_abi.h"

#define MIN_HEAP_SIZE (512 * 1024) /* bytes, stack included */

extern char _end[]; /* of the image, from the linker script */

void start(const struct hvt_boot_info *boot) __attribute__((noreturn));

static struct solo5_start_info start_info(const char *cmdline, uint64_t mem_size)
{
    uint64_t heap_start = ((uintptr_t)_end + HVT_GUEST_PAGE - 1) & -HVT_GUEST_PAGE;

    if (heap_start + MIN_HEAP_SIZE > mem_size)
        fatal(NULL, "Not enough memory: %lu KiB, image and heap need %lu",
                mem_size >> 10, (heap_start + MIN_HEAP_SIZE) >> 10);
    return (struct solo5_start_info){
        .cmdline = cmdline,
        .heap_start = heap_start,
        .heap_size = mem_size - heap_start,
    };
}

static void log_banner(const struct hvt_boot_info *boot,
        const struct solo5_start_info *info)
{
    log_line(LOG_INFO,
            "memory %lu MiB, heap 0x%lx to 0x%lx, counter %lu Hz, %u devices",
            boot->mem_size >> 20, info->heap_start,
            info->heap_start + info->heap_size, boot->cpu_cycle_freq,
            boot->mft->entries - 1);
}

void start(const struct hvt_boot_info *boot)
{
    cpu_set_tls_base(0); /* an access without TLS hits the unmapped page 0 */
    cpu_init();
    const char *cmdline = log_options(boot->cmdline);
    struct solo5_start_info info = start_info(cmdline, boot->mem_size);

    log_banner(boot, &info);
    clock_init(boot->cpu_cycle_freq);
    mft_init(boot->mft);
    solo5_exit(solo5_app_main(&info));
}
