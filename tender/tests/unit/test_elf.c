/* SPDX-License-Identifier: ISC */
/* Images: which ones are refused and why, and how the others are loaded. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvt_internal.h"
#include "solo5/elf_abi.h"
#include "unit.h"

#define MEM_SIZE UINT64_C(0x600000)
#define TEXT     UINT64_C(0x100000)
#define DATA     UINT64_C(0x110000)
#define ENTRY    (TEXT + 0x20)

enum { INTERP, LOAD_TEXT, LOAD_DATA, LOAD_TDATA, LOAD_BSS, ABI, MFT, PHDRS };

struct __attribute__((packed)) abi_note {
    struct elf_note_header header;
    struct elf_abi1 abi;
    uint8_t more[20]; /* for descriptors longer than usual */
};

struct __attribute__((packed)) mft_note {
    struct elf_note_header header;
    uint32_t pad;
    uint32_t version; /* from here on as struct mft */
    uint32_t entries;
    struct mft_entry e[2];
};

/* A unikernel's file, in the shape stock linker scripts give it. */
struct __attribute__((packed)) image {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[PHDRS];
    struct abi_note abi;
    struct mft_note mft;
    char text[0x1000];
    char data[0x100];
};

static Elf64_Phdr segment(uint32_t flags, uint64_t address, uint64_t offset,
        uint64_t file_size, uint64_t mem_size)
{
    return (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = flags, .p_vaddr = address,
        .p_offset = offset, .p_filesz = file_size, .p_memsz = mem_size,
        .p_align = 0x1000 };
}

static Elf64_Phdr note(uint64_t offset, uint64_t size)
{
    return (Elf64_Phdr){ .p_type = PT_NOTE, .p_flags = PF_R, .p_align = 4,
        .p_offset = offset, .p_filesz = size, .p_memsz = size };
}

static Elf64_Ehdr header(void)
{
    Elf64_Ehdr ehdr = { .e_type = ET_EXEC, .e_machine = HVT_ELF_MACHINE,
        .e_version = EV_CURRENT, .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = PHDRS,
        .e_phoff = offsetof(struct image, phdr), .e_entry = ENTRY };

    memcpy(ehdr.e_ident, ELFMAG, SELFMAG);
    ehdr.e_ident[EI_CLASS] = ELFCLASS64;
    ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
    return ehdr;
}

#define IMAGE_SIZE(member) sizeof(((struct image *)0)->member)
#define ABI_NOTE_SIZE (sizeof(struct elf_note_header) + sizeof(struct elf_abi1))

static void make_segments(Elf64_Phdr phdr[PHDRS])
{
    phdr[INTERP] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_vaddr = 1 };
    phdr[LOAD_TEXT] = segment(PF_X, TEXT, offsetof(struct image, text),
            IMAGE_SIZE(text), IMAGE_SIZE(text));
    phdr[LOAD_DATA] = segment(PF_R | PF_W, DATA, offsetof(struct image, data),
            IMAGE_SIZE(data), 0x1800);
    phdr[LOAD_TDATA] = segment(PF_R, 0, 0, 0, 0);
    phdr[LOAD_BSS] = segment(PF_R | PF_W, DATA + 0x10000, 0, 0, MEM_SIZE);
    phdr[ABI] = note(offsetof(struct image, abi), ABI_NOTE_SIZE);
    phdr[MFT] = note(offsetof(struct image, mft), IMAGE_SIZE(mft));
}

static void make_notes(struct image *image)
{
    image->abi.header = (struct elf_note_header){ ELF_NOTE_NAMESZ,
        sizeof(struct elf_abi1), ELF_NOTE_ABI1, ELF_NOTE_NAME };
    image->abi.abi = (struct elf_abi1){ ELF_ABI_TARGET_HVT, ELF_ABI_HVT_VERSION,
        0 };
    image->mft.header = (struct elf_note_header){ ELF_NOTE_NAMESZ,
        ELF_NOTE_MFT1_PAD + MFT_SIZE(2), ELF_NOTE_MFT1, ELF_NOTE_NAME };
    image->mft.version = MFT_VERSION;
    image->mft.entries = 2;
    image->mft.e[0].type = MFT_RESERVED_FIRST;
    image->mft.e[1] = (struct mft_entry){ "led0", .type = MFT_DEV_LED_BASIC };
}

