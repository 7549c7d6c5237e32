/* SPDX-License-Identifier: ISC */
/*
 * Thread-local storage of the local-exec model.
 *
 *   x86_64 (variant II)   [.tdata][.tbss][TCB, 8 bytes]
 *                                        ^ thread pointer
 *   aarch64 (variant I)   [TCB, 16 bytes][.tdata][.tbss]
 *                         ^ thread pointer
 *
 * The first word of the TCB points to itself.
 */
#include "bindings.h"
#include "lib.h"

extern const char _stdata[]; /* the template of .tdata */
extern const char _ltdata[]; /* the address of this symbol is .tdata's size */
extern const char _ltbss[];  /* and of this one .tbss' */

static size_t tdata_size(void)
{
    return (size_t)_ltdata;
}

static size_t tbss_size(void)
{
    return (size_t)_ltbss;
}

#if defined(__x86_64__)
#define TCB_SIZE 8

uintptr_t solo5_tls_tp_offset(uintptr_t tls)
{
    return tls + tdata_size() + tbss_size();
}

static uintptr_t variables(uintptr_t tls)
{
    return tls;
}
#elif defined(__aarch64__)
#define TCB_SIZE 16

uintptr_t solo5_tls_tp_offset(uintptr_t tls)
{
    return tls;
}

static uintptr_t variables(uintptr_t tls)
{
    return tls + TCB_SIZE;
}
#endif

size_t solo5_tls_size(void)
{
    return tdata_size() + tbss_size() + TCB_SIZE;
}

solo5_result_t solo5_tls_init(uintptr_t tls)
{
    if (!tls)
        return SOLO5_R_EINVAL;
    uintptr_t tp = solo5_tls_tp_offset(tls);
    char *vars = (char *)variables(tls);

    *(uintptr_t *)tp = tp;
    memcpy(vars, _stdata, tdata_size());
    memset(vars + tdata_size(), 0, tbss_size());
    return SOLO5_R_OK;
}

solo5_result_t solo5_set_tls_base(uintptr_t base)
{
    cpu_set_tls_base(base);
    return SOLO5_R_OK;
}
