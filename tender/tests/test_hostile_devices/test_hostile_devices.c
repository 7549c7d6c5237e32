/* SPDX-License-Identifier: ISC */
/* test_hostile, granted a block device (handle 1) and a network device (2). */
#include "../test_hostile/test_hostile.c"
