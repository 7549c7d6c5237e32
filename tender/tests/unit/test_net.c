/* SPDX-License-Identifier: ISC */
/*
 * Network devices and POLL, on pairs of sockets; and on taps, in a network of
 * the test's own, where root and /dev/net/tun are to be had.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hvt_internal.h"
#include "unit.h"

#define MEM_SIZE  UINT64_C(0x400000)
#define ARG       UINT64_C(0x200000)
#define BUFFER    UINT64_C(0x201000)
#define READ_ONLY UINT64_C(0x300000)
#define NS_PER_MS UINT64_C(1000000)

#define FAR_FD 100 /* the parent's descriptors have these numbers */

static struct hvt hvt;
static struct mft *mft;
static int near; /* the other end of net0 */

/* net0 (handle 1), a LED (2), net1 (3). */
static void make_manifest(void)
{
    static const struct mft_entry entries[] = {
        { .type = MFT_RESERVED_FIRST },
        { .name = "net0", .type = MFT_DEV_NET_BASIC },
        { .name = "led0", .type = MFT_DEV_LED_BASIC },
        { .name = "net1", .type = MFT_DEV_NET_BASIC },
    };

    mft = calloc(1, MFT_SIZE(4));
    mft->version = MFT_VERSION;
    mft->entries = 4;
    memcpy(mft->e, entries, sizeof(entries));
}

static void attach(const char *const options[])
{
    make_manifest();
    for (int i = 0; options[i] != NULL; i++)
        EXPECT(hvt_modules_handle_cmdarg(options[i], mft));
    hvt_signals_init();
    hvt_mem_init(&hvt.mem, MEM_SIZE);
    hvt_mem_protect(&hvt.mem, READ_ONLY, READ_ONLY + 0x1000, HVT_ACCESS_READ);
    hvt_core_init();
    hvt_modules_setup(&hvt, mft);
}

/* Returns the near end; the far one becomes descriptor `far`. */
static int make_wire(int far)
{
    int fds[2];

    EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    EXPECT(dup2(fds[1], far) == far && close(fds[1]) == 0);
    return fds[0];
}

static void attach_net0(void)
{
    near = make_wire(FAR_FD);
    attach((const char *[]){ "--net:net0=@100", NULL });
}

static int attach_both(void)
{
    int other = make_wire(FAR_FD + 1);

    near = make_wire(FAR_FD);
    attach((const char *[]){ "--net:net1=@101", "--net:net0=@100", NULL });
    return other;
}

/* ---- Options ------------------------------------------------------------- */

struct row {
    const char *name;
    const char *options[3];
    int status;
    const char *says;
};

#define BAD_MAC "must be one station's address, such as 02:00:00:12:34:56"

