/* SPDX-License-Identifier: ISC */
/* The input is an image. It is refused, or it is loaded within its bounds. */
#include <string.h>
#include <stdlib.h>

#include "host.h"
#include "hvt_internal.h"

#define MEM_SIZE UINT64_C(0x200000)
#define PAGES (MEM_SIZE / HVT_GUEST_PAGE)
#define FIRST_PAGE (HVT_GUEST_MIN_BASE / HVT_GUEST_PAGE)

static struct hvt_mem mem = { .size = MEM_SIZE, .host_page = HVT_GUEST_PAGE };
static hvt_gpa_t kernel_end;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of their own, so that the sanitizer knows where each ends. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    mem.base = calloc(1, MEM_SIZE);
    mem.denied = calloc(1, PAGES);
    host_ready();
    return 0;
}

static void load(void)
{
    struct hvt_elf elf;
    struct mft *mft;

    hvt_elf_open(&elf, "image");
    mft = hvt_elf_manifest(&elf);
    HOST_REQUIRE(hvt_mft_defect(mft, MFT_SIZE(mft->entries)) == NULL);
    kernel_end = hvt_elf_load(&elf, &mem);
    hvt_mft_require_attached(mft);
}

/* What lies below images stays as it is, whatever an image says. */
static void require_low_memory_untouched(void)
{
    static const uint8_t zeros[HVT_GUEST_MIN_BASE];

    HOST_REQUIRE(memcmp(mem.base, zeros, sizeof(zeros)) == 0);
    for (size_t page = 0; page < FIRST_PAGE; page++)
        HOST_REQUIRE(mem.denied[page] == HVT_ACCESS_WRITE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(mem.denied, HVT_ACCESS_WRITE, FIRST_PAGE);
    memset(mem.denied + FIRST_PAGE, 0, PAGES - FIRST_PAGE);
    kernel_end = 0;
    host_set_file(data, size);
    host_try(NULL, 0, load);
    HOST_REQUIRE(kernel_end <= MEM_SIZE);
    if (size % 64 == 0) /* looking at so much each time would take most of the time */
        require_low_memory_untouched();
    return 0;
}
