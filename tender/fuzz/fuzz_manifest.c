/* SPDX-License-Identifier: ISC */
/* The input is a manifest as an image's note holds it, and its devices' names. */
#include <string.h>
#include <stdlib.h>

#include "host.h"
#include "hvt_internal.h"

#define MEM_SIZE HVT_GUEST_MIN_BASE /* where all that the guest is told must fit */

static struct hvt hvt = { .mem = { .size = MEM_SIZE, .host_page = HVT_GUEST_PAGE } };
static struct mft *mft;
static size_t mft_size;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    hvt.mem.base = calloc(1, MEM_SIZE);
    hvt.mem.denied = calloc(1, MEM_SIZE / HVT_GUEST_PAGE);
    host_ready();
    return 0;
}

static void require_boot_info(void)
{
    const struct hvt_boot_info *info = hvt_mem_build(&hvt.mem, HVT_BOOT_INFO_BASE);
    const struct mft *copy = hvt_mem_build(&hvt.mem, info->mft);

    HOST_REQUIRE(copy->entries == mft->entries);
    for (uint32_t i = 0; i < copy->entries; i++)
        HOST_REQUIRE(copy->e[i].backing == 0);
    HOST_REQUIRE(strcmp(hvt_mem_build(&hvt.mem, info->cmdline), "x y") == 0);
}

static void use(void)
{
    if (hvt_mft_defect(mft, mft_size) != NULL)
        return;
    HOST_REQUIRE(mft_size == MFT_SIZE(mft->entries));
    hvt_mft_clear(mft);
    for (uint32_t i = 1; i < mft->entries; i++)
        HOST_REQUIRE(hvt_mft_find(mft, mft->e[i].name, mft->e[i].type) != NULL);
    hvt_boot_info_write(&hvt, 0, mft, "x y");
    require_boot_info();
    hvt_mft_require_attached(mft);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mft_size = size;
    mft = malloc(size); /* exactly: the sanitizer sees a read behind the end */
    memcpy(mft, data, size);
    host_try(NULL, 0, use);
    free(mft);
    return 0;
}
