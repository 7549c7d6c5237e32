/* SPDX-License-Identifier: ISC */
/*
 * lib.h: the few functions of <string.h> that a compiler may call on its own
 * (the mem* ones) or that the bindings need. As in C11.
 */
#ifndef LIB_H
#define LIB_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);

#endif
