/* SPDX-License-Identifier: ISC */
/* hvt_module.c: the modules that were linked in. */
#include "hvt_internal.h"

/* The linker's names for the ends of the section, see DECLARE_MODULE. */
extern const struct hvt_module *const __start_hvt_modules[];
extern const struct hvt_module *const __stop_hvt_modules[];

const struct hvt_module *hvt_module_at(size_t index)
{
    size_t count = (size_t)(__stop_hvt_modules - __start_hvt_modules);

    return index < count ? __start_hvt_modules[index] : NULL;
}

const struct hvt_module *hvt_module_for(uint32_t type)
{
    const struct hvt_module *module;

    for (size_t i = 0; (module = hvt_module_at(i)) != NULL; i++)
        if (module->type == type)
            return module;
    return NULL;
}

bool hvt_modules_handle_cmdarg(const char *arg, struct mft *mft)
{
    const struct hvt_module *module;

    for (size_t i = 0; (module = hvt_module_at(i)) != NULL; i++)
        if (module->handle_cmdarg(arg, mft))
            return true;
    return false;
}

void hvt_modules_setup(struct hvt *hvt, struct mft *mft)
{
    const struct hvt_module *module;

    for (size_t i = 0; (module = hvt_module_at(i)) != NULL; i++)
        module->setup(hvt, mft);
}
