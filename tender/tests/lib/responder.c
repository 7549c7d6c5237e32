/* SPDX-License-Identifier: ISC */

#include "console.h"
#include "lib.h"
#include "responder.h"

#define NS_PER_S  UINT64_C(1000000000)
#define FRAME_MAX 65536

/* Where things stand in a frame: Ethernet, then ARP or IPv4. */
enum {
    ETH_TO = 0, ETH_FROM = 6, ETH_TYPE = 12,
    ARP = 14, ARP_OPERATION = 20, ARP_FROM_MAC = 22, ARP_FROM_IP = 28,
    ARP_TO_MAC = 32, ARP_TO_IP = 38, ARP_END = 42,
    IP = 14, IP_FRAGMENT = 20, IP_PROTOCOL = 23, IP_FROM = 26, IP_TO = 30, IP_END = 34,
};

#define TYPE_ARP      0x0806
#define TYPE_IPV4     0x0800
#define ARP_REQUEST   1
#define ARP_REPLY     2
#define PROTOCOL_ICMP 1
#define ECHO_REQUEST  8
#define ECHO_SIZE     8      /* bytes of an echo without its data */
#define FRAGMENT_MASK 0x3fff /* offset, and whether more follow */

static uint8_t frame[FRAME_MAX];

static unsigned get16(size_t at)
{
    return (unsigned)frame[at] << 8 | frame[at + 1];
}

static void put16(size_t at, unsigned value)
{
    frame[at] = (uint8_t)(value >> 8);
    frame[at + 1] = (uint8_t)value;
}

static void swap(size_t a, size_t b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = frame[a + i];

        frame[a + i] = frame[b + i];
        frame[b + i] = byte;
    }
}

static bool is_arp_request(const struct responder *me, size_t size)
{
    static const uint8_t ethernet_and_ipv4[] = { 0, 1, 8, 0, 6, 4, 0, ARP_REQUEST };

    return size >= ARP_END && get16(ETH_TYPE) == TYPE_ARP
            && !memcmp(frame + ARP, ethernet_and_ipv4, sizeof ethernet_and_ipv4)
            && !memcmp(frame + ARP_TO_IP, me->address, sizeof me->address);
}

static void make_arp_reply(const struct responder *me)
{
    put16(ARP_OPERATION, ARP_REPLY);
    swap(ARP_FROM_MAC, ARP_TO_MAC, SOLO5_NET_ALEN + sizeof me->address);
    memcpy(frame + ARP_FROM_MAC, me->info.mac_address, SOLO5_NET_ALEN);
}

static size_t icmp_at(void)
{
    return IP + (frame[IP] & 0xf) * 4u;
}

static bool is_ping(const struct responder *me, size_t size)
{
    return size >= IP_END && get16(ETH_TYPE) == TYPE_IPV4 && frame[IP] >> 4 == 4
            && icmp_at() >= IP_END && size >= icmp_at() + ECHO_SIZE
            && frame[IP_PROTOCOL] == PROTOCOL_ICMP
            && (get16(IP_FRAGMENT) & FRAGMENT_MASK) == 0
            && !memcmp(frame + IP_TO, me->address, sizeof me->address)
            && frame[icmp_at()] == ECHO_REQUEST;
}

/*
 * The type becomes 0, and the checksum without it is found as RFC 1624 says. That
 * of IPv4 does not notice that two addresses have changed places.
 */
static void make_ping_reply(void)
{
    unsigned sum = (~get16(icmp_at() + 2) & 0xffff) + (~(ECHO_REQUEST << 8) & 0xffff);

    frame[icmp_at()] = 0;
    put16(icmp_at() + 2, ~(sum + (sum >> 16)));
    swap(IP_FROM, IP_TO, 4);
}

static bool send_back(const struct responder *me, size_t size)
{
    memcpy(frame + ETH_TO, frame + ETH_FROM, SOLO5_NET_ALEN);
    memcpy(frame + ETH_FROM, me->info.mac_address, SOLO5_NET_ALEN);
    return solo5_net_write(me->handle, frame, size) == SOLO5_R_OK;
}

static bool answer(struct responder *me, size_t size)
{
    if (is_arp_request(me, size))
        make_arp_reply(me);
    else if (is_ping(me, size)) {
        make_ping_reply();
        me->pings++;
    } else
        return true; /* not for us */
    return send_back(me, size);
}

/* Takes one frame at a time: POLL must say again that there are more. */
static bool serve(struct responder *me)
{
    size_t size;
    solo5_result_t result = solo5_net_read(me->handle, frame, sizeof frame, &size);

    if (result == SOLO5_R_AGAIN) {
        print("%s: nothing to read, though POLL said so\n", me->name);
        return false;
    }
    return result == SOLO5_R_OK && answer(me, size);
}

static bool serve_all(struct responder *responders, size_t count,
        solo5_handle_set_t ready)
{
    for (size_t i = 0; i < count; i++)
        if ((ready >> responders[i].handle & 1) && !serve(&responders[i]))
            return false;
    return true;
}

static bool have_done(const struct responder *responders, size_t count, uint64_t limit)
{
    for (size_t i = 0; i < count; i++)
        if (responders[i].pings < limit)
            return false;
    return true;
}

bool responders_serve(struct responder *responders, size_t count, uint64_t limit)
{
    solo5_handle_set_t ready;

    while (!have_done(responders, count, limit)) {
        solo5_yield(solo5_clock_monotonic() + NS_PER_S, &ready);
        if (!serve_all(responders, count, ready))
            return false;
    }
    return true;
}

bool responder_start(struct responder *me)
{
    const uint8_t *mac = me->info.mac_address;

    if (solo5_net_acquire(me->name, &me->handle, &me->info) != SOLO5_R_OK)
        return false;
    print("%s: %02x:%02x:%02x:%02x:%02x:%02x, MTU %lu, answers for %u.%u.%u.%u\n",
            me->name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], me->info.mtu,
            me->address[0], me->address[1], me->address[2], me->address[3]);
    return true;
}

uint64_t responders_limit(const char *cmdline, uint64_t otherwise)
{
    uint64_t limit = 0;

    if (!strcmp(cmdline, "limit"))
        return otherwise;
    if (strncmp(cmdline, "limit=", 6))
        return UINT64_MAX;
    for (const char *digit = cmdline + 6; *digit >= '0' && *digit <= '9'; digit++)
        limit = limit * 10 + (uint64_t)(*digit - '0');
    return limit;
}
