/* SPDX-License-Identifier: ISC */
/*
 * hvt_module_blk.c: block devices, each a file or a block device of the host.
 *
 * --block:NAME=PATH gives the guest's BLOCK_BASIC device NAME the bytes of PATH;
 * --block-sector-size:NAME=N makes its blocks N bytes large. A transfer that the
 * guest may ask for and the host cannot carry out ends the guest: nothing in the
 * ABI tells it of a broken disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hvt.h"

#define BLOCK_SIZE_DEFAULT 512
#define BLOCK_SIZE_MIN     512
#define BLOCK_SIZE_MAX     32768 /* the manifest has 16 bits for it */

struct disk {
    const char *name;  /* NULL: no device has this handle */
    int fd;
    uint64_t capacity; /* bytes */
};

static struct disk disks[MFT_MAX_ENTRIES]; /* by handle */

/* ---- The command line ---------------------------------------------------- */

static uint64_t size_of(const char *arg, int fd)
{
    struct stat st;
    off_t size;

    if (fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
        hvt_fail("%s: neither a regular file nor a block device", arg);
    size = lseek(fd, 0, SEEK_END);
    if (size < 0)
        hvt_fail("%s: cannot find out its size: %s", arg, strerror(errno));
    return (uint64_t)size;
}

static void attach(const char *arg, const char *path, struct mft_entry *entry,
        struct disk *disk)
{
    if (disk->name != NULL)
        hvt_fail("%s: %s has been given a file already", arg, entry->name);
    disk->name = entry->name;
    disk->fd = open(path, O_RDWR | O_CLOEXEC);
    if (disk->fd < 0)
        hvt_fail("%s: cannot open '%s' for reading and writing: %s", arg, path,
                strerror(errno));
    disk->capacity = size_of(arg, disk->fd);
    entry->u.block_basic.capacity = disk->capacity;
    entry->attached = true;
}

static void set_block_size(const char *arg, const char *value,
        struct mft_entry *entry)
{
    uint64_t size;

    if (!hvt_parse_number(value, BLOCK_SIZE_MAX, &size) ||
            size < BLOCK_SIZE_MIN || (size & (size - 1)) != 0)
        hvt_fail("%s: Block size must be a multiple of 2 greater than or equal "
                "%d, and a power of 2 up to %d", arg, BLOCK_SIZE_MIN,
                BLOCK_SIZE_MAX);
    entry->u.block_basic.block_size = (uint16_t)size;
}

static bool handle_cmdarg(const char *arg, struct mft *mft)
{
    struct mft_entry *entry;
    const char *value;

    entry = hvt_option_device(arg, "--block-sector-size:", mft,
            MFT_DEV_BLOCK_BASIC, &value);
    if (entry != NULL) {
        set_block_size(arg, value, entry);
        return true;
    }
    entry = hvt_option_device(arg, "--block:", mft, MFT_DEV_BLOCK_BASIC, &value);
    if (entry != NULL)
        attach(arg, value, entry, &disks[entry - mft->e]);
    return entry != NULL;
}

static void say_how_to_attach(const char *name)
{
    hvt_say("Give it a file: --block:%s=PATH", name);
}

/* ---- The hypercalls ------------------------------------------------------ */

/* The disk, if the handle has one and all of the bytes lie on it, or NULL. */
static const struct disk *disk_with(uint64_t handle, uint64_t offset,
        uint64_t len)
{
    const struct disk *disk;

    if (handle >= MFT_MAX_ENTRIES || disks[handle].name == NULL)
        return NULL;
    disk = &disks[handle];
    return offset < disk->capacity && len <= disk->capacity - offset ? disk
                                                                     : NULL;
}

static _Noreturn void transfer_failed(const struct disk *disk, const char *verb,
        uint64_t offset, ssize_t n)
{
    hvt_fail("Block device '%s': cannot %s at byte %llu: %s", disk->name, verb,
            (unsigned long long)offset,
            n < 0 ? strerror(errno) : "its file has become shorter");
}

static void hypercall_block_write(struct hvt *hvt, void *arg)
{
    struct hvt_hc_block_write *hc = arg;
    const struct disk *disk = disk_with(hc->handle, hc->offset, hc->len);
    const uint8_t *data;

    hc->ret = HVT_R_EINVAL;
    if (disk == NULL)
        return;
    data = hvt_guest_readable(hvt, hc->data, hc->len);
    for (uint64_t done = 0; done < hc->len; ) { /* Linux moves 2 GiB at most */
        ssize_t n = pwrite(disk->fd, data + done, hc->len - done,
                (off_t)(hc->offset + done));

        if (n <= 0)
            transfer_failed(disk, "write", hc->offset + done, n);
        done += (uint64_t)n;
    }
    hc->ret = HVT_R_OK;
}

static void hypercall_block_read(struct hvt *hvt, void *arg)
{
    struct hvt_hc_block_read *hc = arg;
    const struct disk *disk = disk_with(hc->handle, hc->offset, hc->len);
    uint8_t *data;

    hc->ret = HVT_R_EINVAL;
    if (disk == NULL)
        return;
    data = hvt_guest_writable(hvt, hc->data, hc->len);
    for (uint64_t done = 0; done < hc->len; ) {
        ssize_t n = pread(disk->fd, data + done, hc->len - done,
                (off_t)(hc->offset + done));

        if (n <= 0)
            transfer_failed(disk, "read", hc->offset + done, n);
        done += (uint64_t)n;
    }
    hc->ret = HVT_R_OK;
}

/* ---- Setup --------------------------------------------------------------- */

/* Only now, since the options come in any order. */
static void set_up_disk(const struct disk *disk, struct mft_block_basic *block)
{
    if (block->block_size == 0)
        block->block_size = BLOCK_SIZE_DEFAULT;
    if (disk->capacity % block->block_size != 0)
        hvt_fail("Block device '%s': Backing storage size must be block aligned; "
                "%llu bytes are no multiple of %u", disk->name,
                (unsigned long long)disk->capacity, block->block_size);
    if (disk->capacity == 0)
        hvt_fail("Block device '%s': Backing storage must hold at least one "
                "block of %u bytes; it is empty", disk->name, block->block_size);
    hvt_sandbox_allow(SYS_pread64, disk->fd);
    hvt_sandbox_allow(SYS_pwrite64, disk->fd);
}

static void setup(struct hvt *hvt, struct mft *mft)
{
    size_t count = 0;

    (void)hvt;
    for (uint32_t i = 0; i < mft->entries; i++) {
        if (disks[i].name == NULL)
            continue;
        set_up_disk(&disks[i], &mft->e[i].u.block_basic);
        count++;
    }
    if (count == 0)
        return;
    hvt_register_hypercall(HVT_HYPERCALL_BLOCK_WRITE, &(struct hvt_handler){
            hypercall_block_write, sizeof(struct hvt_hc_block_write), true });
    hvt_register_hypercall(HVT_HYPERCALL_BLOCK_READ, &(struct hvt_handler){
            hypercall_block_read, sizeof(struct hvt_hc_block_read), true });
}

DECLARE_MODULE(blk) = {
    .name = "blk",
    .type = MFT_DEV_BLOCK_BASIC,
    .type_name = "BLOCK_BASIC",
    .handle_cmdarg = handle_cmdarg,
    .setup = setup,
    .usage = "--block:NAME=PATH   let the block device NAME be the file PATH\n"
            "  --block-sector-size:NAME=N\n"
            "                      bytes of its blocks, a power of 2 from 512 to "
            "32768 (default 512)",
    .say_how_to_attach = say_how_to_attach,
};
