/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* An address of IPv4 or IPv6. IPv4 in IPv6 (::ffff:192.0.2.1) is kept as IPv4. */
typedef struct IpAddress {
    int family;              /* AF_INET, AF_INET6; 0: none */
    unsigned char bytes[16]; /* as many as the family has, the others 0 */
    char scope[IFNAMSIZ];    /* "eth0" or "3" of fe80::1%eth0; "": none */
} IpAddress;

/* Reads "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "fe80::1%eth0". Returns false if TEXT is none. */
bool ip_address_parse(const char *text, IpAddress *ret);

/* Takes the bytes of FAMILY. Returns false if that is neither AF_INET nor AF_INET6. */
bool ip_address_set(int family, const void *bytes, IpAddress *ret);

/* Bytes of an address of FAMILY; 0: it has none that is known here. */
size_t ip_address_size(int family);

/* Writes the address without its scope. */
void ip_address_format(const IpAddress *address, char text[INET6_ADDRSTRLEN]);

/* The same family and bytes. */
bool ip_address_equal(const IpAddress *a, const IpAddress *b);

/* 169.254.0.0/16, fe80::/10: means nothing without a link. */
bool ip_address_is_link_local(const IpAddress *address);

/* The machine itself (127.0.0.0/8, ::1), or no address (all zero). */
bool ip_address_is_own(const IpAddress *address);
