/* SPDX-License-Identifier: ISC */
/*
 * resident.c OUTPUT COMMAND...: how much memory a waiting tender has in use.
 *
 * Starts COMMAND, a tender with stamps.c whose guest says "waiting", with its
 * output in the file OUTPUT; prints in KiB what is resident of the tender and of
 * its children together, and how much of it is the guest's memory; ends it.
 *
 * The kernel's list of mappings cannot tell the guest's memory from what lies
 * beside it, so pages are counted one by one in /proc/PID/pagemap (bit 63: present).
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PRESENT (UINT64_C(1) << 63)
#define TRIES   2000 /* of 10 ms each */

static char output_text[65536];

static pid_t start(const char *output, char **command)
{
    pid_t pid = fork();
    int fd;

    if (pid < 0)
        err(1, "fork");
    if (pid > 0)
        return pid;
    fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(126);
    execv(command[0], command);
    _exit(127);
}

static void read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0, used = 0;

    while (fd >= 0 && (n = read(fd, text + used, size - 1 - (size_t)used)) > 0)
        used += n;
    text[used] = '\0';
    if (fd >= 0)
        close(fd);
}

static void await_guest(const char *output)
{
    struct timespec step = { .tv_nsec = 10000000 };

    for (int i = 0; i < TRIES; i++) {
        read_text(output, output_text, sizeof(output_text));
        if (strstr(output_text, "waiting") != NULL)
            return;
        nanosleep(&step, NULL);
    }
    errx(1, "the guest does not say 'waiting', see %s", output);
}

static uint64_t resident_kib(pid_t pid)
{
    char path[64], text[4096];
    const char *rss;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    read_text(path, text, sizeof(text));
    rss = strstr(text, "\nRss:");
    if (rss == NULL)
        errx(1, "%s: cannot be read", path);
    return strtoull(rss + strlen("\nRss:"), NULL, 10);
}

static uint64_t children_kib(pid_t pid)
{
    char path[64], text[4096], *word, *rest = text;
    uint64_t kib = 0;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    if (access(path, R_OK) != 0)
        err(1, "%s", path);
    read_text(path, text, sizeof(text));
    while ((word = strsep(&rest, " ")) != NULL)
        if (*word != '\0')
            kib += resident_kib(atoi(word));
    return kib;
}

static uint64_t guest_kib(pid_t pid)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), base, size, entry, count = 0;
    const char *place = strstr(output_text, "guest memory,");
    char path[64];
    int fd;

    if (place == NULL || sscanf(place, "guest memory,%" SCNu64 ",%" SCNu64, &base,
            &size) != 2)
        errx(1, "the tender does not say where guest memory is");
    snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        err(1, "%s", path);
    for (uint64_t i = base / page; i < (base + size) / page; i++) {
        if (pread(fd, &entry, sizeof(entry), (off_t)(i * sizeof(entry))) !=
                sizeof(entry))
            err(1, "%s", path);
        count += (entry & PRESENT) != 0;
    }
    close(fd);
    return count * page / 1024;
}

int main(int argc, char **argv)
{
    pid_t pid;

    if (argc < 3)
        errx(2, "usage: %s OUTPUT COMMAND...", argv[0]);
    unlink(argv[1]); /* an older run's guest said "waiting", too */
    pid = start(argv[1], argv + 2);
    await_guest(argv[1]);
    printf("%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", resident_kib(pid),
            children_kib(pid), guest_kib(pid));
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return 0;
}
