/* SPDX-License-Identifier: ISC */
/* Block devices, on files in an empty folder. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvt_internal.h"
#include "unit.h"

#define MEM_SIZE  UINT64_C(0x400000)
#define ARG       UINT64_C(0x200000)
#define BUFFER    UINT64_C(0x201000)
#define READ_ONLY UINT64_C(0x300000)
#define CAPACITY  4096

static struct hvt hvt;
static struct mft *mft;

/* disk (handle 1), other (2), and a LED (3). */
static void make_manifest(void)
{
    static const struct mft_entry entries[] = {
        { .type = MFT_RESERVED_FIRST },
        { .name = "disk", .type = MFT_DEV_BLOCK_BASIC },
        { .name = "other", .type = MFT_DEV_BLOCK_BASIC },
        { .name = "led0", .type = MFT_DEV_LED_BASIC },
    };

    mft = calloc(1, MFT_SIZE(4));
    mft->version = MFT_VERSION;
    mft->entries = 4;
    memcpy(mft->e, entries, sizeof(entries));
}

static void make_file(const char *path, off_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    EXPECT(fd >= 0 && ftruncate(fd, size) == 0);
    close(fd);
}

static void attach(const char *const options[])
{
    make_manifest();
    for (int i = 0; options[i] != NULL; i++)
        EXPECT(hvt_modules_handle_cmdarg(options[i], mft));
    hvt_signals_init();
    hvt_mem_init(&hvt.mem, MEM_SIZE);
    hvt_mem_protect(&hvt.mem, READ_ONLY, READ_ONLY + 0x1000, HVT_ACCESS_READ);
    hvt_modules_setup(&hvt, mft);
}

static int32_t transfer(unsigned nr, uint64_t handle, uint64_t offset,
        hvt_gpa_t data, uint64_t len)
{
    struct hvt_hc_block_read hc = { .handle = handle, .offset = offset,
        .data = data, .len = len, .ret = -1 };

    hvt_guest_write(&hvt, ARG, &hc, sizeof(hc));
    hvt_core_dispatch(&hvt, nr, ARG);
    hvt_guest_read(&hvt, ARG, &hc, sizeof(hc));
    EXPECT(hc.len == len);
    return hc.ret;
}

#define WRITE HVT_HYPERCALL_BLOCK_WRITE
#define READ  HVT_HYPERCALL_BLOCK_READ

static void attach_disk(void)
{
    make_file("disk.img", CAPACITY);
    attach((const char *[]){ "--block:disk=disk.img", NULL });
}

/* ---- Options ------------------------------------------------------------- */

struct row {
    const char *name;
    const char *options[3];
    off_t size;
    int status;
    const char *says;
};

static const struct row rows[] = {
    { "one block", { "--block:disk=f" }, 512, UNIT_RETURNED, "" },
    { "blocks of 4096 bytes", { "--block:disk=f", "--block-sector-size:disk=4096" },
        4096, UNIT_RETURNED, "" },
    { "options in the other order", { "--block-sector-size:disk=4096", "--block:disk=f" },
        4096, UNIT_RETURNED, "" },
    { "largest blocks", { "--block:disk=f", "--block-sector-size:disk=32768" }, 65536,
        UNIT_RETURNED, "" },
    { "not whole blocks", { "--block:disk=f", "--block-sector-size:disk=4096" }, 6144, 1,
        "Backing storage size must be block aligned" },
    { "one byte too many", { "--block:disk=f" }, 513, 1,
        "Backing storage size must be block aligned" },
    { "empty file", { "--block:disk=f" }, 0, 1, "at least one block" },
    { "odd block size", { "--block-sector-size:disk=521" }, 0, 1,
        "Block size must be a multiple of 2" },
    { "block size too small", { "--block-sector-size:disk=256" }, 0, 1,
        "Block size must be a multiple of 2 greater than or equal 512" },
    { "block size no power of 2", { "--block-sector-size:disk=1536" }, 0, 1,
        "Block size must be a multiple of 2" },
    { "block size too large", { "--block-sector-size:disk=65536" }, 0, 1,
        "Block size must be" },
    { "block size that wraps to 512", { "--block-sector-size:disk=4294967808" }, 0, 1,
        "Block size must be" },
    { "block size with a tail", { "--block-sector-size:disk=512k" }, 0, 1,
        "Block size must be" },
    { "no block size", { "--block-sector-size:disk=" }, 0, 1, "Block size must be" },
    { "file absent", { "--block:disk=none" }, 0, 1,
        "cannot open 'none' for reading and writing: No such file or directory" },
    { "a folder", { "--block:disk=." }, 0, 1, "Is a directory" },
    { "a device without a size", { "--block:disk=/dev/null" }, 0, 1,
        "neither a regular file nor a block device" },
    { "no name", { "--block:=f" }, 0, 1,
        "--block:=f: Resource not declared in manifest: no BLOCK_BASIC ''" },
    { "name not declared", { "--block:disk2=f" }, 0, 1, "Resource not declared in manifest" },
    { "name of another type", { "--block:led0=f" }, 0, 1, "no BLOCK_BASIC 'led0'" },
    { "no value", { "--block:disk" }, 0, 1, "must be --block:NAME=VALUE, in one word" },
    { "a disk twice", { "--block:disk=f", "--block:disk=f" }, 512, 1,
        "disk has been given a file already" },
};

