/* SPDX-License-Identifier: ISC */
/* test_random, granted a block device and a network device. */
#include "../test_random/test_random.c"
