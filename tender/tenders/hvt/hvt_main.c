/* SPDX-License-Identifier: ISC */
/* hvt_main.c: the life of a guest. */
#include <sys/prctl.h>

#include "hvt_internal.h"

/* By default Linux ends a sleep up to 50 us late, to save power. */
static void sleep_precisely(void)
{
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

int main(int argc, char **argv)
{
    static char cmdline[HVT_CMDLINE_SIZE];
    struct hvt_options options;
    struct hvt_elf elf;
    struct hvt hvt;
    struct mft *mft;
    hvt_gpa_t kernel_end;

    (void)argc;
    hvt_options_parse(&options, argv);
    hvt_options_cmdline(&options, cmdline);
    hvt_elf_open(&elf, options.kernel);
    mft = hvt_elf_manifest(&elf);
    hvt_options_attach(&options, mft);
    hvt_mft_require_attached(mft);

    hvt_signals_init();
    sleep_precisely();
    hvt_vm_init(&hvt, options.mem_size);
    kernel_end = hvt_elf_load(&elf, &hvt.mem);
    hvt_vcpu_init(&hvt, elf.ehdr.e_entry);
    hvt_core_init();
    hvt_modules_setup(&hvt, mft);
    hvt_boot_info_write(&hvt, kernel_end, mft, cmdline);
    hvt_vcpu_loop(&hvt);
}