static void attach_row(void *arg)
{
    const struct row *row = arg;

    make_file("f", row->size);
    attach(row->options);
}

static void test_row(const void *arg)
{
    const struct row *row = arg;

    EXPECT_ENDING(attach_row, (void *)arg, row->status, row->says);
}

static void the_longest_name_is_found_and_a_longer_one_refused(void)
{
    char option[128] = "--block:";
    const char *value;

    make_manifest();
    memset(mft->e[1].name, 'x', MFT_NAME_MAX);
    memset(option + 8, 'x', MFT_NAME_MAX);
    strcpy(option + 8 + MFT_NAME_MAX, "=f");
    EXPECT(hvt_option_device(option, "--block:", mft, MFT_DEV_BLOCK_BASIC, &value) ==
            &mft->e[1]);
    EXPECT(strcmp(value, "f") == 0);
}

static void find_long_name(void *arg)
{
    char option[128] = "--block:";
    const char *value;

    (void)arg;
    make_manifest();
    memset(option + 8, 'x', MFT_NAME_SIZE);
    strcpy(option + 8 + MFT_NAME_SIZE, "=f");
    hvt_option_device(option, "--block:", mft, MFT_DEV_BLOCK_BASIC, &value);
}

static void a_name_longer_than_any_is_refused(void)
{
    EXPECT_ENDING(find_long_name, NULL, 1, "Resource not declared in manifest");
}

static void the_guest_is_told_what_it_got(void)
{
    make_file("f", 8192);
    attach((const char *[]){ "--block-sector-size:disk=4096", "--block:disk=f", NULL });
    EXPECT(mft->e[1].attached && !mft->e[2].attached && !mft->e[3].attached);
    EXPECT(mft->e[1].u.block_basic.capacity == 8192);
    EXPECT(mft->e[1].u.block_basic.block_size == 4096);
}

static void blocks_are_of_512_bytes_by_default(void)
{
    attach_disk();
    EXPECT(mft->e[1].u.block_basic.block_size == 512);
}

/* ---- Hypercalls ---------------------------------------------------------- */

static void what_is_written_can_be_read(void)
{
    char text[6];

    attach_disk();
    hvt_guest_write(&hvt, BUFFER, "hello", 6);
    EXPECT(transfer(WRITE, 1, 512, BUFFER, 6) == HVT_R_OK);
    EXPECT(transfer(READ, 1, 512, BUFFER + 0x1000, 6) == HVT_R_OK);
    hvt_guest_read(&hvt, BUFFER + 0x1000, text, 6);
    EXPECT(strcmp(text, "hello") == 0);
}

static void devices_are_told_apart_by_their_handles(void)
{
    struct stat st;

    make_file("a", 512);
    make_file("b", 1024);
    attach((const char *[]){ "--block:other=b", "--block:disk=a", NULL });
    EXPECT(transfer(READ, 1, 512, BUFFER, 1) == HVT_R_EINVAL);
    EXPECT(transfer(READ, 2, 512, BUFFER, 1) == HVT_R_OK);
    EXPECT(transfer(WRITE, 2, 1023, BUFFER, 1) == HVT_R_OK);
    EXPECT(stat("a", &st) == 0 && st.st_blocks == 0);
}

static void expect_both(int32_t ret, uint64_t handle, uint64_t offset, uint64_t len)
{
    EXPECT(transfer(READ, handle, offset, BUFFER, len) == ret);
    EXPECT(transfer(WRITE, handle, offset, BUFFER, len) == ret);
}

static void transfers_end_with_the_device(void)
{
    struct stat st;

    attach_disk();
    expect_both(HVT_R_OK, 1, CAPACITY - 512, 512);
    expect_both(HVT_R_OK, 1, CAPACITY - 1, 1);
    expect_both(HVT_R_OK, 1, CAPACITY - 1, 0);
    expect_both(HVT_R_OK, 1, 0, CAPACITY);
    expect_both(HVT_R_EINVAL, 1, CAPACITY - 511, 512);
    expect_both(HVT_R_EINVAL, 1, CAPACITY, 0);
    expect_both(HVT_R_EINVAL, 1, CAPACITY, 512);
    expect_both(HVT_R_EINVAL, 1, 0, CAPACITY + 1);
    expect_both(HVT_R_EINVAL, 1, 1, UINT64_MAX);
    expect_both(HVT_R_EINVAL, 1, UINT64_MAX, 1);
    expect_both(HVT_R_EINVAL, 1, UINT64_MAX, UINT64_MAX);
    EXPECT(stat("disk.img", &st) == 0 && st.st_size == CAPACITY);
}

