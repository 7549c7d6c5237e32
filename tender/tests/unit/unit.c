/* SPDX-License-Identifier: ISC */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define TEST_FAILED 201
#define TEST_TIMEOUT_S 30

static const char *program = "";
static int run, failed;

void unit_expect(bool ok, const char *file, int line, const char *condition)
{
    if (ok)
        return;
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    _exit(TEST_FAILED);
}

static int status_of(int wait_status)
{
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
                                    : WEXITSTATUS(wait_status);
}

static int wait_for(pid_t child)
{
    int wait_status;

    waitpid(child, &wait_status, 0);
    return status_of(wait_status);
}

static _Noreturn void run_child(FILE *console, FILE *errors,
        void (*code)(void *arg), void *arg)
{
    dup2(fileno(console), STDOUT_FILENO);
    dup2(fileno(errors), STDERR_FILENO);
    code(arg);
    _exit(UNIT_RETURNED);
}

static void read_back(FILE *file, char *text, size_t size)
{
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

void unit_run(struct unit_ending *ending, void (*code)(void *arg), void *arg)
{
    FILE *console = tmpfile(), *errors = tmpfile();
    pid_t child = fork();

    if (child == 0)
        run_child(console, errors, code, arg);
    ending->status = wait_for(child);
    read_back(console, ending->console, sizeof(ending->console));
    read_back(errors, ending->errors, sizeof(ending->errors));
}

void unit_expect_ending(void (*code)(void *arg), void *arg, int status,
        const char *text, const char *file, int line)
{
    struct unit_ending ending;

    unit_run(&ending, code, arg);
    if (ending.status == status && strstr(ending.errors, text) != NULL)
        return;
    fprintf(stderr, "%s:%d: expected status %d and \"%s\"; got %d and \"%s\"\n",
            file, line, status, text, ending.status, ending.errors);
    _exit(TEST_FAILED);
}

/* Flushed, or the next child would inherit the text and print it again. */
static void report(bool ok, const char *name, const char *remark)
{
    run++;
    failed += !ok;
    printf("%sok %d - %s: %s%s\n", ok ? "" : "not ", run, program, name, remark);
    fflush(stdout);
}

static _Noreturn void end_test(void)
{
    fflush(NULL);
    _exit(0);
}

void unit_test_row(const char *name, void (*test)(const void *row),
        const void *row)
{
    pid_t child = fork();

    if (child == 0) {
        alarm(TEST_TIMEOUT_S);
        test(row);
        end_test();
    }
    report(wait_for(child) == 0, name, "");
}

static void call_without_row(const void *test)
{
    (*(void (*const *)(void))test)();
}

void unit_test(const char *name, void (*test)(void))
{
    unit_test_row(name, call_without_row, &test);
}

void unit_skip(const char *name, const char *why)
{
    char remark[256];

    snprintf(remark, sizeof(remark), " # SKIP %s", why);
    report(true, name, remark);
}

static char folder[] = "/tmp/solo5-hvt-unit-XXXXXX";
static bool has_folder;

void unit_enter_empty_folder(void)
{
    has_folder = mkdtemp(folder) != NULL && chdir(folder) == 0;
    if (!has_folder) {
        perror(folder);
        exit(1);
    }
}

static int remove_file(const char *path, const struct stat *st, int type,
        struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_folder(void)
{
    if (chdir("/") != 0 || nftw(folder, remove_file, 16, FTW_DEPTH | FTW_PHYS) != 0)
        perror(folder);
}

void unit_start(int argc, char **argv)
{
    program = argc > 1 ? argv[1] : argv[0];
}

int unit_finish(void)
{
    if (has_folder)
        remove_folder();
    printf("1..%d\n", run);
    return failed == 0 ? 0 : 1;
}
