/* SPDX-License-Identifier: ISC */
/* The command line. */
#include <string.h>

#include "hvt_internal.h"
#include "unit.h"

#define MIB (UINT64_C(1) << 20)
#define WORDS 8

static struct hvt_options options;

static int count_words(char **words)
{
    int count = 0;

    while (words[count] != NULL)
        count++;
    return count;
}

/* Parses "solo5-hvt" and the words up to a NULL. */
static void parse(void *words)
{
    static char *argv[WORDS + 2]; /* the options keep pointing there */
    int count = count_words(words);

    argv[0] = "solo5-hvt";
    memcpy(argv + 1, words, ((size_t)count + 1) * sizeof(char *));
    hvt_options_parse(&options, count + 1, argv);
}

struct row {
    const char *name;
    char *words[WORDS];
    int status;
    const char *says;
    uint64_t mem_mib;
};

#define OK UNIT_RETURNED
#define ROUNDED "not a multiple of 2 MiB; using "

static const struct row rows[] = {
    { "default memory", { "k" }, OK, "", 512 },
    { "memory of 64 MiB", { "--mem=64", "k" }, OK, "", 64 },
    { "the last --mem counts", { "--mem=64", "--mem=32", "k" }, OK, "", 32 },
    { "least memory", { "--mem=2", "k" }, OK, "", 2 },
    { "1 MiB becomes 2", { "--mem=1", "k" }, OK, ROUNDED "2 MiB", 2 },
    { "3 MiB become 2", { "--mem=3", "k" }, OK, ROUNDED "2 MiB", 2 },
    { "most memory", { "--mem=4096", "k" }, OK, "", 4096 },
    { "4097 MiB become 4096", { "--mem=4097", "k" }, OK, ROUNDED "4096", 4096 },
    { "4098 MiB", { "--mem=4098", "k" }, 1, "--mem=4098: too much", 0 },
    { "memory that overflows bytes", { "--mem=17592186044418", "k" }, 1, "too much", 0 },
    { "memory that overflows 64 bits", { "--mem=18446744073709551618", "k" }, 1,
        "too much", 0 },
    { "memory 0", { "--mem=0", "k" }, 1, "must be a number", 0 },
    { "memory empty", { "--mem=", "k" }, 1, "must be a number", 0 },
    { "memory no number", { "--mem=x", "k" }, 1, "must be a number", 0 },
    { "memory with a tail", { "--mem=6x", "k" }, OK, "--mem=6x: 'x' ignored", 6 },
    { "memory negative", { "--mem=-2", "k" }, 1, "must be a number", 0 },
    { "memory with a space", { "--mem= 2", "k" }, 1, "must be a number", 0 },
    { "help", { "--help", "k" }, 1, "Usage: solo5-hvt", 0 },
    { "help lists the modules", { "--help" }, 1, "--led:NAME=LINE", 0 },
    { "version", { "--version" }, 0, "solo5-hvt " HVT_VERSION "\nABI version 2\n", 0 },
    { "no kernel", { "--mem=64" }, 1, "No KERNEL given\nUsage: ", 0 },
    { "no kernel after --", { "--" }, 1, "No KERNEL given", 0 },
};

static void parse_row(void *arg)
{
    struct row *row = arg;

    parse(row->words);
    EXPECT(options.mem_size == row->mem_mib * MIB);
}

static void test_row(const void *arg)
{
    const struct row *row = arg;

    EXPECT_ENDING(parse_row, (void *)arg, row->status, row->says);
}

static void parse_words(char *first, char *second, char *third)
{
    char *words[WORDS] = { first, second, third };

    parse(words);
}

static void the_first_word_without_dash_is_the_kernel(void)
{
    parse_words("--mem=64", "k.hvt", "--mem=2");
    EXPECT(strcmp(options.kernel, "k.hvt") == 0);
    EXPECT(options.mem_size == 64 * MIB);
}

static void the_word_after_two_dashes_is_the_kernel(void)
{
    parse_words("--", "--mem=64", "--version");
    EXPECT(strcmp(options.kernel, "--mem=64") == 0);
}

static void no_arguments_at_all_are_survived(void)
{
    char *words[] = { NULL };

    EXPECT_ENDING(parse, words, 1, "No KERNEL given");
}

static void attach(void *words)
{
    struct mft mft = { .version = MFT_VERSION };

    parse(words);
    hvt_options_attach(&options, &mft);
}

static void an_option_of_no_module_is_refused_with_usage(void)
{
    char *unknown[WORDS] = { "--mem=64", "--bogus", "k" };
    char *two_words[WORDS] = { "--mem", "64", "k" };
    char *dash[WORDS] = { "-", "k" };

    EXPECT_ENDING(attach, unknown, 1, "Invalid option: --bogus\nUsage: ");
    EXPECT_ENDING(attach, two_words, 1, "Invalid option: --mem\nUsage: ");
    EXPECT_ENDING(attach, dash, 1, "Invalid option: -\nUsage: ");
}

static void the_guests_arguments_are_joined_by_single_spaces(void)
{
    char cmdline[HVT_CMDLINE_SIZE];

    parse_words("k", "a  b", "c");
    hvt_options_cmdline(&options, cmdline);
    EXPECT(strcmp(cmdline, "a  b c") == 0);
}

static void no_arguments_give_an_empty_command_line(void)
{
    char cmdline[HVT_CMDLINE_SIZE] = "x";

    parse_words("k", NULL, NULL);
    hvt_options_cmdline(&options, cmdline);
    EXPECT(cmdline[0] == '\0');
}

static void join_long(void *last)
{
    static char most[HVT_CMDLINE_SIZE - 2];
    char cmdline[HVT_CMDLINE_SIZE];

    memset(most, 'x', sizeof(most) - 1);
    parse_words("k", most, last);
    hvt_options_cmdline(&options, cmdline);
    EXPECT(strlen(cmdline) == HVT_CMDLINE_SIZE - 1);
}

static void a_command_line_of_8191_characters_is_the_longest(void)
{
    EXPECT_ENDING(join_long, "y", UNIT_RETURNED, "");
    EXPECT_ENDING(join_long, "yz", 1, "longer than 8191 characters");
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        unit_test_row(rows[i].name, test_row, &rows[i]);
    TEST(the_first_word_without_dash_is_the_kernel);
    TEST(the_word_after_two_dashes_is_the_kernel);
    TEST(no_arguments_at_all_are_survived);
    TEST(an_option_of_no_module_is_refused_with_usage);
    TEST(the_guests_arguments_are_joined_by_single_spaces);
    TEST(no_arguments_give_an_empty_command_line);
    TEST(a_command_line_of_8191_characters_is_the_longest);
    return unit_finish();
}
