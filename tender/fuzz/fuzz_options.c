/* SPDX-License-Identifier: ISC */
/*
 * The input is a command line, its words separated by NULs, for an image that
 * declares devices of each type. The first word, a program's name, is nothing to
 * the tender; its bytes decide what the host answers.
 */
#include <string.h>
#include <stdlib.h>

#include "host.h"
#include "hvt_internal.h"

#define WORDS_MAX 64
#define MIB2 (UINT64_C(2) << 20)

static _Alignas(struct mft) uint8_t space[MFT_SIZE(MFT_MAX_ENTRIES)];
static struct mft *const declared = (struct mft *)space;

static char *words;       /* NUL-terminated, each */
static size_t words_size; /* of them all */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void declare(const char *name, uint32_t type)
{
    struct mft_entry *entry = &declared->e[declared->entries++];

    strcpy(entry->name, name);
    entry->type = type;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    declared->version = MFT_VERSION;
    declare("", MFT_RESERVED_FIRST);
    declare("led0", MFT_DEV_LED_BASIC);
    declare("led1", MFT_DEV_LED_BASIC);
    declare("disk0", MFT_DEV_BLOCK_BASIC);
    declare("net0", MFT_DEV_NET_BASIC);
    host_ready();
    return 0;
}

static int split(char *argv[WORDS_MAX + 1])
{
    int argc = 0;

    for (char *word = words; word < words + words_size && argc < WORDS_MAX;
            word += strlen(word) + 1)
        argv[argc++] = word;
    argv[argc] = NULL;
    return argc;
}

static void parse(void)
{
    static char cmdline[HVT_CMDLINE_SIZE];
    char *argv[WORDS_MAX + 1];
    struct hvt_options options;

    hvt_options_parse(&options, split(argv), argv);
    HOST_REQUIRE(options.mem_size >= MIB2 && options.mem_size % MIB2 == 0 &&
            options.mem_size <= HVT_GUEST_MAX_MEM);
    hvt_options_cmdline(&options, cmdline);
    HOST_REQUIRE(memchr(cmdline, '\0', sizeof(cmdline)) != NULL);
    hvt_options_attach(&options, declared);
    hvt_mft_require_attached(declared);
}

static void reset_manifest(void)
{
    for (uint32_t i = 0; i < declared->entries; i++)
        declared->e[i].attached = false;
    hvt_mft_clear(declared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    words_size = size + 1;
    words = calloc(1, words_size);
    memcpy(words, data, size);
    reset_manifest();
    host_try(data, size, parse);
    free(words);
    return 0;
}