/* Descriptor 100 is a socket of packets, 102 one of a stream, 103 a file. */
static const struct row rows[] = {
    { "a socket", { "--net:net0=@100" }, UNIT_RETURNED, "" },
    { "no descriptor", { "--net:net0=@99" }, 1, "descriptor 99: Bad file descriptor" },
    { "a stream", { "--net:net0=@102" }, 1, "descriptor 102 is neither a tap" },
    { "a file", { "--net:net0=@103" }, 1, "descriptor 103 is neither a tap" },
    { "a tap without interface", { "--net:net0=@104" }, 1, "descriptor 104 is neither a tap" },
    { "no number", { "--net:net0=@x" }, 1, "'x' is no descriptor's number" },
    { "no number at all", { "--net:net0=@" }, 1, "'' is no descriptor's number" },
    { "negative", { "--net:net0=@-1" }, 1, "'-1' is no descriptor's number" },
    { "number that wraps", { "--net:net0=@4294967396" }, 1, "is no descriptor's number" },
    { "no such interface", { "--net:net0=nosuchtap" }, 1,
        "no interface 'nosuchtap': No such device; make it with: ip tuntap add" },
    { "interface's name too long", { "--net:net0=nosuchinterface0" }, 1,
        "an interface's name has 1 to 15 characters" },
    { "interface without name", { "--net:net0=" }, 1, "1 to 15 characters" },
    { "given twice", { "--net:net0=@100", "--net:net0=@100" }, 1,
        "net0 has been given an interface already" },
    { "name not declared", { "--net:net2=@100" }, 1, "Resource not declared in manifest" },
    { "name of another type", { "--net:led0=@100" }, 1, "no NET_BASIC 'led0'" },
    { "address of a name not declared", { "--net-mac:net2=02:00:00:00:00:01" }, 1,
        "Resource not declared in manifest" },
    { "address", { "--net-mac:net0=02:00:00:00:00:01" }, UNIT_RETURNED, "" },
    { "address too short", { "--net-mac:net0=02:00:00:00:00" }, 1, BAD_MAC },
    { "address too long", { "--net-mac:net0=02:00:00:00:00:01:02" }, 1, BAD_MAC },
    { "address with a long byte", { "--net-mac:net0=002:00:00:00:00:01" }, 1, BAD_MAC },
    { "address not hexadecimal", { "--net-mac:net0=02:00:00:00:00:0g" }, 1, BAD_MAC },
    { "address with a sign", { "--net-mac:net0=02:00:00:00:00:-1" }, 1, BAD_MAC },
    { "address with a gap", { "--net-mac:net0=02::00:00:00:01" }, 1, BAD_MAC },
    { "address of a group", { "--net-mac:net0=03:00:00:00:00:01" }, 1, BAD_MAC },
    { "no address", { "--net-mac:net0=" }, 1, BAD_MAC },
};

static void make_wrong_descriptors(void)
{
    int fds[2];

    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && dup2(fds[0], 102) == 102);
    EXPECT(dup2(open("/dev/zero", O_RDWR), 103) == 103);
    dup2(open("/dev/net/tun", O_RDWR), 104); /* fails without rights, as it should */
}

static void attach_row(void *arg)
{
    const struct row *row = arg;

    near = make_wire(FAR_FD);
    make_wrong_descriptors();
    attach(row->options);
}

static void test_row(const void *arg)
{
    const struct row *row = arg;

    if (strstr(row->options[0], "@104") != NULL && access("/dev/net/tun", R_OK | W_OK) != 0)
        return;
    EXPECT_ENDING(attach_row, (void *)arg, row->status, row->says);
}

static const uint8_t *mac_after(const char *option)
{
    near = make_wire(FAR_FD);
    attach((const char *[]){ "--net:net0=@100", option, NULL });
    return mft->e[1].u.net_basic.mac;
}

static void the_address_is_what_the_operator_says(void)
{
    EXPECT(memcmp(mac_after("--net-mac:net0=2:0:aB:12:34:f"),
            (uint8_t[]){ 0x02, 0, 0xab, 0x12, 0x34, 0x0f }, 6) == 0);
}

static void the_address_may_stand_before_the_interface(void)
{
    near = make_wire(FAR_FD);
    attach((const char *[]){ "--net-mac:net0=02:00:00:00:00:05", "--net:net0=@100", NULL });
    EXPECT(mft->e[1].u.net_basic.mac[5] == 5 && mft->e[1].attached);
}

static void without_an_address_there_is_a_random_local_one(void)
{
    const uint8_t *mac = mac_after("--net-mac:net0=00:00:00:00:00:00");

    EXPECT((mac[0] & 3) == 2);
    EXPECT(memcmp(mac, (uint8_t[]){ 2, 0, 0, 0, 0, 0 }, 6) != 0);
}

static void two_devices_have_two_addresses(void)
{
    attach_both();
    EXPECT(memcmp(mft->e[1].u.net_basic.mac, mft->e[3].u.net_basic.mac, 6) != 0);
    EXPECT(mft->e[1].u.net_basic.mtu == 1500 && mft->e[1].attached && mft->e[3].attached);
    EXPECT(!mft->e[2].attached);
}

static void descriptors_are_not_passed_on(void)
{
    attach_net0();
    EXPECT((fcntl(FAR_FD, F_GETFD) & FD_CLOEXEC) != 0);
}

