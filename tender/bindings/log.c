/* SPDX-License-Identifier: ISC */

#include "bindings.h"
#include "format.h"
#include "lib.h"

#define LINE_SIZE   256 /* the trap path must live on a 4 KiB stack */
#define OPTION      "--solo5:"
#define OPTION_SIZE (sizeof OPTION - 1)

static const char *const level_names[] = {
    [LOG_QUIET] = "quiet",
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static enum log_level threshold = LOG_INFO;

static void write_line(const char *prefix, const char *fmt, va_list args)
{
    char line[LINE_SIZE];
    size_t n = format(line, sizeof line, "Solo5: %s", prefix);

    n += vformat(line + n, sizeof line - n - 1, fmt, args);
    line[n++] = '\n';
    solo5_console_write(line, n);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    va_list args;

    if (level > threshold)
        return;
    va_start(args, fmt);
    write_line("", fmt, args);
    va_end(args);
}

void fatal(const void *cookie, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line("ABORT: ", fmt, args);
    va_end(args);
    halt(SOLO5_EXIT_ABORT, cookie);
}

static size_t word_length(const char *text)
{
    size_t n = 0;

    while (text[n] && text[n] != ' ' && text[n] != '\t')
        n++;
    return n;
}

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

static bool set_threshold(const char *name, size_t size)
{
    for (enum log_level i = LOG_QUIET; i <= LOG_DEBUG; i++) {
        if (strlen(level_names[i]) == size && !memcmp(level_names[i], name, size)) {
            threshold = i;
            return true;
        }
    }
    return false;
}

const char *log_options(const char *cmdline)
{
    cmdline = skip_blanks(cmdline);
    while (!strncmp(cmdline, OPTION, OPTION_SIZE)) {
        size_t size = word_length(cmdline);

        if (!set_threshold(cmdline + OPTION_SIZE, size - OPTION_SIZE))
            fatal(NULL, "unknown option at '%s'; there are " OPTION
                    "quiet, error, warn, info and debug", cmdline);
        cmdline = skip_blanks(cmdline + size);
    }
    return cmdline;
}
