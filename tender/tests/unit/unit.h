/* SPDX-License-Identifier: ISC */
/*
 * unit.h: a small test harness.
 *
 * The tender ends the process on every error, so a test that expects one runs
 * the code in a child and looks at how it ended and what it said. Each test
 * runs in a child of its own: the tender's static state is fresh every time.
 * The report on stdout is TAP, as bats writes it.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdbool.h>
#include <stddef.h>

/* Ends the test with a message unless `condition` holds. */
#define EXPECT(condition) \
    unit_expect((condition), __FILE__, __LINE__, #condition)

void unit_expect(bool ok, const char *file, int line, const char *condition);

/* How code ended that ran in a child. */
struct unit_ending {
    int status;         /* exit status; 128 + number after a signal */
    char console[8192]; /* its stdout, NUL-terminated */
    char errors[8192];  /* its stderr, NUL-terminated */
};

/* Runs `code(arg)` in a child; status 200 means that it returned. */
void unit_run(struct unit_ending *ending, void (*code)(void *arg), void *arg);
#define UNIT_RETURNED 200

/* Expects the child to end with `status` after saying `text` on stderr. */
#define EXPECT_ENDING(code, arg, status, text) \
    unit_expect_ending((code), (arg), (status), (text), __FILE__, __LINE__)

void unit_expect_ending(void (*code)(void *arg), void *arg, int status,
        const char *text, const char *file, int line);

/* Runs a test under its name and counts it. */
#define TEST(function) unit_test(#function, function)

void unit_test(const char *name, void (*test)(void));

/* The same for one row of a table; the row's name is the test's. */
void unit_test_row(const char *name, void (*test)(const void *row),
        const void *row);

/* Counts a test that cannot run here, and says why. */
void unit_skip(const char *name, const char *why);

/*
 * Makes a new folder under /tmp the working directory; unit_finish removes it
 * and the files in it.
 */
void unit_enter_empty_folder(void);

/* The first argument, if there is one, is the program's name in the report. */
void unit_start(int argc, char **argv);

/* Ends the report. Returns main's exit status. */
int unit_finish(void);

#endif