/* ---- Frames -------------------------------------------------------------- */

static struct hvt_hc_net_read transfer(unsigned nr, uint64_t handle, hvt_gpa_t data,
        uint64_t len)
{
    struct hvt_hc_net_read hc = { .handle = handle, .data = data, .len = len, .ret = -1 };

    hvt_guest_write(&hvt, ARG, &hc, sizeof(hc));
    hvt_core_dispatch(&hvt, nr, ARG);
    hvt_guest_read(&hvt, ARG, &hc, sizeof(hc));
    return hc;
}

#define WRITE HVT_HYPERCALL_NET_WRITE
#define READ  HVT_HYPERCALL_NET_READ

static void frames_go_out_as_they_are(void)
{
    char frame[64];

    attach_net0();
    hvt_guest_write(&hvt, BUFFER, "frame", 5);
    EXPECT(transfer(WRITE, 1, BUFFER, 5).ret == HVT_R_OK);
    EXPECT(recv(near, frame, sizeof(frame), 0) == 5 && memcmp(frame, "frame", 5) == 0);
}

static void frames_come_in_one_at_a_time(void)
{
    struct hvt_hc_net_read hc;
    char frame[8] = "";

    attach_net0();
    EXPECT(send(near, "first", 5, 0) == 5 && send(near, "second", 6, 0) == 6);
    hc = transfer(READ, 1, BUFFER, 1514);
    EXPECT(hc.ret == HVT_R_OK && hc.len == 5);
    hc = transfer(READ, 1, BUFFER, 1514);
    EXPECT(hc.ret == HVT_R_OK && hc.len == 6);
    hvt_guest_read(&hvt, BUFFER, frame, 6);
    EXPECT(strcmp(frame, "second") == 0);
}

static void without_a_frame_reading_does_not_wait(void)
{
    struct hvt_hc_net_read hc;

    attach_net0();
    hc = transfer(READ, 1, BUFFER, 1514);
    EXPECT(hc.ret == HVT_R_AGAIN && hc.len == 1514);
}

static void a_long_frame_is_cut(void)
{
    struct hvt_hc_net_read hc;
    char frame[8];

    attach_net0();
    hvt_guest_write(&hvt, BUFFER, "......", 6);
    EXPECT(send(near, "second", 6, 0) == 6);
    hc = transfer(READ, 1, BUFFER, 3);
    EXPECT(hc.ret == HVT_R_OK && hc.len == 3);
    hvt_guest_read(&hvt, BUFFER, frame, 6);
    EXPECT(memcmp(frame, "sec...", 6) == 0);
    EXPECT(transfer(READ, 1, BUFFER, 8).ret == HVT_R_AGAIN);
}

static void a_wire_that_takes_no_more_says_again(void)
{
    int32_t ret = HVT_R_OK;

    attach_net0();
    for (int i = 0; i < 100000 && ret == HVT_R_OK; i++)
        ret = transfer(WRITE, 1, BUFFER, 1514).ret;
    EXPECT(ret == HVT_R_AGAIN);
}

static void write_to_nobody(void *arg)
{
    (void)arg;
    attach_net0();
    close(near);
    transfer(WRITE, 1, BUFFER, 60);
}

/* Whoever closes a socket without reading all of it has reset the connection. */
static void read_from_nobody(void *arg)
{
    (void)arg;
    attach_net0();
    transfer(WRITE, 1, BUFFER, 60);
    close(near);
    transfer(READ, 1, BUFFER, 60);
}

static void a_wire_that_broke_ends_the_guest(void)
{
    EXPECT_ENDING(write_to_nobody, NULL, 1,
            "Network device 'net0': cannot send a frame of 60 bytes: Broken pipe");
    EXPECT_ENDING(read_from_nobody, NULL, 1, "Network device 'net0': cannot receive a "
            "frame of 60 bytes: Connection reset by peer");
}

