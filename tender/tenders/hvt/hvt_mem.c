/* SPDX-License-Identifier: ISC */
/*
 * hvt_mem.c: guest memory, and who may touch what.
 *
 * The permission map is the tender's own record of the segments: it does not
 * depend on host pages, which may be larger than the guest's, and it keeps a
 * hostile argument from making the tender fault on its own mapping.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hvt_internal.h"

static void *map_zeroed(uint64_t size, const char *what)
{
    /* Not reserved: a guest rarely touches all the memory it is given. */
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED)
        hvt_fail("Cannot map %llu MiB for %s: %s; try a smaller --mem",
                (unsigned long long)(size >> 20), what, strerror(errno));
    return map;
}

void hvt_mem_init(struct hvt_mem *mem, uint64_t size)
{
    mem->size = size;
    mem->host_page = (size_t)sysconf(_SC_PAGESIZE);
    mem->base = map_zeroed(size, "guest memory");
    madvise(mem->base, size, MADV_DONTFORK); /* it is no business of a helper */
    mem->denied = map_zeroed(size / HVT_GUEST_PAGE, "the permission map");
    /* Page tables and boot info are not the guest's to change. */
    memset(mem->denied, HVT_ACCESS_WRITE, HVT_GUEST_MIN_BASE / HVT_GUEST_PAGE);
}

static int host_protection(enum hvt_access allowed)
{
    return (allowed & HVT_ACCESS_READ ? PROT_READ : 0) |
            (allowed & HVT_ACCESS_WRITE ? PROT_WRITE : 0);
}

/* Host pages that the range covers in part keep what they allow. */
static void protect_host_pages(struct hvt_mem *mem, hvt_gpa_t start,
        hvt_gpa_t end, enum hvt_access allowed)
{
    uint64_t mask = mem->host_page - 1;
    uint64_t first = (start + mask) & ~mask;
    uint64_t last = end & ~mask;

    if (first < last && mprotect(mem->base + first, last - first,
            host_protection(allowed)) != 0)
        hvt_fail("Cannot protect guest memory 0x%llx to 0x%llx: %s",
                (unsigned long long)first, (unsigned long long)last,
                strerror(errno));
}

void hvt_mem_protect(struct hvt_mem *mem, hvt_gpa_t start, hvt_gpa_t end,
        enum hvt_access allowed)
{
    memset(mem->denied + start / HVT_GUEST_PAGE,
            HVT_ACCESS_READ_WRITE & ~(unsigned)allowed,
            (end - start) / HVT_GUEST_PAGE);
    protect_host_pages(mem, start, end, allowed);
}

/* The last byte of memory is out of bounds: so the ABI has it. */
static bool in_bounds(const struct hvt_mem *mem, hvt_gpa_t gpa, uint64_t size)
{
    return gpa < mem->size && size < mem->size - gpa;
}

static bool is_allowed(const struct hvt_mem *mem, hvt_gpa_t gpa, uint64_t size,
        enum hvt_access access)
{
    for (uint64_t page = gpa / HVT_GUEST_PAGE;
            page * HVT_GUEST_PAGE < gpa + size; page++)
        if (mem->denied[page] & access)
            return false;
    return true;
}

static _Noreturn void refuse(hvt_gpa_t gpa, uint64_t size, const char *why)
{
    hvt_fail("invalid guest memory access: gpa=0x%llx size=%llu: %s",
            (unsigned long long)gpa, (unsigned long long)size, why);
}

void hvt_mem_check(const struct hvt_mem *mem, hvt_gpa_t gpa, uint64_t size,
        enum hvt_access access)
{
    if (!in_bounds(mem, gpa, size))
        refuse(gpa, size, "outside guest memory");
    if (!is_allowed(mem, gpa, size, access & HVT_ACCESS_READ))
        refuse(gpa, size, "not readable");
    if (!is_allowed(mem, gpa, size, access & HVT_ACCESS_WRITE))
        refuse(gpa, size, "not writable");
}

void *hvt_mem_build(const struct hvt_mem *mem, hvt_gpa_t gpa)
{
    return mem->base + gpa;
}

const void *hvt_guest_readable(struct hvt *hvt, hvt_gpa_t gpa, size_t size)
{
    hvt_mem_check(&hvt->mem, gpa, size, HVT_ACCESS_READ);
    return hvt->mem.base + gpa;
}

void *hvt_guest_writable(struct hvt *hvt, hvt_gpa_t gpa, size_t size)
{
    hvt_mem_check(&hvt->mem, gpa, size, HVT_ACCESS_WRITE);
    return hvt->mem.base + gpa;
}

void hvt_guest_read(struct hvt *hvt, hvt_gpa_t gpa, void *to, size_t size)
{
    memcpy(to, hvt_guest_readable(hvt, gpa, size), size);
}

void hvt_guest_write(struct hvt *hvt, hvt_gpa_t gpa, const void *from,
        size_t size)
{
    memcpy(hvt_guest_writable(hvt, gpa, size), from, size);
}
