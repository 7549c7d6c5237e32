/* SPDX-License-Identifier: ISC */
/* hvt_mft.c: the application manifest. */
#include <stddef.h>
#include <string.h>

#include "hvt_internal.h"

/* Looks at the byte: a bool that is neither 0 nor 1 must not be read as one. */
static bool is_attached_byte_set(const struct mft_entry *entry)
{
    return ((const uint8_t *)entry)[offsetof(struct mft_entry, attached)] != 0;
}

static const char *entry_defect(const struct mft_entry *entry)
{
    if (entry->name[MFT_NAME_MAX] != '\0')
        return "a device name is not terminated";
    if (is_attached_byte_set(entry))
        return "a device claims to be attached already";
    return NULL;
}

static const char *header_defect(const struct mft *mft, size_t size)
{
    if (size < sizeof(struct mft))
        return "it is too short";
    if (mft->version != MFT_VERSION)
        return "its version is not 1";
    if (mft->entries < 1 || mft->entries > MFT_MAX_ENTRIES)
        return "it must have 1 to 64 entries";
    if (size != MFT_SIZE(mft->entries))
        return "its size does not fit the number of entries";
    if (mft->e[0].type != MFT_RESERVED_FIRST || mft->e[0].name[0] != '\0')
        return "its first entry is not the reserved one";
    return NULL;
}

const char *hvt_mft_defect(const struct mft *mft, size_t size)
{
    const char *defect = header_defect(mft, size);

    for (uint32_t i = 0; defect == NULL && i < mft->entries; i++)
        defect = entry_defect(&mft->e[i]);
    return defect;
}

void hvt_mft_clear(struct mft *mft)
{
    for (uint32_t i = 0; i < mft->entries; i++) {
        memset(&mft->e[i].u, 0, sizeof(mft->e[i].u));
        mft->e[i].backing = 0;
    }
}

struct mft_entry *hvt_mft_find(struct mft *mft, const char *name, uint32_t type)
{
    for (uint32_t i = 1; i < mft->entries; i++)
        if (mft->e[i].type == type && strcmp(mft->e[i].name, name) == 0)
            return &mft->e[i];
    return NULL;
}

static _Noreturn void refuse_unattached(const struct mft_entry *entry)
{
    const struct hvt_module *module = hvt_module_for(entry->type);

    hvt_say("Device '%s' of type %s declared but not attached.", entry->name,
            module != NULL ? module->type_name : "unknown");
    if (module != NULL)
        module->say_how_to_attach(entry->name);
    else
        hvt_say("This tender has no module for devices of type %u.",
                entry->type);
    hvt_exit(1);
}

void hvt_mft_require_attached(const struct mft *mft)
{
    for (uint32_t i = 1; i < mft->entries; i++)
        if (mft->e[i].type < MFT_RESERVED_FIRST && !mft->e[i].attached)
            refuse_unattached(&mft->e[i]);
}
