/* SPDX-License-Identifier: ISC */
/* Who may touch which part of guest memory. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hvt_internal.h"
#include "unit.h"

#define MEM_SIZE UINT64_C(0x400000)
#define DATA     UINT64_C(0x200000) /* no segment: read and write */

static struct hvt hvt;

static void init(void)
{
    hvt_mem_init(&hvt.mem, MEM_SIZE);
}

struct access {
    const char *name;
    hvt_gpa_t gpa;
    uint64_t size;
    enum hvt_access access;
    const char *refusal; /* NULL: allowed */
};

#define OUTSIDE "outside guest memory"

static const struct access accesses[] = {
    { "a byte in the middle", DATA, 1, HVT_ACCESS_READ_WRITE, NULL },
    { "up to the byte before the last", MEM_SIZE - 8, 7, HVT_ACCESS_READ, NULL },
    { "the last byte", MEM_SIZE - 8, 8, HVT_ACCESS_READ, OUTSIDE },
    { "one byte too far", MEM_SIZE - 8, 9, HVT_ACCESS_READ, OUTSIDE },
    { "nothing, inside", MEM_SIZE - 1, 0, HVT_ACCESS_READ, NULL },
    { "nothing, at the end", MEM_SIZE, 0, HVT_ACCESS_READ, OUTSIDE },
    { "an address beyond", MEM_SIZE + 1, 1, HVT_ACCESS_READ, OUTSIDE },
    { "the highest address", UINT64_MAX, 1, HVT_ACCESS_READ, OUTSIDE },
    { "a sum that wraps to 0", DATA, -DATA, HVT_ACCESS_READ, OUTSIDE },
    { "a sum that wraps into memory", DATA, UINT64_MAX, HVT_ACCESS_READ, OUTSIDE },
    { "read boot info", HVT_BOOT_INFO_BASE, 56, HVT_ACCESS_READ, NULL },
    { "write boot info", HVT_BOOT_INFO_BASE, 56, HVT_ACCESS_WRITE, "not writable" },
    { "write page tables", 0x2000, 8, HVT_ACCESS_WRITE, "not writable" },
    { "write across 0x100000", 0xfffff, 2, HVT_ACCESS_WRITE, "not writable" },
    { "write from 0x100000 on", 0x100000, 2, HVT_ACCESS_WRITE, NULL },
};

static void check(void *arg)
{
    const struct access *access = arg;

    init();
    hvt_mem_check(&hvt.mem, access->gpa, access->size, access->access);
}

static void test_access(const void *row)
{
    const struct access *access = row;

    EXPECT_ENDING(check, (void *)row, access->refusal ? 1 : UNIT_RETURNED,
            access->refusal ? access->refusal : "");
}

static void write_read_only(void *arg)
{
    (void)arg;
    init();
    hvt_mem_protect(&hvt.mem, DATA, DATA + 0x1000, HVT_ACCESS_READ);
    hvt_guest_write(&hvt, DATA - 1, "ab", 2);
}

static void read_inaccessible(void *arg)
{
    char byte;

    (void)arg;
    init();
    hvt_mem_protect(&hvt.mem, DATA, DATA + 0x1000, HVT_ACCESS_NONE);
    hvt_guest_read(&hvt, DATA + 0xfff, &byte, 1);
}

static void a_refused_access_names_address_and_size(void)
{
    EXPECT_ENDING(write_read_only, NULL, 1,
            "invalid guest memory access: gpa=0x1fffff size=2: not writable");
    EXPECT_ENDING(read_inaccessible, NULL, 1,
            "invalid guest memory access: gpa=0x200fff size=1: not readable");
}

static void neighbours_of_a_segment_stay_open(void)
{
    char back[2] = "";

    init();
    hvt_mem_protect(&hvt.mem, DATA, DATA + 0x1000, HVT_ACCESS_NONE);
    hvt_guest_write(&hvt, DATA - 1, "x", 1);
    hvt_guest_write(&hvt, DATA + 0x1000, "y", 1);
    hvt_guest_read(&hvt, DATA - 1, &back[0], 1);
    hvt_guest_read(&hvt, DATA + 0x1000, &back[1], 1);
    EXPECT(back[0] == 'x' && back[1] == 'y');
}

/* Asks the kernel, which says EFAULT instead of ending the test. */
static bool host_may_write(hvt_gpa_t gpa)
{
    int zero = open("/dev/zero", O_RDONLY);
    bool may = read(zero, hvt.mem.base + gpa, 1) == 1;

    close(zero);
    return may;
}

static void the_guest_cannot_write_a_read_only_segment(void)
{
    init();
    hvt_mem_protect(&hvt.mem, DATA, DATA + 0x1000, HVT_ACCESS_READ);
    EXPECT(host_may_write(DATA - 1));
    EXPECT(!host_may_write(DATA));
    EXPECT(!host_may_write(DATA + 0xfff));
    EXPECT(host_may_write(DATA + 0x1000));
}

static void large_host_pages_are_protected_only_when_whole(void)
{
    init();
    hvt.mem.host_page = 0x10000;
    hvt_mem_protect(&hvt.mem, DATA + 0x1000, DATA + 0x21000, HVT_ACCESS_READ);
    EXPECT(host_may_write(DATA + 0xf000));
    EXPECT(!host_may_write(DATA + 0x10000));
    EXPECT(!host_may_write(DATA + 0x1ffff));
    EXPECT(host_may_write(DATA + 0x20000));
}

static void write_into_partly_covered_host_page(void *arg)
{
    (void)arg;
    init();
    hvt.mem.host_page = 0x10000;
    hvt_mem_protect(&hvt.mem, DATA + 0x1000, DATA + 0x2000, HVT_ACCESS_READ);
    hvt_guest_write(&hvt, DATA + 0x1000, "x", 1);
}

static void the_tender_keeps_to_guest_pages_on_any_host(void)
{
    EXPECT_ENDING(write_into_partly_covered_host_page, NULL, 1, "not writable");
}

static void memory_starts_as_zero(void)
{
    init();
    for (uint64_t i = 0; i < MEM_SIZE; i++)
        EXPECT(hvt.mem.base[i] == 0);
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    for (size_t i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++)
        unit_test_row(accesses[i].name, test_access, &accesses[i]);
    TEST(a_refused_access_names_address_and_size);
    TEST(neighbours_of_a_segment_stay_open);
    TEST(the_guest_cannot_write_a_read_only_segment);
    TEST(large_host_pages_are_protected_only_when_whole);
    TEST(the_tender_keeps_to_guest_pages_on_any_host);
    TEST(memory_starts_as_zero);
    return unit_finish();
}