static void handles_of_no_network_device_are_refused(void)
{
    static const uint64_t handles[] = { 0, 2, 3, MFT_MAX_ENTRIES,
        UINT64_C(1) << 32 | 1, UINT64_MAX };

    attach_net0();
    EXPECT(send(near, "frame", 5, 0) == 5);
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        EXPECT(transfer(READ, handles[i], BUFFER, 60).ret == HVT_R_EINVAL);
        EXPECT(transfer(WRITE, handles[i], BUFFER, 60).ret == HVT_R_EINVAL);
    }
    EXPECT(recv(near, &hvt, 1, 0) < 0 && errno == EAGAIN);
    EXPECT(transfer(READ, 1, BUFFER, 60).len == 5);
}

static void devices_are_told_apart_by_their_handles(void)
{
    int other = attach_both();
    char frame[8];

    EXPECT(transfer(WRITE, 3, BUFFER, 5).ret == HVT_R_OK);
    EXPECT(recv(near, frame, sizeof(frame), 0) < 0 && recv(other, frame, 8, 0) == 5);
}

struct abuse {
    unsigned nr;
    hvt_gpa_t data;
    uint64_t len;
};

static void abuse(void *arg)
{
    const struct abuse *abuse = arg;

    attach_net0();
    EXPECT(send(near, "frame", 5, 0) == 5);
    transfer(abuse->nr, 1, abuse->data, abuse->len);
}

static void buffers_are_checked_for_what_is_done_to_them(void)
{
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, READ_ONLY, 60 }), 1, "not writable");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, READ_ONLY - 59, 60 }), 1, "not writable");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, 0x2000, 60 }), 1, "not writable");
    EXPECT_ENDING(abuse, (&(struct abuse){ WRITE, READ_ONLY, 60 }), UNIT_RETURNED, "");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, MEM_SIZE - 60, 60 }), 1, "outside");
    EXPECT_ENDING(abuse, (&(struct abuse){ READ, MEM_SIZE - 61, 60 }), UNIT_RETURNED, "");
    EXPECT_ENDING(abuse, (&(struct abuse){ WRITE, MEM_SIZE - 60, 60 }), 1, "outside");
    EXPECT_ENDING(abuse, (&(struct abuse){ WRITE, BUFFER, UINT64_MAX }), 1, "outside");
}

static void read_without_device(void *arg)
{
    (void)arg;
    attach((const char *[]){ NULL });
    transfer(READ, 1, BUFFER, 60);
}

static void without_a_device_there_is_no_hypercall(void)
{
    EXPECT_ENDING(read_without_device, NULL, 1, "invalid guest hypercall: num=7");
}

/* ---- POLL ---------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void expect_poll(uint64_t timeout_nsecs, int32_t ret, uint64_t ready_set)
{
    struct hvt_hc_poll hc = { timeout_nsecs, UINT64_MAX, -1 };

    hvt_guest_write(&hvt, ARG, &hc, sizeof(hc));
    hvt_core_dispatch(&hvt, HVT_HYPERCALL_POLL, ARG);
    hvt_guest_read(&hvt, ARG, &hc, sizeof(hc));
    EXPECT(hc.ret == ret && hc.ready_set == ready_set);
}

/* A hang would be ended by the test's time limit; so would a wait for ever. */
static void poll_tells_what_can_be_read_until_it_is_read(void)
{
    int other = attach_both();

    expect_poll(0, 0, 0);
    EXPECT(send(other, "a", 1, 0) == 1);
    expect_poll(UINT64_MAX, 1, 1 << 3);
    EXPECT(send(near, "a", 1, 0) == 1 && send(near, "b", 1, 0) == 1);
    expect_poll(UINT64_MAX, 2, 1 << 3 | 1 << 1);
    transfer(READ, 3, BUFFER, 60);
    transfer(READ, 1, BUFFER, 60);
    expect_poll(0, 1, 1 << 1);
    transfer(READ, 1, BUFFER, 60);
    expect_poll(0, 0, 0);
}

