/* SPDX-License-Identifier: ISC */
/*
 * race.c: runs commands by turns, and tells how long each run took.
 *
 *   race RUNS PREFIX MARKER -- COMMAND... [-- COMMAND...]
 *
 * By turns, so that whatever else the machine does hits all of them alike. What
 * command number N writes goes to the file PREFIX.N. MARKER is a file that holds
 * 1 while a command runs and 0 otherwise, such as the value of a GPIO line that
 * an observer watches; "" for none. For each run one line: N, start and duration
 * in ns, by CLOCK_MONOTONIC. A command that fails ends the race.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 4
#define SPLIT "--"

extern char **environ;

static int marker = -1;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void mark(const char *level)
{
    if (marker >= 0 && pwrite(marker, level, 1, 0) != 1)
        err(1, "cannot move the marker");
}

static pid_t start(char **command, const char *output)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int error;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output,
            O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    error = posix_spawn(&pid, command[0], &actions, NULL, command, environ);
    if (error != 0)
        errx(1, "%s: %s", command[0], strerror(error));
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void run(int number, char **command, const char *prefix)
{
    char output[256];
    uint64_t started_ns;
    int status;

    snprintf(output, sizeof(output), "%s.%d", prefix, number);
    mark("1");
    started_ns = now_ns();
    if (waitpid(start(command, output), &status, 0) < 0)
        err(1, "waitpid");
    printf("%d,%" PRIu64 ",%" PRIu64 "\n", number, started_ns,
            now_ns() - started_ns);
    mark("0");
    if (status != 0)
        errx(1, "%s: wait status 0x%x, see %s", command[0], status, output);
}

/* Cuts the words at each "--"; returns how many commands there are. */
static int split(char **words, char **commands[COMMANDS_MAX])
{
    int count = 0;

    for (; *words != NULL; words++) {
        if (strcmp(*words, SPLIT) != 0)
            continue;
        if (count == COMMANDS_MAX)
            errx(2, "more than %d commands", COMMANDS_MAX);
        commands[count++] = words + 1;
        *words = NULL;
    }
    return count;
}

int main(int argc, char **argv)
{
    char **commands[COMMANDS_MAX];
    int count = argc > 4 ? split(argv + 4, commands) : 0;

    if (count == 0)
        errx(2, "usage: %s RUNS PREFIX MARKER -- COMMAND... [-- COMMAND...]",
                argv[0]);
    if (argv[3][0] != '\0' && (marker = open(argv[3], O_WRONLY | O_CLOEXEC)) < 0)
        err(1, "%s", argv[3]);
    for (int turn = atoi(argv[1]); turn > 0; turn--)
        for (int i = 0; i < count; i++)
            run(i, commands[i], argv[2]);
    return 0;
}
