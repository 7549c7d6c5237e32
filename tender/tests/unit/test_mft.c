/* SPDX-License-Identifier: ISC */
/* The manifest: which ones are refused, and what is cleared. */
#include <stdlib.h>
#include <string.h>

#include "hvt_internal.h"
#include "unit.h"

#define ENTRIES 3

static struct mft *make_manifest(uint32_t entries)
{
    struct mft *mft = calloc(1, MFT_SIZE(entries));

    mft->version = MFT_VERSION;
    mft->entries = entries;
    mft->e[0].type = MFT_RESERVED_FIRST;
    for (uint32_t i = 1; i < entries; i++) {
        mft->e[i].type = MFT_DEV_LED_BASIC;
        memcpy(mft->e[i].name, (char[]){ 'd', 'e', 'v', (char)('0' + i) }, 4);
    }
    return mft;
}

struct row {
    const char *name;
    void (*spoil)(struct mft *mft, size_t *size);
    const char *defect; /* NULL: valid */
};

static void spoil_nothing(struct mft *mft, size_t *size)
{
    (void)mft, (void)size;
}

static void spoil_version(struct mft *mft, size_t *size)
{
    (void)size;
    mft->version = 2;
}

static void spoil_too_short(struct mft *mft, size_t *size)
{
    (void)mft;
    *size = 7;
}

static void spoil_no_entries(struct mft *mft, size_t *size)
{
    mft->entries = 0;
    *size = MFT_SIZE(0);
}

static void spoil_size_low(struct mft *mft, size_t *size)
{
    (void)mft;
    *size -= 1;
}

static void spoil_size_high(struct mft *mft, size_t *size)
{
    (void)mft;
    *size += 1;
}

static void spoil_first_type(struct mft *mft, size_t *size)
{
    (void)size;
    mft->e[0].type = MFT_DEV_LED_BASIC;
}

static void spoil_first_name(struct mft *mft, size_t *size)
{
    (void)size;
    mft->e[0].name[0] = 'x';
}

static void spoil_long_name(struct mft *mft, size_t *size)
{
    (void)size;
    memset(mft->e[2].name, 'x', sizeof(mft->e[2].name));
}

static void set_attached(struct mft_entry *entry, uint8_t byte)
{
    memcpy(&entry->attached, &byte, 1);
}

static void spoil_attached(struct mft *mft, size_t *size)
{
    (void)size;
    set_attached(&mft->e[2], 1);
}

static void spoil_attached_no_bool(struct mft *mft, size_t *size)
{
    (void)size;
    set_attached(&mft->e[1], 0x80);
}

static void make_longest_name(struct mft *mft, size_t *size)
{
    (void)size;
    memset(mft->e[1].name, 'x', MFT_NAME_MAX);
}

static const struct row rows[] = {
    { "valid manifest", spoil_nothing, NULL },
    { "67 characters in a name", make_longest_name, NULL },
    { "wrong version", spoil_version, "version" },
    { "less than a header", spoil_too_short, "too short" },
    { "no entries", spoil_no_entries, "1 to 64 entries" },
    { "one byte short", spoil_size_low, "does not fit" },
    { "one byte long", spoil_size_high, "does not fit" },
    { "first entry of another type", spoil_first_type, "reserved" },
    { "first entry with a name", spoil_first_name, "reserved" },
    { "name not terminated", spoil_long_name, "not terminated" },
    { "already attached", spoil_attached, "attached" },
    { "attached neither 0 nor 1", spoil_attached_no_bool, "attached" },
};

static void test_row(const void *arg)
{
    const struct row *row = arg;
    struct mft *mft = make_manifest(ENTRIES);
    size_t size = MFT_SIZE(ENTRIES);
    const char *defect;

    row->spoil(mft, &size);
    defect = hvt_mft_defect(mft, size);
    EXPECT((defect == NULL) == (row->defect == NULL));
    EXPECT(defect == NULL || strstr(defect, row->defect) != NULL);
}

static void sixty_four_entries_are_the_most(void)
{
    EXPECT(hvt_mft_defect(make_manifest(64), MFT_SIZE(64)) == NULL);
    EXPECT(hvt_mft_defect(make_manifest(65), MFT_SIZE(65)) != NULL);
}

static void what_only_the_tender_fills_in_is_cleared(void)
{
    struct mft *mft = make_manifest(ENTRIES);

    memset(&mft->e[2].u, 0xff, sizeof(mft->e[2].u));
    mft->e[2].backing = 5;
    hvt_mft_clear(mft);
    for (size_t i = 0; i < sizeof(mft->e[2].u.bytes); i++)
        EXPECT(mft->e[2].u.bytes[i] == 0);
    EXPECT(mft->e[2].backing == 0);
}

static void devices_are_found_by_name_and_type(void)
{
    struct mft *mft = make_manifest(ENTRIES);

    EXPECT(hvt_mft_find(mft, "dev2", MFT_DEV_LED_BASIC) == &mft->e[2]);
    EXPECT(hvt_mft_find(mft, "dev2", MFT_DEV_NET_BASIC) == NULL);
    EXPECT(hvt_mft_find(mft, "dev3", MFT_DEV_LED_BASIC) == NULL);
    EXPECT(hvt_mft_find(mft, "", MFT_RESERVED_FIRST) == NULL);
}

static void require_attached(void *mft)
{
    hvt_mft_require_attached(mft);
}

static void a_device_that_is_not_attached_is_refused_with_advice(void)
{
    struct mft *mft = make_manifest(ENTRIES);

    mft->e[1].attached = true;
    EXPECT_ENDING(require_attached, mft, 1,
            "solo5-hvt: Device 'dev2' of type LED_BASIC declared but not "
            "attached.\nsolo5-hvt: Grant it a line: --led:dev2=LINE\n");
}

static void a_type_without_module_is_refused_by_number(void)
{
    struct mft *mft = make_manifest(2);

    mft->e[1].type = MFT_RESERVED_FIRST - 1;
    EXPECT_ENDING(require_attached, mft, 1, "Device 'dev1' of type unknown "
            "declared but not attached.\nsolo5-hvt: This tender has no module "
            "for devices of type 1073741823.\n");
}

static void reserved_types_need_not_be_attached(void)
{
    struct mft *mft = make_manifest(2);

    mft->e[1].type = MFT_RESERVED_FIRST + 1;
    EXPECT_ENDING(require_attached, mft, UNIT_RETURNED, "");
}

static void names_cannot_send_control_characters_to_the_terminal(void)
{
    struct mft *mft = make_manifest(2);

    memcpy(mft->e[1].name, "\033[2J\n", 6);
    EXPECT_ENDING(require_attached, mft, 1, "Device '?[2J?' of type");
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        unit_test_row(rows[i].name, test_row, &rows[i]);
    TEST(sixty_four_entries_are_the_most);
    TEST(what_only_the_tender_fills_in_is_cleared);
    TEST(devices_are_found_by_name_and_type);
    TEST(a_device_that_is_not_attached_is_refused_with_advice);
    TEST(a_type_without_module_is_refused_by_number);
    TEST(reserved_types_need_not_be_attached);
    TEST(names_cannot_send_control_characters_to_the_terminal);
    return unit_finish();
}