static void poll_waits_as_long_as_it_should(void)
{
    uint64_t before = now_ns();

    attach_net0();
    before = now_ns();
    expect_poll(30 * NS_PER_MS, 0, 0);
    EXPECT(now_ns() - before >= 30 * NS_PER_MS);
    before = now_ns();
    expect_poll(1000 * NS_PER_MS - 1, 0, 0);
    EXPECT(now_ns() - before >= 1000 * NS_PER_MS - 1);
}

static void a_timeout_that_is_over_does_not_shorten_the_next(void)
{
    uint64_t before;

    attach_net0();
    expect_poll(1, 0, 0);
    expect_poll(0, 0, 0);
    before = now_ns();
    expect_poll(20 * NS_PER_MS, 0, 0);
    EXPECT(now_ns() - before >= 20 * NS_PER_MS);
}

static void poll_ends_when_a_frame_comes(void)
{
    attach_net0();
    if (fork() == 0) {
        usleep(50000);
        _exit(send(near, "frame", 5, 0) != 5);
    }
    expect_poll(UINT64_MAX, 1, 1 << 1);
    wait(NULL);
}

static void poll_survives_being_stopped_and_continued(void)
{
    pid_t tender = getpid();
    uint64_t before;

    attach_net0();
    before = now_ns();
    if (fork() == 0) {
        usleep(20000);
        kill(tender, SIGSTOP);
        usleep(20000);
        _exit(kill(tender, SIGCONT));
    }
    expect_poll(100 * NS_PER_MS, 0, 0);
    EXPECT(now_ns() - before >= 100 * NS_PER_MS);
    wait(NULL);
}

static void poll_for_ever(void *arg)
{
    struct itimerval soon = { .it_value = { .tv_usec = 50000 } };

    (void)arg;
    attach_net0();
    setitimer(ITIMER_REAL, &soon, NULL);
    expect_poll(UINT64_MAX, 0, 0);
}

static void poll_can_be_interrupted_by_an_ending(void)
{
    EXPECT_ENDING(poll_for_ever, NULL, 1, "Exiting on signal 14");
}

static void a_wire_that_broke_is_reported_rather_than_waited_for(void)
{
    attach_net0();
    close(near);
    expect_poll(UINT64_MAX, 1, 1 << 1);
    EXPECT(transfer(READ, 1, BUFFER, 60).ret == HVT_R_AGAIN);
}

static void register_handle(void *handle)
{
    hvt_register_pollfd(STDIN_FILENO, *(uint64_t *)handle);
}

static void a_handle_that_is_no_bit_cannot_be_polled(void)
{
    EXPECT_ENDING(register_handle, &(uint64_t){ MFT_MAX_ENTRIES - 1 }, UNIT_RETURNED, "");
    EXPECT_ENDING(register_handle, &(uint64_t){ MFT_MAX_ENTRIES }, 1,
            "Handle 64 cannot be polled");
}

static void sixty_three_devices_are_not_too_many(void)
{
    char option[32];

    mft = calloc(1, MFT_SIZE(MFT_MAX_ENTRIES));
    mft->entries = MFT_MAX_ENTRIES;
    for (unsigned i = 1; i < MFT_MAX_ENTRIES; i++) {
        mft->e[i].type = MFT_DEV_NET_BASIC;
        snprintf(mft->e[i].name, MFT_NAME_SIZE, "net%u", i);
        snprintf(option, sizeof(option), "--net:net%u=@%u", i, FAR_FD + i);
        near = make_wire(FAR_FD + (int)i);
        EXPECT(hvt_modules_handle_cmdarg(option, mft));
    }
    hvt_mem_init(&hvt.mem, MEM_SIZE);
    hvt_core_init();
    hvt_modules_setup(&hvt, mft);
    EXPECT(send(near, "frame", 5, 0) == 5);
    expect_poll(UINT64_MAX, 1, UINT64_C(1) << 63);
    for (unsigned i = 1; i < MFT_MAX_ENTRIES; i++) /* local, and of one station */
        EXPECT((mft->e[i].u.net_basic.mac[0] & 3) == 2);
}

/* ---- Taps ---------------------------------------------------------------- */

