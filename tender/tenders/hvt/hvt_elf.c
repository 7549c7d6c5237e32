/* SPDX-License-Identifier: ISC */
/*
 * hvt_elf.c: reading and loading an image.
 *
 * The image is not trusted: every field is checked before it is used. Section
 * headers, PT_INTERP and physical addresses are ignored.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvt_internal.h"
#include "solo5/elf_abi.h"

#define BAD_NOTE "note does not fall within valid size"

static void require(const struct hvt_elf *elf, bool ok, const char *otherwise)
{
    if (!ok)
        hvt_fail("%s: %s", elf->path, otherwise);
}

static ssize_t pread_all(int fd, void *to, size_t size, off_t offset)
{
    size_t done = 0;
    ssize_t n = 1;

    while (done < size && n > 0) {
        n = pread(fd, (uint8_t *)to + done, size - done, offset + (off_t)done);
        done += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? -1 : (ssize_t)done;
}

static void read_part(const struct hvt_elf *elf, void *to, size_t size,
        uint64_t offset, const char *part)
{
    ssize_t n = pread_all(elf->fd, to, size, (off_t)offset);

    if (n < 0)
        hvt_fail("%s: cannot read the %s: %s", elf->path, part, strerror(errno));
    if ((size_t)n != size)
        hvt_fail("%s: the file ends within the %s", elf->path, part);
}

static void open_file(struct hvt_elf *elf)
{
    struct stat st;

    /* Non-blocking: a FIFO in place of the image must not hang the tender. */
    elf->fd = open(elf->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (elf->fd < 0)
        hvt_fail("%s: cannot open: %s", elf->path, strerror(errno));
    require(elf, fstat(elf->fd, &st) == 0 && S_ISREG(st.st_mode),
            "not a regular file");
}

static const char *machine_name(unsigned machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86_64";
    case EM_AARCH64:
        return "aarch64";
    default:
        return "another architecture";
    }
}

static void check_machine(const struct hvt_elf *elf)
{
    if (elf->ehdr.e_machine != HVT_ELF_MACHINE)
        hvt_fail("%s: is for %s, but this tender and its host are %s", elf->path,
                machine_name(elf->ehdr.e_machine), machine_name(HVT_ELF_MACHINE));
}

static void check_header(const struct hvt_elf *elf)
{
    const Elf64_Ehdr *header = &elf->ehdr;

    require(elf, memcmp(header->e_ident, ELFMAG, SELFMAG) == 0,
            "not an ELF file");
    require(elf, header->e_ident[EI_CLASS] == ELFCLASS64, "not a 64-bit ELF file");
    require(elf, header->e_ident[EI_DATA] == ELFDATA2LSB,
            "not a little-endian ELF file");
    require(elf, header->e_type == ET_EXEC,
            "not a statically linked ELF executable (ET_EXEC)");
    check_machine(elf);
    require(elf, header->e_version == EV_CURRENT, "unknown ELF version");
    require(elf, header->e_ehsize == sizeof(Elf64_Ehdr),
            "wrong size of the ELF header");
    require(elf, header->e_phentsize == sizeof(Elf64_Phdr),
            "wrong size of a program header");
    require(elf, header->e_phnum >= 1, "no program headers");
}

static void read_program_headers(struct hvt_elf *elf)
{
    size_t size = (size_t)elf->ehdr.e_phnum * sizeof(Elf64_Phdr);

    elf->phdr = malloc(size);
    require(elf, elf->phdr != NULL, "no memory for the program headers");
    read_part(elf, elf->phdr, size, elf->ehdr.e_phoff, "program headers");
}

/* ---- Notes --------------------------------------------------------------- */

static bool is_solo5_note(const struct elf_note_header *note, uint32_t type)
{
    return note->n_namesz == ELF_NOTE_NAMESZ && note->n_type == type &&
            memcmp(note->name, ELF_NOTE_NAME, ELF_NOTE_NAMESZ) == 0;
}