static struct image *make_image(void)
{
    struct image *image = calloc(1, sizeof(*image));
    Elf64_Phdr phdr[PHDRS];

    make_segments(phdr);
    image->ehdr = header();
    memcpy(image->phdr, phdr, sizeof(phdr));
    make_notes(image);
    memset(image->text, 'T', sizeof(image->text));
    memset(image->data, 'D', sizeof(image->data));
    return image;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    EXPECT(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static struct hvt_mem mem;
static struct hvt_elf elf;

/* All that the tender does with an image. */
static hvt_gpa_t load(const char *path)
{
    hvt_elf_open(&elf, path);
    free(hvt_elf_manifest(&elf));
    hvt_mem_init(&mem, MEM_SIZE);
    return hvt_elf_load(&elf, &mem);
}

/* ---- Defects, each one or two fields of an image that is good otherwise ------ */

struct poke {
    size_t offset;
    size_t size;
    uint64_t value;
};

struct row {
    const char *name;
    const char *says; /* NULL: loads */
    struct poke pokes[3];
    size_t file_size; /* 0: the whole image */
};

#define POKE(member, v) { offsetof(struct image, member), IMAGE_SIZE(member), (v) }
#define BAD_NOTE "note does not fall within valid size"
#define NO_ABI   "no ABI information"
#define TOO_BIG  "does not fit into guest memory"
#define MFT_DESC (ELF_NOTE_MFT1_PAD + MFT_SIZE(2))

#define LOADS(row_name, ...) { .name = row_name, .pokes = { __VA_ARGS__ } }
#define REFUSED(row_name, text, ...) \
    { .name = row_name, .says = text, .pokes = { __VA_ARGS__ } }
#define CUT_OFF(row_name, text, size) \
    { .name = row_name, .says = text, .file_size = size }

static const struct row rows[] = {
    { .name = "a good image" },

    /* The ELF header. */
    CUT_OFF("empty file", "the file ends within the ELF header", 1),
    CUT_OFF("63 bytes", "the file ends within the ELF header", 63),
    REFUSED("magic", "not an ELF file", POKE(ehdr.e_ident[3], 'f')),
    REFUSED("32 bits", "not a 64-bit", POKE(ehdr.e_ident[EI_CLASS], ELFCLASS32)),
    REFUSED("big endian", "not a little-endian",
            POKE(ehdr.e_ident[EI_DATA], ELFDATA2MSB)),
    REFUSED("position-independent", "ET_EXEC", POKE(ehdr.e_type, ET_DYN)),
    REFUSED("the other machine", "this tender and its host are",
            POKE(ehdr.e_machine, HVT_ELF_MACHINE == EM_X86_64 ? EM_AARCH64 : EM_X86_64)),
    REFUSED("a foreign machine", "is for another architecture",
            POKE(ehdr.e_machine, EM_RISCV)),
    REFUSED("ELF version", "unknown ELF version", POKE(ehdr.e_version, 2)),
    REFUSED("header size", "wrong size of the ELF header", POKE(ehdr.e_ehsize, 63)),
    REFUSED("program header size", "wrong size of a program header",
            POKE(ehdr.e_phentsize, 32)),
    REFUSED("no program headers", "no program headers", POKE(ehdr.e_phnum, 0)),
    REFUSED("too many program headers", "the file ends within the program headers",
            POKE(ehdr.e_phnum, 0xffff)),
    REFUSED("program headers beyond the file", "ends within the program headers",
            POKE(ehdr.e_phoff, 0x100000)),
    REFUSED("program headers at a negative offset", "cannot read the program headers",
            POKE(ehdr.e_phoff, UINT64_MAX)),
    LOADS("what is not checked: ident, flags", POKE(ehdr.e_ident[EI_VERSION], 9),
            POKE(ehdr.e_ident[EI_OSABI], 0xff), POKE(ehdr.e_flags, 1)),
    LOADS("what is not checked: sections, PT_INTERP, paddr",
            POKE(ehdr.e_shoff, UINT64_MAX), POKE(phdr[INTERP].p_type, PT_NULL),
            POKE(phdr[LOAD_TEXT].p_paddr, UINT64_MAX)),

    /* Notes. */
    REFUSED("no ABI note", NO_ABI, POKE(phdr[ABI].p_type, PT_NULL)),
    REFUSED("ABI note of another name", NO_ABI, POKE(abi.header.name[0], 's')),
    REFUSED("ABI note with another name size", NO_ABI, POKE(abi.header.n_namesz, 5)),
    REFUSED("ABI note of another type", NO_ABI, POKE(abi.header.n_type, 1)),
    REFUSED("ABI target spt", "not built for the hvt target", POKE(abi.abi.target, 2)),
    REFUSED("ABI version 1", "version 1 of the hvt ABI", POKE(abi.abi.version, 1)),
    REFUSED("ABI version 3", "version 3 of the hvt ABI", POKE(abi.abi.version, 3)),
    REFUSED("ABI descriptor of 0 bytes", BAD_NOTE, POKE(abi.header.n_descsz, 0)),
    REFUSED("ABI descriptor of 7 bytes", BAD_NOTE, POKE(abi.header.n_descsz, 7)),
    LOADS("ABI descriptor of 8 bytes", POKE(abi.header.n_descsz, 8)),
    LOADS("ABI descriptor of 32 bytes", POKE(abi.header.n_descsz, 32),
            POKE(phdr[ABI].p_filesz, 20 + 32)),
    REFUSED("ABI descriptor of 33 bytes", BAD_NOTE, POKE(abi.header.n_descsz, 33),
            POKE(phdr[ABI].p_filesz, 20 + 33)),
    REFUSED("descriptor one byte beyond its segment", BAD_NOTE,
            POKE(phdr[ABI].p_filesz, ABI_NOTE_SIZE - 1)),
    REFUSED("descriptor size that wraps", BAD_NOTE,
            POKE(abi.header.n_descsz, UINT32_MAX)),
    REFUSED("note segment of 11 bytes", BAD_NOTE, POKE(phdr[MFT].p_filesz, 11)),
    REFUSED("note segment too short for our name", "no application manifest",
            POKE(phdr[MFT].p_filesz, 19)),
    REFUSED("note beyond the file", "the file ends within the note header",
            POKE(phdr[ABI].p_offset, 0x100000)),
    LOADS("reserved word of the ABI note", POKE(abi.abi.reserved, 1)),
    LOADS("somebody else's note before ours", POKE(phdr[INTERP].p_type, PT_NOTE),
            POKE(phdr[INTERP].p_offset, offsetof(struct image, text)),
            POKE(phdr[INTERP].p_filesz, 24)),
    REFUSED("two notes behind one program header", "no application manifest",
            POKE(phdr[MFT].p_type, PT_NULL),
            POKE(phdr[ABI].p_filesz, IMAGE_SIZE(abi) + IMAGE_SIZE(mft))),
    REFUSED("no manifest", "no application manifest", POKE(phdr[MFT].p_type, PT_NULL)),
    REFUSED("manifest descriptor of 0 bytes", BAD_NOTE, POKE(mft.header.n_descsz, 0)),
    REFUSED("manifest descriptor of only padding", BAD_NOTE,
            POKE(mft.header.n_descsz, 4)),
    REFUSED("manifest descriptor too long", BAD_NOTE,
            POKE(mft.header.n_descsz, 6669), POKE(phdr[MFT].p_filesz, 20 + 6669)),
    REFUSED("manifest invalid", "manifest invalid: its version is not 1",
            POKE(mft.version, 2)),
    REFUSED("manifest size and entries differ", "manifest invalid: its size",
            POKE(mft.header.n_descsz, MFT_DESC - 1)),
    LOADS("padding before the manifest", POKE(mft.pad, 1)),
    CUT_OFF("file ends within the manifest", "the file ends within the note",
            offsetof(struct image, text) - 1),

    /* Entry and segments. */
    REFUSED("entry below 0x100000", "entry point", POKE(ehdr.e_entry, 0xfffff)),
    REFUSED("entry at the end of memory", "entry point", POKE(ehdr.e_entry, MEM_SIZE)),
    REFUSED("segment below 0x100000", "below 0x100000",
            POKE(phdr[LOAD_TEXT].p_vaddr, 0xff000)),
    REFUSED("segments descending", "not above the end of the segment before",
            POKE(phdr[LOAD_TEXT].p_vaddr, DATA + 0x10000)),
    REFUSED("segments overlapping", "not above the end",
            POKE(phdr[LOAD_TEXT].p_memsz, 0x10001)),
    REFUSED("alignment 0", "alignment is no power of two",
            POKE(phdr[LOAD_TEXT].p_align, 0)),
    REFUSED("alignment 3 pages", "alignment is no power",
            POKE(phdr[LOAD_TEXT].p_align, 0x3000)),
    REFUSED("alignment 2 MiB at the usual base", "below 0x100000 when aligned",
            POKE(phdr[LOAD_TEXT].p_align, 0x200000)),
    REFUSED("alignment 2^63", "below 0x100000 when aligned",
            POKE(phdr[LOAD_TEXT].p_align, UINT64_C(1) << 63)),
    REFUSED("segment behind the end of memory", TOO_BIG,
            POKE(phdr[LOAD_DATA].p_vaddr, MEM_SIZE)),
    REFUSED("segment at the highest page", TOO_BIG,
            POKE(phdr[LOAD_DATA].p_vaddr, -0x1000ull)),
    LOADS("segment up to the end of memory",
            POKE(phdr[LOAD_DATA].p_memsz, MEM_SIZE - DATA)),
    REFUSED("segment one byte too long", TOO_BIG,
            POKE(phdr[LOAD_DATA].p_memsz, MEM_SIZE - DATA + 1)),
    REFUSED("segment too long when aligned", "when aligned; try a larger --mem",
            POKE(phdr[LOAD_DATA].p_align, 0x400000),
            POKE(phdr[LOAD_DATA].p_vaddr, 0x500000)),
    REFUSED("size that wraps", TOO_BIG, POKE(phdr[LOAD_DATA].p_memsz, UINT64_MAX)),
    REFUSED("larger in the file than in memory", "larger in the file",
            POKE(phdr[LOAD_DATA].p_memsz, 0xff)),
    REFUSED("file size that wraps", "larger in the file",
            POKE(phdr[LOAD_DATA].p_filesz, UINT64_MAX)),
    REFUSED("start not on a page", "not aligned to 4096 bytes",
            POKE(phdr[LOAD_DATA].p_vaddr, DATA + 0x800),
            POKE(phdr[LOAD_DATA].p_align, 0x800)),
    REFUSED("end not on a page", "not aligned to 4096 bytes",
            POKE(phdr[LOAD_DATA].p_align, 0x800)),
    REFUSED("writable and executable", "both writable and executable",
            POKE(phdr[LOAD_DATA].p_flags, PF_R | PF_W | PF_X)),
    REFUSED("segment beyond the file", "the file ends within the segment",
            POKE(phdr[LOAD_DATA].p_offset, 0x100000)),
    CUT_OFF("segment cut off", "the file ends within the segment",
            sizeof(struct image) - 1),
};

static void poke(struct image *image, const struct poke *poke)
{
    memcpy((char *)image + poke->offset, &poke->value, poke->size);
}

static void make_file(const char *path, const struct row *row)
{
    struct image *image = make_image();

    for (size_t i = 0; i < 3; i++)
        poke(image, &row->pokes[i]);
    write_file(path, image, row->file_size ? row->file_size : sizeof(*image));
}

static void load_row(void *row)
{
    make_file("image", row);
    load("image");
}

static void test_row(const void *arg)
{
    const struct row *row = arg;
    char says[256] = "";

    if (row->says != NULL)
        snprintf(says, sizeof(says), "%s", row->says);
    EXPECT_ENDING(load_row, (void *)arg, row->says ? 1 : UNIT_RETURNED, says);
}

/* ---- What loading does ------------------------------------------------------- */

static const struct row good = { .name = "good" };

static hvt_gpa_t load_good(void)
{
    make_file("image", &good);
    return load("image");
}

static bool is_filled(hvt_gpa_t from, hvt_gpa_t to, char byte)
{
    for (hvt_gpa_t gpa = from; gpa < to; gpa++)
        if (mem.base[gpa] != (uint8_t)byte)
            return false;
    return true;
}

static void segments_are_copied_to_their_addresses(void)
{
    load_good();
    EXPECT(is_filled(TEXT, TEXT + IMAGE_SIZE(text), 'T'));
    EXPECT(is_filled(DATA, DATA + IMAGE_SIZE(data), 'D'));
    EXPECT(is_filled(DATA + IMAGE_SIZE(data), MEM_SIZE, 0));
}

static void the_end_of_the_image_counts_no_bss_segment(void)
{
    EXPECT(load_good() == DATA + 0x2000);
}

static void try_write(void *gpa)
{
    load_good();
    hvt_mem_check(&mem, *(hvt_gpa_t *)gpa, 1, HVT_ACCESS_WRITE);
}

static void try_read(void *gpa)
{
    load_good();
    hvt_mem_check(&mem, *(hvt_gpa_t *)gpa, 1, HVT_ACCESS_READ);
}

static void execute_only_segments_are_readable_not_writable(void)
{
    hvt_gpa_t text = TEXT, after = TEXT + 0x1000;

    EXPECT_ENDING(try_read, &text, UNIT_RETURNED, "");
    EXPECT_ENDING(try_write, &text, 1, "not writable");
    EXPECT_ENDING(try_write, &after, UNIT_RETURNED, "");
}

static void data_segments_are_writable(void)
{
    hvt_gpa_t data = DATA;

    EXPECT_ENDING(try_write, &data, UNIT_RETURNED, "");
}

static void try_read_without_flags(void *arg)
{
    const struct row row = { .pokes = { POKE(phdr[LOAD_DATA].p_flags, 0) } };

    (void)arg;
    make_file("image", &row);
    load("image");
    hvt_mem_check(&mem, DATA, 1, HVT_ACCESS_READ);
}

static void segments_without_flags_are_inaccessible(void)
{
    EXPECT_ENDING(try_read_without_flags, NULL, 1, "not readable");
}

static void try_write_only(void *arg)
{
    const struct row row = { .pokes = { POKE(phdr[LOAD_DATA].p_flags, PF_W) } };

    (void)arg;
    make_file("image", &row);
    load("image");
    hvt_mem_check(&mem, DATA, 1, HVT_ACCESS_READ_WRITE);
}

static void write_only_segments_are_readable_too(void)
{
    EXPECT_ENDING(try_write_only, NULL, UNIT_RETURNED, "");
}

static void the_manifest_comes_without_what_only_the_tender_knows(void)
{
    const struct row row = { .pokes = { POKE(mft.e[1].u.bytes[3], 0xff),
        POKE(mft.e[1].backing, 7) } };
    struct mft *mft;

    make_file("image", &row);
    hvt_elf_open(&elf, "image");
    mft = hvt_elf_manifest(&elf);
    EXPECT(mft->entries == 2 && strcmp(mft->e[1].name, "led0") == 0);
    EXPECT(mft->e[1].u.bytes[3] == 0 && mft->e[1].backing == 0);
}

static void open_path(void *path)
{
    hvt_elf_open(&elf, path);
}

static void what_is_no_file_is_refused_by_name(void)
{
    mkfifo("fifo", 0600);
    mkdir("folder", 0700);
    EXPECT_ENDING(open_path, "absent", 1,
            "solo5-hvt: absent: cannot open: No such file or directory");
    EXPECT_ENDING(open_path, "fifo", 1, "solo5-hvt: fifo: not a regular file");
    EXPECT_ENDING(open_path, "folder", 1, "not a regular file");
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    unit_enter_empty_folder();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        unit_test_row(rows[i].name, test_row, &rows[i]);
    TEST(segments_are_copied_to_their_addresses);
    TEST(the_end_of_the_image_counts_no_bss_segment);
    TEST(execute_only_segments_are_readable_not_writable);
    TEST(data_segments_are_writable);
    TEST(segments_without_flags_are_inaccessible);
    TEST(write_only_segments_are_readable_too);
    TEST(the_manifest_comes_without_what_only_the_tender_knows);
    TEST(what_is_no_file_is_refused_by_name);
    return unit_finish();
}
