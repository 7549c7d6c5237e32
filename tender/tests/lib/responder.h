/* SPDX-License-Identifier: ISC */
/* responder.h: an IPv4 station that answers ARP requests and pings. */
#ifndef RESPONDER_H
#define RESPONDER_H

#include "solo5.h"

struct responder {
    const char *name; /* of the network device */
    uint8_t address[4];
    solo5_handle_t handle;
    struct solo5_net_info info;
    uint64_t pings; /* answered so far */
};

/* Acquires the device and says what it is. */
bool responder_start(struct responder *responder);

/*
 * Answers what can be read from those devices until each has answered `limit`
 * pings. Returns false if a device failed.
 */
bool responders_serve(struct responder *responders, size_t count, uint64_t limit);

/* The number behind "limit=", `otherwise` for "limit" alone, else without end. */
uint64_t responders_limit(const char *cmdline, uint64_t otherwise);

#endif