/* Whether the header's note is of that type. Looks at its first note only. */
static bool read_note_header(const struct hvt_elf *elf, const Elf64_Phdr *phdr,
        uint32_t type, struct elf_note_header *note)
{
    if (phdr->p_type != PT_NOTE)
        return false;
    require(elf, phdr->p_filesz >= sizeof(Elf64_Nhdr), BAD_NOTE);
    if (phdr->p_filesz < sizeof(*note))
        return false; /* too short for our name */
    read_part(elf, note, sizeof(*note), phdr->p_offset, "note header");
    return is_solo5_note(note, type);
}

/* Returns the descriptor without its padding; the caller frees it. */
static void *read_descriptor(const struct hvt_elf *elf, const Elf64_Phdr *phdr,
        const struct elf_note_header *note, size_t pad, size_t max_size,
        size_t *size)
{
    void *descriptor;

    require(elf, note->n_descsz > pad && note->n_descsz <= pad + max_size &&
            note->n_descsz <= phdr->p_filesz - sizeof(*note), BAD_NOTE);
    *size = note->n_descsz - pad;
    descriptor = malloc(*size);
    require(elf, descriptor != NULL, "no memory for a note");
    read_part(elf, descriptor, *size, phdr->p_offset + sizeof(*note) + pad,
            "note");
    return descriptor;
}

/* The descriptor of the first note of that type, or NULL. */
static void *find_note(const struct hvt_elf *elf, uint32_t type, size_t pad,
        size_t max_size, size_t *size)
{
    struct elf_note_header note;

    for (unsigned i = 0; i < elf->ehdr.e_phnum; i++)
        if (read_note_header(elf, &elf->phdr[i], type, &note))
            return read_descriptor(elf, &elf->phdr[i], &note, pad, max_size,
                    size);
    return NULL;
}

static void check_abi(const struct hvt_elf *elf)
{
    size_t size;
    struct elf_abi1 *abi = find_note(elf, ELF_NOTE_ABI1, 0, ELF_ABI1_MAX_SIZE,
            &size);

    require(elf, abi != NULL, "no ABI information; not a Solo5 unikernel");
    require(elf, size >= ELF_ABI1_MIN_SIZE, BAD_NOTE);
    require(elf, abi->target == ELF_ABI_TARGET_HVT,
            "not built for the hvt target");
    if (abi->version != ELF_ABI_HVT_VERSION)
        hvt_fail("%s: built for version %u of the hvt ABI; this tender has "
                "version %d", elf->path, abi->version, ELF_ABI_HVT_VERSION);
    free(abi);
}

struct mft *hvt_elf_manifest(const struct hvt_elf *elf)
{
    size_t size;
    struct mft *mft = find_note(elf, ELF_NOTE_MFT1, ELF_NOTE_MFT1_PAD,
            MFT_SIZE(MFT_MAX_ENTRIES), &size);
    const char *defect;

    require(elf, mft != NULL, "no application manifest");
    defect = hvt_mft_defect(mft, size);
    if (defect != NULL)
        hvt_fail("%s: manifest invalid: %s", elf->path, defect);
    hvt_mft_clear(mft);
    return mft;
}

void hvt_elf_open(struct hvt_elf *elf, const char *path)
{
    elf->path = path;
    open_file(elf);
    read_part(elf, &elf->ehdr, sizeof(elf->ehdr), 0, "ELF header");
    check_header(elf);
    read_program_headers(elf);
    check_abi(elf);
}

/* ---- Segments ------------------------------------------------------------ */

static void require_segment(const struct hvt_elf *elf, const Elf64_Phdr *phdr,
        bool ok, const char *otherwise)
{
    if (!ok)
        hvt_fail("%s: segment %td at 0x%llx: %s", elf->path, phdr - elf->phdr,
                (unsigned long long)phdr->p_vaddr, otherwise);
}

