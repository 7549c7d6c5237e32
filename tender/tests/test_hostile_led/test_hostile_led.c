/* SPDX-License-Identifier: ISC */
/* test_hostile, granted an LED: its line is all that this guest may move. */
#include "../test_hostile/test_hostile.c"
