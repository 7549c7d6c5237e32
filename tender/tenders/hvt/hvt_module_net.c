/* SPDX-License-Identifier: ISC */
/*
 * hvt_module_net.c: network devices, each a tap interface of the host.
 *
 * --net:NAME=IFACE gives the guest's NET_BASIC device NAME the tap IFACE, which
 * must exist and be up: the tender makes and configures no interfaces.
 * --net:NAME=@FD takes one that the parent has opened, or a socket that keeps
 * packets apart, which needs no rights at all. --net-mac:NAME=MAC names the
 * guest's address; otherwise it is a random one.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hvt.h"

#define TUN_DEVICE  "/dev/net/tun"
#define MTU_DEFAULT 1500

#define MAC_GROUP 0x01 /* of the first byte: not one station's */
#define MAC_LOCAL 0x02 /* not assigned by a manufacturer */

struct nic {
    const char *name; /* NULL: no device has this handle */
    int fd;
};

static struct nic nics[MFT_MAX_ENTRIES]; /* by handle */

/* ---- The host's interface ------------------------------------------------ */

/* Asks about the interface that `request` names. Returns 0 or an errno. */
static int ask_interface(unsigned long question, struct ifreq *request)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0 || ioctl(fd, question, request) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    return error;
}

static void require_up(const char *arg, const char *interface)
{
    struct ifreq request = { 0 };
    int error;

    strcpy(request.ifr_name, interface);
    error = ask_interface(SIOCGIFFLAGS, &request);
    if (error != 0)
        hvt_fail("%s: no interface '%s': %s; make it with: ip tuntap add %s mode "
                "tap", arg, interface, strerror(error), interface);
    if ((request.ifr_flags & (IFF_UP | IFF_RUNNING)) == 0)
        hvt_fail("%s: interface '%s' is down; bring it up with: ip link set %s up",
                arg, interface, interface);
}

static _Noreturn void refuse_tap(const char *arg, const char *interface, int error)
{
    const char *why = error == EBUSY ? "; somebody else uses it" :
            error == EINVAL ? "; it is no tap" :
            error == EPERM ? "; run as root or as the tap's owner" : "";

    hvt_fail("%s: cannot use interface '%s': %s%s", arg, interface,
            strerror(error), why);
}

static int open_tap(const char *arg, const char *interface)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    int fd;

    if (interface[0] == '\0' || strlen(interface) >= IFNAMSIZ)
        hvt_fail("%s: an interface's name has 1 to %d characters", arg,
                IFNAMSIZ - 1);
    require_up(arg, interface); /* or opening would make it */
    fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        hvt_fail("%s: cannot open " TUN_DEVICE ": %s", arg, strerror(errno));
    strcpy(request.ifr_name, interface);
    if (ioctl(fd, TUNSETIFF, &request) != 0)
        refuse_tap(arg, interface, errno);
    return fd;
}

/* ---- A descriptor of the parent's ---------------------------------------- */

static bool is_packet_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
            (type == SOCK_DGRAM || type == SOCK_SEQPACKET || type == SOCK_RAW);
}

/*
 * Whether frames pass through it without a header of Linux. Its other header,
 * which IFF_NO_PI leaves out, cannot be asked about: TUNGETIFF has another
 * meaning for that bit.
 */
static bool is_plain_tap(int fd)
{
    struct ifreq request = { 0 };

    return ioctl(fd, TUNGETIFF, &request) == 0 &&
            (request.ifr_flags & (IFF_TAP | IFF_VNET_HDR)) == IFF_TAP;
}

static int take_fd(const char *arg, const char *text)
{
    uint64_t number;
    int fd, flags;

    if (!hvt_parse_number(text, INT_MAX, &number))
        hvt_fail("%s: '%s' is no descriptor's number", arg, text);
    fd = (int)number;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        hvt_fail("%s: descriptor %d: %s", arg, fd, strerror(errno));
    if (!is_plain_tap(fd) && !is_packet_socket(fd))
        hvt_fail("%s: descriptor %d is neither a tap without IFF_VNET_HDR nor a "
                "socket of packets", arg, fd);
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
            fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        hvt_fail("%s: descriptor %d: %s", arg, fd, strerror(errno));
    return fd;
}

/* ---- The command line ---------------------------------------------------- */

/* A socket has none, nor does a tap in a network namespace that is not ours. */
static uint16_t mtu_of(int fd)
{
    struct ifreq request = { 0 };

    if (ioctl(fd, TUNGETIFF, &request) != 0 ||
            ask_interface(SIOCGIFMTU, &request) != 0)
        return MTU_DEFAULT;
    return request.ifr_mtu <= UINT16_MAX ? (uint16_t)request.ifr_mtu : UINT16_MAX;
}

static void attach(const char *arg, const char *value, struct mft_entry *entry,
        struct nic *nic)
{
    if (nic->name != NULL)
        hvt_fail("%s: %s has been given an interface already", arg, entry->name);
    nic->name = entry->name;
    nic->fd = value[0] == '@' ? take_fd(arg, value + 1) : open_tap(arg, value);
    /* Frames as they are on a wire; best effort, since a socket has no such. */
    ioctl(nic->fd, TUNSETOFFLOAD, 0UL);
    entry->u.net_basic.mtu = mtu_of(nic->fd);
    entry->attached = true;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    for (int i = 0; i < 6; i++) {
        char *end;
        unsigned long byte = strtoul(text, &end, 16);

        if (!isxdigit((unsigned char)text[0]) || end - text > 2 ||
                *end != (i < 5 ? ':' : '\0'))
            return false;
        mac[i] = (uint8_t)byte;
        text = end + 1;
    }
    return true;
}