/*
 * .bss (memory that is zero anyway) and the empty .tdata that stock linker
 * scripts put at address 0 are none of the loader's business.
 */
static bool is_loadable(const Elf64_Phdr *phdr)
{
    return phdr->p_type == PT_LOAD && phdr->p_filesz > 0;
}

/* In this order no sum below can wrap. */
static void check_extent(const struct hvt_elf *elf, const Elf64_Phdr *phdr,
        uint64_t mem_size)
{
    require_segment(elf, phdr, phdr->p_vaddr >= HVT_GUEST_MIN_BASE,
            "below 0x100000");
    require_segment(elf, phdr, phdr->p_vaddr < mem_size &&
            phdr->p_memsz <= mem_size - phdr->p_vaddr,
            "does not fit into guest memory; try a larger --mem");
    require_segment(elf, phdr, phdr->p_filesz <= phdr->p_memsz,
            "larger in the file than in memory");
    require_segment(elf, phdr,
            phdr->p_align != 0 && (phdr->p_align & (phdr->p_align - 1)) == 0,
            "alignment is no power of two");
}

static hvt_gpa_t segment_start(const Elf64_Phdr *phdr)
{
    return phdr->p_vaddr & ~(phdr->p_align - 1);
}

static hvt_gpa_t segment_end(const Elf64_Phdr *phdr)
{
    uint64_t mask = phdr->p_align - 1;

    return (phdr->p_vaddr + phdr->p_memsz + mask) & ~mask;
}

static void check_alignment(const struct hvt_elf *elf, const Elf64_Phdr *phdr,
        hvt_gpa_t previous_end, uint64_t mem_size)
{
    hvt_gpa_t start = segment_start(phdr), end = segment_end(phdr);

    require_segment(elf, phdr, start >= HVT_GUEST_MIN_BASE,
            "below 0x100000 when aligned");
    require_segment(elf, phdr, start >= previous_end,
            "not above the end of the segment before");
    require_segment(elf, phdr, end <= mem_size,
            "does not fit into guest memory when aligned; try a larger --mem");
    require_segment(elf, phdr,
            start % HVT_GUEST_PAGE == 0 && end % HVT_GUEST_PAGE == 0,
            "start or end not aligned to 4096 bytes");
    require_segment(elf, phdr, (phdr->p_flags & (PF_W | PF_X)) != (PF_W | PF_X),
            "both writable and executable");
}

/* Whoever may execute or write may read: hosts know nothing narrower. */
static enum hvt_access access_of(const Elf64_Phdr *phdr)
{
    if (phdr->p_flags & PF_W)
        return HVT_ACCESS_READ_WRITE;
    return phdr->p_flags & (PF_R | PF_X) ? HVT_ACCESS_READ : HVT_ACCESS_NONE;
}

/* Memory was zero before: what lies beyond the file's bytes needs no filling. */
static hvt_gpa_t load_segment(const struct hvt_elf *elf, const Elf64_Phdr *phdr,
        struct hvt_mem *mem, hvt_gpa_t previous_end)
{
    check_extent(elf, phdr, mem->size);
    check_alignment(elf, phdr, previous_end, mem->size);
    read_part(elf, hvt_mem_build(mem, phdr->p_vaddr), phdr->p_filesz,
            phdr->p_offset, "segment");
    hvt_mem_protect(mem, segment_start(phdr), segment_end(phdr),
            access_of(phdr));
    return segment_end(phdr);
}

hvt_gpa_t hvt_elf_load(const struct hvt_elf *elf, struct hvt_mem *mem)
{
    hvt_gpa_t end = 0;

    require(elf, elf->ehdr.e_entry >= HVT_GUEST_MIN_BASE &&
            elf->ehdr.e_entry < mem->size, "entry point outside guest memory");
    for (unsigned i = 0; i < elf->ehdr.e_phnum; i++)
        if (is_loadable(&elf->phdr[i]))
            end = load_segment(elf, &elf->phdr[i], mem, end);
    return end;
}
