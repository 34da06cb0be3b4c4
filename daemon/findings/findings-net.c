/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "evidence.h"
#include "link-stack.h"
#include "sysfs.h"

static const char *family_name(int family)
{
    return family == AF_INET ? "IPv4" : "IPv6";
}

static void judge_masters(const NetworkState *state, const NetworkLink *link, const char *member,
                          GPtrArray *findings)
{
    for (unsigned i = 0; i < state->links->len; i++) {
        const NetworkLink *other = &g_array_index(state->links, NetworkLink, i);

        if (other->index == link->master)
            findings_add(findings, FINDING_MASTER, FINDING_FATAL, member, other->name, link->name,
                         "%s is part of %s; take it out of there first", link->name, other->name);
        else if (other->lower == link->index)
            findings_add(findings, FINDING_MASTER, FINDING_FATAL, member, other->name, link->name,
                         "%s is built on %s; remove it first", other->name, link->name);
    }
}

static void judge_addresses(const NetworkState *state, const NetworkLink *link, const char *member,
                            GPtrArray *findings)
{
    for (unsigned i = 0; i < state->addresses->len; i++) {
        const NetworkAddress *address = &g_array_index(state->addresses, NetworkAddress, i);

        if (address->index == link->index && !address->link_local)
            findings_add(findings, FINDING_ADDR, FINDING_DISRUPTIVE, member, address->text, link->name,
                         "%s has the address %s; move it elsewhere first, or allow that it goes away",
                         link->name, address->text);
    }
}

/* Only hardware is another way for sure: what a bridge without ports or a tunnel leads to may need LINK. */
static void judge_routes(const NetworkState *state, const NetworkLink *link, int family, const char *member,
                         GPtrArray *findings)
{
    bool has_default = false, has_route = false, others_have_route = false;

    for (unsigned i = 0; i < state->routes->len; i++) {
        const NetworkRoute *route = &g_array_index(state->routes, NetworkRoute, i);
        g_autoptr(LinkStack) stack = NULL;
        bool is_ours;

        if (route->family != family)
            continue;
        stack = link_stack_new(state, route->index);
        is_ours = route->index == 0 || link_stack_may_use(stack, state, link->index);
        has_route |= is_ours;
        has_default |= is_ours && route->is_default;
        others_have_route |= link_stack_has_hardware(stack, state, link->index);
    }
    if (has_default)
        findings_add(findings, FINDING_ROUTE, FINDING_FATAL, member,
                     family == AF_INET ? "0.0.0.0/0" : "::/0", link->name,
                     "%s carries the default route of %s; give it to another interface first", link->name,
                     family_name(family));
    else if (has_route && !others_have_route)
        findings_add(findings, FINDING_ROUTE, FINDING_FATAL, member,
                     family == AF_INET ? "only-ipv4" : "only-ipv6", link->name,
                     "%s carries the only routes of %s; add another way to this host first", link->name,
                     family_name(family));
}

void findings_judge_interface(const NetworkState *state, const char *member, const char *name, int index,
                              GPtrArray *findings)
{
    const NetworkLink *link = network_state_find(state, index);

    if (!link || strcmp(link->name, name) != 0) {
        findings_add(findings, FINDING_NETNS, FINDING_FATAL, member, name, member,
                     "%s is in another network namespace; bring it back first", name);
        return;
    }
    if (link->up)
        findings_add(findings, FINDING_UP, FINDING_DISRUPTIVE, member, name, member,
                     "%s is up; set it down first (ip link set %s down), or allow that it goes away", name,
                     name);
    judge_masters(state, link, member, findings);
    judge_addresses(state, link, member, findings);
    judge_routes(state, link, AF_INET, member, findings);
    judge_routes(state, link, AF_INET6, member, findings);
}

/* Uppers that rtnetlink does not show as link or master of it: the kernel keeps a link for each of them
 * (net/core/dev.c, netdev_adjacent_sysfs_add()). */
static void judge_uppers(const Evidence *evidence, const Member *member, const Descendant *interface,
                         GPtrArray *findings)
{
    g_auto(GStrv) names = NULL;

    if (sysfs_list(evidence->root_fd, interface->path, &names) < 0) {
        g_autofree char *source = g_strdup_printf("/%s", interface->path);

        findings_add_unread(findings, member->name, source);
        return;
    }
    for (char **name = names; *name; name++)
        if (g_str_has_prefix(*name, "upper_"))
            findings_add(findings, FINDING_MASTER, FINDING_FATAL, member->name, *name + strlen("upper_"),
                         interface->name, "%s is built on %s; remove it first", *name + strlen("upper_"),
                         interface->name);
}

static void judge_one(const Evidence *evidence, const Member *member, const Descendant *interface,
                      GPtrArray *findings)
{
    g_autofree char *path = g_strdup_printf("%s/ifindex", interface->path);
    uint64_t index;
    int r;

    if (evidence->network_unread)
        findings_add_unread(findings, member->name, evidence->network_unread);
    if (!evidence->network)
        return;
    r = sysfs_read_u64(evidence->root_fd, path, 10, &index);
    if (r < 0) {
        g_autofree char *source = g_strdup_printf("/%s: %s", path, g_strerror(-r));

        findings_add_unread(findings, member->name, source);
        return;
    }
    findings_judge_interface(evidence->network, member->name, interface->name, (int) index, findings);
    judge_uppers(evidence, member, interface, findings);
}

void findings_judge_network(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (descendant_is(descendant, "net"))
            judge_one(evidence, member, descendant, findings);
    }
}
