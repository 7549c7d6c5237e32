/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <linux/gpio.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_gpiochip.h"
#include "unit.h"

struct line {
    int fd;    /* the holder's end of a socket, 0 for never requested, */
    int other; /* and ours: it says when all copies of the holder's are closed */
    bool is_output;
    char consumer[GPIO_MAX_NAME_SIZE];
};

struct fake_gpiochip_defect fake_gpiochip_defect;

static struct line lines[FAKE_GPIOCHIP_LINES];
static char the_log[4096];

static void make_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    EXPECT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

void fake_gpiochip_make(void)
{
    EXPECT(system("rm -rf dev") == 0 && mkdir("dev", 0700) == 0);
    make_file("dev/gpiochip0", "raspberrypi-exp-gpio");
    make_file("dev/gpiochip1", "pinctrl-bcm2835");
    make_file("dev/null", "");
}

bool fake_gpiochip_is_held(unsigned line)
{
    struct pollfd end = { .fd = lines[line].other };

    return lines[line].fd != 0 && poll(&end, 1, 0) == 0;
}

const char *fake_gpiochip_log(void)
{
    return the_log;
}

__attribute__((format(printf, 1, 2)))
static void keep_log(const char *format, ...)
{
    size_t used = strlen(the_log);
    va_list args;

    va_start(args, format);
    vsnprintf(the_log + used, sizeof(the_log) - used, format, args);
    va_end(args);
}

/* ---- What a chip does ---------------------------------------------------- */

static int get_chip_info(int fd, struct gpiochip_info *info)
{
    memset(info, 0, sizeof(*info));
    if (pread(fd, info->label, sizeof(info->label) - 1, 0) <= 0)
        return ENOTTY; /* no chip */
    info->lines = FAKE_GPIOCHIP_LINES;
    return 0;
}

static int get_line_info(struct gpio_v2_line_info *info)
{
    if (info->offset >= FAKE_GPIOCHIP_LINES)
        return EINVAL;
    if (fake_gpiochip_is_held(info->offset))
        memcpy(info->consumer, lines[info->offset].consumer, GPIO_MAX_NAME_SIZE);
    return 0;
}

static int make_line(struct line *line, struct gpio_v2_line_request *request)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    line->fd = request->fd = ends[0];
    line->other = ends[1];
    line->is_output = true;
    memcpy(line->consumer, request->consumer, GPIO_MAX_NAME_SIZE);
    return 0;
}

/* Of all that the interface can do, only what the tender asks for. */
static bool is_one_output(const struct gpio_v2_line_request *request)
{
    const struct gpio_v2_line_config *config = &request->config;

    return request->num_lines == 1 && config->flags == GPIO_V2_LINE_FLAG_OUTPUT &&
            config->num_attrs == 1 && config->attrs[0].mask == 1 &&
            config->attrs[0].attr.id == GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
}

static int get_line(struct gpio_v2_line_request *request)
{
    unsigned line = request->offsets[0];

    if (line >= FAKE_GPIOCHIP_LINES || !is_one_output(request))
        return EINVAL;
    if (fake_gpiochip_is_held(line))
        return EBUSY;
    keep_log("%u %.32s output %llu\n", line, request->consumer,
            (unsigned long long)request->config.attrs[0].attr.values);
    return make_line(&lines[line], request);
}

/* ---- What a line does ---------------------------------------------------- */

static struct line *line_of(int fd)
{
    for (size_t i = 0; i < FAKE_GPIOCHIP_LINES; i++)
        if (lines[i].fd == fd)
            return &lines[i];
    return NULL;
}

static int set_values(struct line *line, const struct gpio_v2_line_values *values)
{
    if (line == NULL || values->mask != 1)
        return EINVAL;
    if (!line->is_output)
        return EPERM;
    keep_log("%td %llu\n", line - lines, (unsigned long long)values->bits);
    return 0;
}

static int set_config(struct line *line, const struct gpio_v2_line_config *config)
{
    if (line == NULL || config->flags != GPIO_V2_LINE_FLAG_INPUT)
        return EINVAL;
    line->is_output = false;
    keep_log("%td input\n", line - lines);
    return 0;
}

/* ---- Dispatch ------------------------------------------------------------ */

static int answer(int fd, unsigned long request, void *arg)
{
    if (request == fake_gpiochip_defect.request)
        return fake_gpiochip_defect.error;
    switch (request) {
    case GPIO_GET_CHIPINFO_IOCTL:
        return get_chip_info(fd, arg);
    case GPIO_V2_GET_LINEINFO_IOCTL:
        return get_line_info(arg);
    case GPIO_V2_GET_LINE_IOCTL:
        return get_line(arg);
    case GPIO_V2_LINE_SET_VALUES_IOCTL:
        return set_values(line_of(fd), arg);
    case GPIO_V2_LINE_SET_CONFIG_IOCTL:
        return set_config(line_of(fd), arg);
    default:
        return ENOTTY;
    }
}

int fake_gpiochip_ioctl(int fd, unsigned long request, void *arg)
{
    errno = answer(fd, request, arg);
    return errno == 0 ? 0 : -1;
}