static void handles_of_no_disk_are_refused(void)
{
    attach_disk();
    expect_both(HVT_R_EINVAL, 0, 0, 512);
    expect_both(HVT_R_EINVAL, 2, 0, 512);
    expect_both(HVT_R_EINVAL, 3, 0, 512);
    expect_both(HVT_R_EINVAL, MFT_MAX_ENTRIES, 0, 512);
    expect_both(HVT_R_EINVAL, UINT64_C(1) << 32 | 1, 0, 512);
    expect_both(HVT_R_EINVAL, UINT64_MAX, 0, 512);
}

struct abuse {
    unsigned nr;
    hvt_gpa_t data;
    uint64_t len;
};

static void abuse(void *arg)
{
    const struct abuse *abuse = arg;

    attach_disk();
    transfer(abuse->nr, 1, 0, abuse->data, abuse->len);
}

static void buffers_are_checked_for_what_is_done_to_them(void)
{
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, READ_ONLY, 512 }), 1, "not writable");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, READ_ONLY - 511, 512 }), 1, "not writable");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, 0x2000, 512 }), 1, "not writable");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, 0xfffff, 512 }), 1, "not writable");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, 0x100000, 512 }), UNIT_RETURNED, "");
    EXPECT_ENDING(abuse, (&(struct abuse){ WRITE, READ_ONLY, 512 }), UNIT_RETURNED, "");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, MEM_SIZE - 512, 512 }), 1, "outside");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, MEM_SIZE - 513, 512 }), UNIT_RETURNED, "");
    EXPECT_ENDING(abuse, (&(struct abuse){ WRITE, MEM_SIZE - 512, 512 }), 1, "outside");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, UINT64_MAX, 512 }), 1, "outside");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, MEM_SIZE, 0 }), 1, "outside");
}

static void shorten(void *nr)
{
    attach_disk();
    EXPECT(truncate("disk.img", 1000) == 0);
    transfer(*(unsigned *)nr, 1, 512, BUFFER, 512);
}

static void a_file_that_became_shorter_ends_the_guest(void)
{
    EXPECT_ENDING(shorten, &(unsigned){ READ }, 1,
            "Block device 'disk': cannot read at byte 1000: its file has become shorter");
}

static void write_beyond_limit(void *arg)
{
    (void)arg;
    attach_disk();
    EXPECT(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1024, 1024 }) == 0);
    transfer(WRITE, 1, 512, BUFFER, 1024);
}

static void a_write_that_fails_ends_the_guest(void)
{
    EXPECT_ENDING(write_beyond_limit, NULL, 1,
            "Block device 'disk': cannot write at byte 1024: File too large");
}

static void read_without_disk(void *arg)
{
    (void)arg;
    attach((const char *[]){ NULL });
    transfer(READ, 1, 0, BUFFER, 512);
}

static void without_a_disk_there_is_no_hypercall(void)
{
    EXPECT_ENDING(read_without_disk, NULL, 1, "invalid guest hypercall: num=5");
}

static void sixty_three_disks_are_not_too_many(void)
{
    char option[32];

    make_file("f", 512);
    mft = calloc(1, MFT_SIZE(MFT_MAX_ENTRIES));
    mft->entries = MFT_MAX_ENTRIES;
    for (uint32_t i = 1; i < MFT_MAX_ENTRIES; i++) {
        mft->e[i].type = MFT_DEV_BLOCK_BASIC;
        snprintf(mft->e[i].name, MFT_NAME_SIZE, "disk%u", i);
        snprintf(option, sizeof(option), "--block:disk%u=f", i);
        EXPECT(hvt_modules_handle_cmdarg(option, mft));
    }
    hvt_mem_init(&hvt.mem, MEM_SIZE);
    hvt_modules_setup(&hvt, mft);
    for (uint64_t i = 1; i < MFT_MAX_ENTRIES; i++)
        EXPECT(transfer(READ, i, 511, BUFFER, 1) == HVT_R_OK);
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    unit_enter_empty_folder();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        unit_test_row(rows[i].name, test_row, &rows[i]);
    TEST(the_longest_name_is_found_and_a_longer_one_refused);
    TEST(a_name_longer_than_any_is_refused);
    TEST(the_guest_is_told_what_it_got);
    TEST(blocks_are_of_512_bytes_by_default);
    TEST(what_is_written_can_be_read);
    TEST(devices_are_told_apart_by_their_handles);
    TEST(transfers_end_with_the_device);
    TEST(handles_of_no_disk_are_refused);
    TEST(buffers_are_checked_for_what_is_done_to_them);
    TEST(a_file_that_became_shorter_ends_the_guest);
    TEST(a_write_that_fails_ends_the_guest);
    TEST(without_a_disk_there_is_no_hypercall);
    TEST(sixty_three_disks_are_not_too_many);
    return unit_finish();
}