static void ask(unsigned long question, struct ifreq *request)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    EXPECT(fd >= 0 && ioctl(fd, question, request) == 0);
    close(fd);
}

/* The interface lasts as long as the descriptor. */
static int make_tap(short flags, bool up, int mtu)
{
    struct ifreq request = { .ifr_name = "tap0", .ifr_flags = flags };
    int fd = open("/dev/net/tun", O_RDWR);

    EXPECT(fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0);
    request.ifr_mtu = mtu;
    ask(SIOCSIFMTU, &request);
    request.ifr_flags = up ? IFF_UP : 0;
    ask(SIOCSIFFLAGS, &request);
    return fd;
}

static void a_tap_that_is_open_is_used_with_its_mtu(void)
{
    int fd = make_tap(IFF_TAP | IFF_NO_PI, true, 9000);
    char option[32];

    snprintf(option, sizeof(option), "--net:net0=@%d", fd);
    attach((const char *[]){ option, NULL });
    EXPECT(mft->e[1].u.net_basic.mtu == 9000);
    EXPECT((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    while (transfer(READ, 1, BUFFER, 9014).ret == HVT_R_OK)
        ; /* what the kernel sends of itself */
    EXPECT(transfer(WRITE, 1, BUFFER, 60).ret == HVT_R_OK);
}

static uint32_t segmentation_offload(void)
{
    struct ethtool_value value = { .cmd = ETHTOOL_GTSO };
    struct ifreq request = { .ifr_name = "tap0", .ifr_data = (void *)&value };

    ask(SIOCETHTOOL, &request);
    return value.data;
}

/* Else frames could come in that are longer than any buffer of the guest's. */
static void a_tap_segments_what_it_delivers(void)
{
    int fd = make_tap(IFF_TAP | IFF_NO_PI, true, 1500);
    char option[32];

    EXPECT(ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4)) == 0);
    EXPECT(segmentation_offload() == 1);
    snprintf(option, sizeof(option), "--net:net0=@%d", fd);
    attach((const char *[]){ option, NULL });
    EXPECT(segmentation_offload() == 0);
}

/* By its name, which the tender may use once nobody else does. */
static void attach_tap(bool up, short flags)
{
    int fd = make_tap(flags, up, 4000);

    EXPECT(ioctl(fd, TUNSETPERSIST, 1UL) == 0 && close(fd) == 0);
    attach((const char *[]){ "--net:net0=tap0", NULL });
}

static void a_tap_is_found_by_its_name(void)
{
    attach_tap(true, IFF_TAP | IFF_NO_PI);
    EXPECT(mft->e[1].u.net_basic.mtu == 4000);
    EXPECT(transfer(WRITE, 1, BUFFER, 60).ret == HVT_R_OK);
}

static void attach_tap_that_is_down(void *arg)
{
    (void)arg;
    attach_tap(false, IFF_TAP | IFF_NO_PI);
}

static void attach_tun(void *arg)
{
    (void)arg;
    attach_tap(true, IFF_TUN | IFF_NO_PI);
}

static void attach_used_tap(void *arg)
{
    (void)arg;
    make_tap(IFF_TAP | IFF_NO_PI, true, 1500);
    attach((const char *[]){ "--net:net0=tap0", NULL });
}

static void attach_tap_with_headers(void *flags)
{
    char option[32];

    snprintf(option, sizeof(option), "--net:net0=@%d", make_tap(*(short *)flags, true, 1500));
    attach((const char *[]){ option, NULL });
}

static void send_runt(void *arg)
{
    (void)arg;
    attach_tap(true, IFF_TAP | IFF_NO_PI);
    transfer(WRITE, 1, BUFFER, 5);
}

static void send_while_down(void *arg)
{
    struct ifreq request = { .ifr_name = "tap0" };

    (void)arg;
    attach_tap(true, IFF_TAP | IFF_NO_PI);
    ask(SIOCSIFFLAGS, &request);
    transfer(WRITE, 1, BUFFER, 60);
}

static void in_network_of_its_own(void *code)
{
    EXPECT(unshare(CLONE_NEWNET) == 0);
    (*(void (**)(void *))code)(NULL);
}

