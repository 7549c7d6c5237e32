/* SPDX-License-Identifier: ISC */
/* hvt_options.c: the command line. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hvt_internal.h"
#include "solo5/elf_abi.h"

#define MIB (UINT64_C(1) << 20)
#define MEM_DEFAULT_MIB 512
#define MEM_MAX_MIB (HVT_GUEST_MAX_MEM / MIB)
#define MEM_STEP_MIB 2 /* what one entry of the guest's page tables maps */

#ifndef HVT_VERSION
#error "the makefile defines HVT_VERSION"
#endif

static const char usage[] =
    "Usage: solo5-hvt [OPTIONS] [--] KERNEL [ARGUMENTS]\n"
    "KERNEL is the unikernel to run, ARGUMENTS are passed to it.\n"
    "Options and their values are one word:\n"
    "  --mem=MIB           guest memory, 2 to 4096 MiB (default 512)\n"
    "  --help              print this text\n"
    "  --version           print the versions of the tender and of its ABI\n";

static void print_usage(void)
{
    const struct hvt_module *module;

    dprintf(STDERR_FILENO, "%s", usage);
    for (size_t i = 0; (module = hvt_module_at(i)) != NULL; i++)
        dprintf(STDERR_FILENO, "  %s\n", module->usage);
}

static _Noreturn void refuse(const char *what, const char *arg)
{
    hvt_say("%s%s", what, arg);
    print_usage();
    hvt_exit(1);
}

static uint64_t round_mem(uint64_t mib)
{
    uint64_t rounded = mib < MEM_STEP_MIB ? MEM_STEP_MIB : mib - mib % MEM_STEP_MIB;

    if (rounded != mib)
        hvt_say("--mem=%llu: not a multiple of %d MiB; using %llu MiB",
                (unsigned long long)mib, MEM_STEP_MIB,
                (unsigned long long)rounded);
    return rounded;
}

/*
 * One MiB too much is forgiven: it is rounded down like any odd number. What
 * follows the digits is ignored, as scripts for Solo5 may rely on.
 */
static uint64_t parse_mem(const char *value)
{
    char *end;
    unsigned long long mib = strtoull(value, &end, 10);

    if (!isdigit((unsigned char)value[0]) || mib == 0)
        hvt_fail("--mem=%s: must be a number of MiB, 2 to 4096", value);
    if (mib > MEM_MAX_MIB + MEM_STEP_MIB - 1)
        hvt_fail("--mem=%s: too much; a guest can have 4096 MiB", value);
    if (*end != '\0')
        hvt_say("--mem=%s: '%s' ignored; the number is in MiB", value, end);
    return round_mem(mib) * MIB;
}

static const char *value_of(const char *arg, const char *option)
{
    size_t length = strlen(option);

    return strncmp(arg, option, length) == 0 ? arg + length : NULL;
}

static _Noreturn void print_version(void)
{
    dprintf(STDERR_FILENO, "solo5-hvt %s\nABI version %d\n", HVT_VERSION,
            ELF_ABI_HVT_VERSION);
    hvt_exit(0);
}

/* Status 1, as Solo5 has it: a script that gets this text did not want it. */
static _Noreturn void print_help(void)
{
    print_usage();
    hvt_exit(1);
}

/* Returns false if the option must be a module's. */
static bool parse_option(struct hvt_options *options, const char *arg)
{
    const char *value = value_of(arg, "--mem=");

    if (value != NULL)
        options->mem_size = parse_mem(value);
    else if (strcmp(arg, "--version") == 0)
        print_version();
    else if (strcmp(arg, "--help") == 0)
        print_help();
    else
        return false;
    return true;
}

/* Options end at the first word without a dash, or at "--". */
static bool is_option(const char *arg)
{
    return arg != NULL && arg[0] == '-' && strcmp(arg, "--") != 0;
}

void hvt_options_parse(struct hvt_options *options, int argc, char **argv)
{
    char **arg = argc > 0 ? argv + 1 : argv;

    *options = (struct hvt_options){ .mem_size = MEM_DEFAULT_MIB * MIB,
        .module_args = argv };
    for (; is_option(*arg); arg++)
        if (!parse_option(options, *arg)) /* keep it for the modules */
            options->module_args[options->module_arg_count++] = *arg;
    if (*arg != NULL && strcmp(*arg, "--") == 0)
        arg++;
    if (*arg == NULL)
        refuse("No KERNEL given", "");
    options->kernel = *arg;
    options->guest_args = arg + 1;
}

static struct mft_entry *find_device(struct mft *mft, uint32_t type,
        const char *name, size_t length)
{
    char copy[MFT_NAME_SIZE] = "";

    if (length == 0 || length > MFT_NAME_MAX)
        return NULL;
    memcpy(copy, name, length);
    return hvt_mft_find(mft, copy, type);
}

struct mft_entry *hvt_option_device(const char *arg, const char *prefix,
        struct mft *mft, uint32_t type, const char **value)
{
    const char *name = value_of(arg, prefix);
    struct mft_entry *entry;
    size_t length;

    if (name == NULL)
        return NULL;
    length = strcspn(name, "=");
    if (name[length] != '=')
        hvt_fail("%s: must be %sNAME=VALUE, in one word", arg, prefix);
    entry = find_device(mft, type, name, length);
    if (entry == NULL)
        hvt_fail("%s: Resource not declared in manifest: no %s '%.*s'", arg,
                hvt_module_for(type)->type_name, (int)length, name);
    *value = name + length + 1;
    return entry;
}

bool hvt_parse_number(const char *text, uint64_t max, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0 &&
            *number <= max;
}

void hvt_options_attach(const struct hvt_options *options, struct mft *mft)
{
    for (int i = 0; i < options->module_arg_count; i++)
        if (!hvt_modules_handle_cmdarg(options->module_args[i], mft))
            refuse("Invalid option: ", options->module_args[i]);
}

void hvt_options_cmdline(const struct hvt_options *options,
        char cmdline[HVT_CMDLINE_SIZE])
{
    size_t used = 0;

    for (char **arg = options->guest_args; *arg != NULL; arg++) {
        size_t length = strlen(*arg);
        size_t space = used > 0;

        if (length + space >= HVT_CMDLINE_SIZE - used)
            hvt_fail("The guest's arguments are longer than %d characters",
                    HVT_CMDLINE_SIZE - 1);
        memset(cmdline + used, ' ', space);
        memcpy(cmdline + used + space, *arg, length);
        used += space + length;
    }
    cmdline[used] = '\0';
}
