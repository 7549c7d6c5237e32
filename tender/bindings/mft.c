/* SPDX-License-Identifier: ISC */

#include "bindings.h"
#include "lib.h"

static const struct mft *manifest;

void mft_init(const struct mft *mft)
{
    manifest = mft;
}

const struct mft_entry *mft_acquire(const char *name, enum mft_type type,
        solo5_handle_t *handle)
{
    for (solo5_handle_t i = 0; i < manifest->entries; i++) {
        const struct mft_entry *entry = &manifest->e[i];

        if (entry->type != (uint32_t)type || strcmp(entry->name, name))
            continue;
        if (!entry->attached)
            fatal(NULL, "device '%s' is declared but not attached", name);
        *handle = i;
        return entry;
    }
    return NULL;
}

const struct mft_entry *mft_entry(solo5_handle_t handle, enum mft_type type)
{
    if (handle >= manifest->entries)
        return NULL;
    const struct mft_entry *entry = &manifest->e[handle];

    return entry->type == (uint32_t)type && entry->attached ? entry : NULL;
}