static void set_mac(const char *arg, const char *value, struct mft_entry *entry)
{
    uint8_t *mac = entry->u.net_basic.mac;

    if (!parse_mac(value, mac) || (mac[0] & MAC_GROUP) != 0)
        hvt_fail("%s: must be one station's address, such as 02:00:00:12:34:56",
                arg);
}

static bool handle_cmdarg(const char *arg, struct mft *mft)
{
    struct mft_entry *entry;
    const char *value;

    entry = hvt_option_device(arg, "--net-mac:", mft, MFT_DEV_NET_BASIC, &value);
    if (entry != NULL) {
        set_mac(arg, value, entry);
        return true;
    }
    entry = hvt_option_device(arg, "--net:", mft, MFT_DEV_NET_BASIC, &value);
    if (entry != NULL)
        attach(arg, value, entry, &nics[entry - mft->e]);
    return entry != NULL;
}

static void say_how_to_attach(const char *name)
{
    hvt_say("Give it a tap interface: --net:%s=IFACE", name);
}

/* ---- The hypercalls ------------------------------------------------------ */

static const struct nic *nic_of(uint64_t handle)
{
    return handle < MFT_MAX_ENTRIES && nics[handle].name != NULL ? &nics[handle]
                                                                 : NULL;
}

static _Noreturn void frame_failed(const struct nic *nic, const char *verb,
        uint64_t size)
{
    hvt_fail("Network device '%s': cannot %s a frame of %llu bytes: %s", nic->name,
            verb, (unsigned long long)size, strerror(errno));
}

static void hypercall_net_write(struct hvt *hvt, void *arg)
{
    struct hvt_hc_net_write *hc = arg;
    const struct nic *nic = nic_of(hc->handle);
    const void *frame;
    ssize_t n;

    hc->ret = HVT_R_EINVAL;
    if (nic == NULL)
        return;
    frame = hvt_guest_readable(hvt, hc->data, hc->len);
    errno = EMSGSIZE; /* of a frame that goes out in part */
    n = write(nic->fd, frame, hc->len);
    if (n != (ssize_t)hc->len && errno != EAGAIN)
        frame_failed(nic, "send", hc->len);
    hc->ret = n == (ssize_t)hc->len ? HVT_R_OK : HVT_R_AGAIN;
}

static void hypercall_net_read(struct hvt *hvt, void *arg)
{
    struct hvt_hc_net_read *hc = arg;
    const struct nic *nic = nic_of(hc->handle);
    void *frame;
    ssize_t n;

    hc->ret = HVT_R_EINVAL;
    if (nic == NULL)
        return;
    frame = hvt_guest_writable(hvt, hc->data, hc->len);
    n = read(nic->fd, frame, hc->len);
    if (n < 0 && errno != EAGAIN)
        frame_failed(nic, "receive", hc->len);
    hc->ret = n > 0 ? HVT_R_OK : HVT_R_AGAIN;
    if (n > 0)
        hc->len = (uint64_t)n;
}

/* ---- Setup --------------------------------------------------------------- */

static void make_mac(uint8_t mac[6])
{
    if (getrandom(mac, 6, 0) != 6)
        hvt_fail("Cannot make a random MAC address: %s", strerror(errno));
    mac[0] = (uint8_t)((mac[0] & ~MAC_GROUP) | MAC_LOCAL);
}

/* Only now, since the options come in any order. */
static void set_up_nic(const struct nic *nic, uint64_t handle,
        struct mft_net_basic *net)
{
    static const uint8_t unset[sizeof(net->mac)];

    if (memcmp(net->mac, unset, sizeof(unset)) == 0)
        make_mac(net->mac);
    hvt_register_pollfd(nic->fd, handle);
    hvt_sandbox_allow(SYS_read, nic->fd);
    hvt_sandbox_allow(SYS_write, nic->fd);
}

static void setup(struct hvt *hvt, struct mft *mft)
{
    size_t count = 0;

    (void)hvt;
    for (uint32_t i = 0; i < mft->entries; i++) {
        if (nics[i].name == NULL)
            continue;
        set_up_nic(&nics[i], i, &mft->e[i].u.net_basic);
        count++;
    }
    if (count == 0)
        return;
    hvt_register_hypercall(HVT_HYPERCALL_NET_WRITE, &(struct hvt_handler){
            hypercall_net_write, sizeof(struct hvt_hc_net_write), true });
    hvt_register_hypercall(HVT_HYPERCALL_NET_READ, &(struct hvt_handler){
            hypercall_net_read, sizeof(struct hvt_hc_net_read), true });
}

DECLARE_MODULE(net) = {
    .name = "net",
    .type = MFT_DEV_NET_BASIC,
    .type_name = "NET_BASIC",
    .handle_cmdarg = handle_cmdarg,
    .setup = setup,
    .usage = "--net:NAME=IFACE    let the network device NAME be the tap IFACE\n"
            "  --net:NAME=@FD      the same for a tap, or a socket of packets, that is\n"
            "                      open already\n"
            "  --net-mac:NAME=MAC  its MAC address (default: a random one)",
    .say_how_to_attach = say_how_to_attach,
};
