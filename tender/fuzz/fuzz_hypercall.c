/* SPDX-License-Identifier: ISC */
/*
 * The input is what a guest does: hypercalls with any number, any address and any
 * argument, and how the host's descriptors answer. Memory that the guest may not
 * have changed by the tender is really read-only here, so a stray write ends the
 * fuzzing; so does any access beyond it.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "hvt_internal.h"

#define MEM_SIZE  UINT64_C(0x200000)
#define READ_ONLY UINT64_C(0x100000) /* to READ_WRITE: code and constants */
#define UNREADABLE UINT64_C(0x110000)
#define READ_WRITE UINT64_C(0x120000)
#define GUARD     UINT64_C(0x10000)  /* bytes around guest memory */
#define DISK_SIZE 0x10000
#define ARG_WORDS 5

static struct hvt hvt = { .mem = { .size = MEM_SIZE, .host_page = HVT_GUEST_PAGE } };

static _Alignas(struct mft) uint8_t space[MFT_SIZE(MFT_MAX_ENTRIES)];
static struct mft *const declared = (struct mft *)space;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- The host's devices -------------------------------------------------- */

static void require(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static void make_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    require(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, path);
}

static void make_folder(const char *path)
{
    require(mkdir(path, 0700) == 0, path);
}

/* Enough of sysfs to take lines 25 and 26; the tender's own variables remember. */
static void make_gpio(void)
{
    make_folder("records");
    make_folder("gpio");
    make_folder("gpio/gpiochip512");
    make_file("gpio/gpiochip512/label", "pinctrl-bcm2835\n");
    make_file("gpio/gpiochip512/base", "512\n");
    make_file("gpio/gpiochip512/ngpio", "54\n");
    make_file("gpio/export", "");
    make_file("gpio/unexport", "");
    for (int line = 25; line <= 26; line++) {
        char path[64];

        snprintf(path, sizeof(path), "gpio/gpio%d", 512 + line);
        make_folder(path);
        snprintf(path, sizeof(path), "gpio/gpio%d/direction", 512 + line);
        make_file(path, "");
        snprintf(path, sizeof(path), "gpio/gpio%d/value", 512 + line);
        make_file(path, "");
    }
}

static void attach(const char *name, uint32_t type, const char *option)
{
    struct mft_entry *entry = &declared->e[declared->entries++];

    entry->type = type;
    strcpy(entry->name, name);
    require(hvt_modules_handle_cmdarg(option, declared), option);
}

static void attach_disk(void)
{
    make_file("disk", "");
    require(truncate("disk", DISK_SIZE) == 0, "disk");
    attach("disk0", MFT_DEV_BLOCK_BASIC, "--block:disk0=disk");
}

static void attach_net(void)
{
    char option[32];
    int ends[2];

    require(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0, "socketpair");
    snprintf(option, sizeof(option), "--net:net0=@%d", ends[0]);
    attach("net0", MFT_DEV_NET_BASIC, option);
}

static int remove_file(const char *path, const struct stat *st, int type,
        struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

/* The devices' files stay open; their folder does not stay. */
static void set_up_devices(void)
{
    char folder[] = "/tmp/solo5-hvt-fuzz-XXXXXX";

    require(mkdtemp(folder) != NULL && chdir(folder) == 0, folder);
    declared->entries = 1; /* the first is reserved */
    make_gpio();
    attach("led0", MFT_DEV_LED_BASIC, "--led:led0=25");
    attach("led1", MFT_DEV_LED_BASIC, "--led:led1=26");
    attach_disk();
    attach_net();
    hvt_modules_setup(&hvt, declared);
    require(chdir("/") == 0 && nftw(folder, remove_file, 16, FTW_DEPTH | FTW_PHYS) == 0,
            folder);
}

/* ---- The guest's memory --------------------------------------------------- */

static void protect(hvt_gpa_t from, hvt_gpa_t to, int protection)
{
    require(mprotect(hvt.mem.base + from, to - from, protection) == 0, "mprotect");
}

static void set_up_memory(void)
{
    uint8_t *map = mmap(NULL, MEM_SIZE + 2 * GUARD, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    require(map != MAP_FAILED, "mmap");
    hvt.mem.base = map + GUARD;
    hvt.mem.denied = calloc(1, MEM_SIZE / HVT_GUEST_PAGE);
    memset(hvt.mem.denied, HVT_ACCESS_WRITE, READ_ONLY / HVT_GUEST_PAGE);
    protect(0, READ_ONLY, PROT_READ);
    protect(READ_WRITE, MEM_SIZE, PROT_READ | PROT_WRITE);
    hvt_mem_protect(&hvt.mem, READ_ONLY, UNREADABLE, HVT_ACCESS_READ);
    hvt_mem_protect(&hvt.mem, UNREADABLE, READ_WRITE, HVT_ACCESS_NONE);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    set_up_memory();
    hvt_core_init();
    set_up_devices();
    host_ready();
    return 0;
}

/* ---- What the guest does -------------------------------------------------- */

static uint64_t next_u64(void)
{
    uint64_t value;

    host_next_bytes(&value, sizeof(value));
    return value;
}

static uint64_t next_u16(void)
{
    uint16_t value;

    host_next_bytes(&value, sizeof(value));
    return value;
}

/* Any number, but rather one that is near a limit. */
static uint64_t next_value(void)
{
    switch (host_next_byte()) {
    case 0:
        return host_next_byte();
    case 1:
        return READ_WRITE + next_u16();
    case 2:
        return MEM_SIZE - next_u16();
    case 3:
        return next_u16() * HVT_GUEST_PAGE;
    case 4:
        return 0 - (uint64_t)host_next_byte();
    case 5:
        return READ_ONLY + next_u16();
    default:
        return next_u64();
    }
}

/* Where the guest may write; elsewhere the argument is what happens to be there. */
static void write_argument(hvt_gpa_t gpa)
{
    uint64_t words[ARG_WORDS];

    for (size_t i = 0; i < ARG_WORDS; i++)
        words[i] = next_value();
    if (gpa >= READ_WRITE && gpa < MEM_SIZE - sizeof(words))
        memcpy(hvt.mem.base + gpa, words, sizeof(words));
}

static void run_guest(void)
{
    while (host_bytes_left() > 0) {
        uint8_t nr = host_next_byte();
        hvt_gpa_t gpa = next_value();

        write_argument(gpa);
        hvt_core_dispatch(&hvt, nr < 128 ? nr : next_value(), gpa);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    host_try(data, size, run_guest);
    madvise(hvt.mem.base + READ_WRITE, MEM_SIZE - READ_WRITE, MADV_DONTNEED);
    return 0;
}
