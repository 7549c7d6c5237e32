/* SPDX-License-Identifier: ISC */
/*
 * hvt_internal.h: what the parts of the tender share among themselves. Modules
 * do not include it.
 */
#ifndef HVT_INTERNAL_H
#define HVT_INTERNAL_H

#include <elf.h>
#include <linux/kvm.h>

#include "hvt.h"

/* ---- Guest memory (hvt_mem.c) -------------------------------------------- */

enum hvt_access {
    HVT_ACCESS_NONE = 0,
    HVT_ACCESS_READ = 1,
    HVT_ACCESS_WRITE = 2,
    HVT_ACCESS_READ_WRITE = 3,
};

struct hvt_mem {
    uint8_t *base;    /* where GPA 0 is mapped in the tender */
    uint64_t size;    /* bytes */
    uint8_t *denied;  /* for each guest page, the enum hvt_access it forbids */
    size_t host_page; /* bytes */
};

/* Maps `size` bytes, all zero; a loaded image may rely on that. */
void hvt_mem_init(struct hvt_mem *mem, uint64_t size);

/*
 * Allows only `allowed` in [start, end), which is aligned to guest pages: to the
 * tender exactly, to the guest as far as whole host pages reach.
 */
void hvt_mem_protect(struct hvt_mem *mem, hvt_gpa_t start, hvt_gpa_t end,
        enum hvt_access allowed);

/* Ends the tender unless `size` bytes at `gpa` allow `access`. */
void hvt_mem_check(const struct hvt_mem *mem, hvt_gpa_t gpa, uint64_t size,
        enum hvt_access access);

/* Where `gpa` is, unchecked: for building the guest before it runs. */
void *hvt_mem_build(const struct hvt_mem *mem, hvt_gpa_t gpa);

/* ---- The image (hvt_elf.c, hvt_mft.c) ------------------------------------ */

struct hvt_elf {
    const char *path;
    int fd;
    Elf64_Ehdr ehdr;
    Elf64_Phdr *phdr;
};

/* Opens the image and checks its ELF header and its ABI note. */
void hvt_elf_open(struct hvt_elf *elf, const char *path);

/* The image's manifest, checked, with no device attached. */
struct mft *hvt_elf_manifest(const struct hvt_elf *elf);

/* Loads the segments. Returns the end of the highest one. */
hvt_gpa_t hvt_elf_load(const struct hvt_elf *elf, struct hvt_mem *mem);

/* What is wrong with a manifest of `size` bytes, or NULL. */
const char *hvt_mft_defect(const struct mft *mft, size_t size);

/* Clears what only the tender may fill in. */
void hvt_mft_clear(struct mft *mft);

/* Ends the tender if a device is not attached. */
void hvt_mft_require_attached(const struct mft *mft);

/* ---- Options (hvt_options.c) --------------------------------------------- */

struct hvt_options {
    uint64_t mem_size;  /* bytes */
    const char *kernel; /* path of the image */
    char **module_args; /* options, `module_arg_count` of them */
    int module_arg_count;
    char **guest_args;  /* arguments of the guest, NULL at the end */
};

/* Reads the command line. Ends the tender on --help, --version, and errors. */
void hvt_options_parse(struct hvt_options *options, int argc, char **argv);

/* Offers the modules' options to the modules. */
void hvt_options_attach(const struct hvt_options *options, struct mft *mft);

/* Joins the guest's arguments with single spaces. */
void hvt_options_cmdline(const struct hvt_options *options,
        char cmdline[HVT_CMDLINE_SIZE]);

/* ---- Modules (hvt_module.c) ---------------------------------------------- */

bool hvt_modules_handle_cmdarg(const char *arg, struct mft *mft);
void hvt_modules_setup(struct hvt *hvt, struct mft *mft);
const struct hvt_module *hvt_module_for(uint32_t type);
const struct hvt_module *hvt_module_at(size_t index); /* NULL after the last */

/* ---- The guest ----------------------------------------------------------- */

struct hvt {
    struct hvt_mem mem;
    uint64_t cpu_cycle_freq; /* Hz */
    int kvm_fd;
    int vm_fd;
    int vcpu_fd;
    struct kvm_run *run; /* shared with the kernel */
};

#define HVT_BOOT_INFO_BASE UINT64_C(0x10000)

/* Writes boot info, the manifest's copy and the command line. */
void hvt_boot_info_write(struct hvt *hvt, hvt_gpa_t kernel_end,
        const struct mft *mft, const char *cmdline);

/* Registers the hypercalls that every guest may use. */
void hvt_core_init(void);

/* Carries out hypercall `nr` with the argument struct at `gpa`. */
void hvt_core_dispatch(struct hvt *hvt, uint64_t nr, hvt_gpa_t gpa);

/* Ends the tender on signals from now on, with the exit hooks run. */
void hvt_signals_init(void);

/*
 * Gives up, for good, all that nobody declared: descriptors, capabilities and
 * system calls. The last step before the guest runs.
 */
void hvt_sandbox_enter(void);

/* ---- KVM (hvt_kvm.c) ----------------------------------------------------- */

void hvt_vm_init(struct hvt *hvt, uint64_t mem_size);
_Noreturn void hvt_vcpu_loop(struct hvt *hvt);

/* An ioctl that must succeed; `what` names it in the message. */
int hvt_ioctl(int fd, unsigned long request, const void *arg, const char *what);

/* What differs between architectures (hvt_kvm_x86_64.c, hvt_kvm_aarch64.c). */

#if defined(__x86_64__)
#define HVT_ELF_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define HVT_ELF_MACHINE EM_AARCH64
#else
#error "the tender knows x86_64 and aarch64 only"
#endif

/* Puts the virtual CPU into the state a guest starts in. */
void hvt_vcpu_init(struct hvt *hvt, hvt_gpa_t entry);

/* The guest's program counter, for messages. */
uint64_t hvt_vcpu_pc(struct hvt *hvt);

/*
 * If the exit is a store to the hypercall window, sets its number and argument
 * and returns true. Ends the tender if the store is malformed.
 */
bool hvt_vcpu_hypercall(struct hvt *hvt, uint64_t *nr, hvt_gpa_t *gpa);

#endif
