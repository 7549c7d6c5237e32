/* SPDX-License-Identifier: ISC */
/*
 * The stack protector. The entry code fills in the canary before the first
 * protected function is called.
 */
#include "bindings.h"

uintptr_t __stack_chk_guard;

void __stack_chk_fail(void) __attribute__((noreturn));

void __stack_chk_fail(void)
{
    fatal(NULL, "Stack corruption detected");
}