#define EXPECT_ENDING_IN_NETWORK(code, says) do { \
        void (*function)(void *) = (code); \
        EXPECT_ENDING(in_network_of_its_own, &function, 1, (says)); \
    } while (0)

static void interfaces_that_will_not_do_are_refused(void)
{
    EXPECT_ENDING_IN_NETWORK(attach_tap_that_is_down, "interface 'tap0' is down");
    EXPECT_ENDING_IN_NETWORK(attach_tun, "'tap0': Invalid argument; it is no tap");
    EXPECT_ENDING_IN_NETWORK(attach_used_tap, "busy; somebody else uses it");
}

static void taps_with_headers_are_refused(void)
{
    static short flags[] = { IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, IFF_TUN | IFF_NO_PI };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        EXPECT(unshare(CLONE_NEWNET) == 0);
        EXPECT_ENDING(attach_tap_with_headers, &flags[i], 1, "is neither a tap without IFF_VNET_HDR");
    }
}

static void frames_that_linux_refuses_end_the_guest(void)
{
    EXPECT_ENDING_IN_NETWORK(send_runt, "cannot send a frame of 5 bytes: Invalid argument");
    EXPECT_ENDING_IN_NETWORK(send_while_down, "cannot send a frame of 60 bytes: Input/output");
}

static bool can_make_taps(void)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(unshare(CLONE_NEWNET) != 0 || open("/dev/net/tun", O_RDWR) < 0);
    return waitpid(child, &status, 0) == child && status == 0;
}

static void run_alone(const void *test)
{
    EXPECT(unshare(CLONE_NEWNET) == 0);
    (*(void (*const *)(void))test)();
}

#define TEST_TAP(function) do { \
        void (*test)(void) = (function); \
        unit_test_row(#function, run_alone, &test); \
    } while (0)

static void run_tap_tests(void)
{
    TEST_TAP(a_tap_that_is_open_is_used_with_its_mtu);
    TEST_TAP(a_tap_segments_what_it_delivers);
    TEST_TAP(a_tap_is_found_by_its_name);
    TEST(interfaces_that_will_not_do_are_refused);
    TEST(taps_with_headers_are_refused);
    TEST(frames_that_linux_refuses_end_the_guest);
}

int main(int argc, char **argv)
{
    unit_start(argc, argv);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        unit_test_row(rows[i].name, test_row, &rows[i]);
    TEST(the_address_is_what_the_operator_says);
    TEST(the_address_may_stand_before_the_interface);
    TEST(without_an_address_there_is_a_random_local_one);
    TEST(two_devices_have_two_addresses);
    TEST(descriptors_are_not_passed_on);
    TEST(frames_go_out_as_they_are);
    TEST(frames_come_in_one_at_a_time);
    TEST(without_a_frame_reading_does_not_wait);
    TEST(a_long_frame_is_cut);
    TEST(a_wire_that_takes_no_more_says_again);
    TEST(a_wire_that_broke_ends_the_guest);
    TEST(handles_of_no_network_device_are_refused);
    TEST(devices_are_told_apart_by_their_handles);
    TEST(buffers_are_checked_for_what_is_done_to_them);
    TEST(without_a_device_there_is_no_hypercall);
    TEST(poll_tells_what_can_be_read_until_it_is_read);
    TEST(poll_waits_as_long_as_it_should);
    TEST(a_timeout_that_is_over_does_not_shorten_the_next);
    TEST(poll_ends_when_a_frame_comes);
    TEST(poll_survives_being_stopped_and_continued);
    TEST(poll_can_be_interrupted_by_an_ending);
    TEST(a_wire_that_broke_is_reported_rather_than_waited_for);
    TEST(a_handle_that_is_no_bit_cannot_be_polled);
    TEST(sixty_three_devices_are_not_too_many);
    if (can_make_taps())
        run_tap_tests();
    else
        unit_skip("all tests with taps", "needs root and /dev/net/tun");
    return unit_finish();
}
