/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <glib.h>
#include <string.h>

#include "ip-address.h"

size_t ip_address_size(int family)
{
    return family == AF_INET ? sizeof(struct in_addr) : family == AF_INET6 ? sizeof(struct in6_addr) : 0;
}

bool ip_address_set(int family, const void *bytes, IpAddress *ret)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    IpAddress address = { .family = family };

    if (ip_address_size(family) == 0)
        return false;
    if (family == AF_INET6 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        address.family = AF_INET;
        bytes = (const unsigned char *) bytes + sizeof(mapped);
    }
    memcpy(address.bytes, bytes, ip_address_size(address.family));
    *ret = address;
    return true;
}

bool ip_address_parse(const char *text, IpAddress *ret)
{
    g_autofree char *copy = g_strdup(text);
    unsigned char bytes[sizeof(struct in6_addr)];
    char *address = copy, *percent;
    size_t n = strlen(copy);

    if (*copy == '[' && copy[n - 1] == ']') {
        copy[n - 1] = '\0';
        address++;
    }
    percent = strchr(address, '%');
    if (percent)
        *percent++ = '\0';
    if (inet_pton(AF_INET6, address, bytes) == 1)
        ip_address_set(AF_INET6, bytes, ret);
    else if (!percent && inet_pton(AF_INET, address, bytes) == 1)
        ip_address_set(AF_INET, bytes, ret);
    else
        return false;
    if (percent)
        g_strlcpy(ret->scope, percent, sizeof(ret->scope));
    return true;
}

void ip_address_format(const IpAddress *address, char text[INET6_ADDRSTRLEN])
{
    if (!inet_ntop(address->family, address->bytes, text, INET6_ADDRSTRLEN))
        *text = '\0';
}

bool ip_address_equal(const IpAddress *a, const IpAddress *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool ip_address_is_link_local(const IpAddress *address)
{
    const unsigned char *bytes = address->bytes;

    return address->family == AF_INET ? bytes[0] == 169 && bytes[1] == 254
                                      : bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool ip_address_is_own(const IpAddress *address)
{
    static const unsigned char none[16], loopback[16] = { [15] = 1 };

    if (address->family == AF_INET)
        return address->bytes[0] == 127 || memcmp(address->bytes, none, sizeof(struct in_addr)) == 0;
    return memcmp(address->bytes, none, sizeof(none)) == 0 ||
           memcmp(address->bytes, loopback, sizeof(loopback)) == 0;
}
