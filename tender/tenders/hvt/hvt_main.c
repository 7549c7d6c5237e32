/* SPDX-License-Identifier: ISC */
/* hvt_main.c: the life of a guest. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hvt_internal.h"

/*
 * Were stdout closed, the next file opened would become it, and the guest's
 * console would be written to a device. Read-only, so that writing still fails.
 */
static void keep_standard_files(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        hvt_fail("Cannot open /dev/null: %s", strerror(errno));
    close(fd);
}

int main(int argc, char **argv)
{
    static char cmdline[HVT_CMDLINE_SIZE];
    struct hvt_options options;
    struct hvt_elf elf;
    struct hvt hvt;
    struct mft *mft;
    hvt_gpa_t kernel_end;

    keep_standard_files();
    hvt_options_parse(&options, argc, argv);
    hvt_options_cmdline(&options, cmdline);
    hvt_elf_open(&elf, options.kernel);
    mft = hvt_elf_manifest(&elf);
    hvt_options_attach(&options, mft);
    hvt_mft_require_attached(mft);

    hvt_signals_init();
    hvt_vm_init(&hvt, options.mem_size);
    kernel_end = hvt_elf_load(&elf, &hvt.mem);
    hvt_vcpu_init(&hvt, elf.ehdr.e_entry);
    hvt_core_init();
    hvt_modules_setup(&hvt, mft);
    hvt_boot_info_write(&hvt, kernel_end, mft, cmdline);
    hvt_sandbox_enter();
    hvt_vcpu_loop(&hvt);
}
