/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-losses.h"

#include <string.h>
#include <sys/socket.h>

#include "children.h"
#include "held-device.h"

static void note(GPtrArray *notes, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void note(GPtrArray *notes, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(notes, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

static const NetworkLink *find_link(const NetworkState *state, const char *name)
{
    for (guint i = 0; name && i < state->links->len; i++) {
        const NetworkLink *link = &g_array_index(state->links, NetworkLink, i);

        if (strcmp(link->name, name) == 0)
            return link;
    }
    return NULL;
}

static bool has_address(const NetworkState *state, int index, const char *text)
{
    for (guint i = 0; i < state->addresses->len; i++) {
        const NetworkAddress *address = &g_array_index(state->addresses, NetworkAddress, i);

        if (address->index == index && strcmp(address->text, text) == 0)
            return true;
    }
    return false;
}

static bool has_default_route(const NetworkState *state, int index, int family)
{
    for (guint i = 0; i < state->routes->len; i++) {
        const NetworkRoute *route = &g_array_index(state->routes, NetworkRoute, i);

        if (route->index == index && route->family == family && route->is_default)
            return true;
    }
    return false;
}

static void compare_addresses(const NetworkState *before, const NetworkState *now, const NetworkLink *old,
                              int index, GPtrArray *notes)
{
    for (guint i = 0; i < before->addresses->len; i++) {
        const NetworkAddress *address = &g_array_index(before->addresses, NetworkAddress, i);

        if (address->index == old->index && !address->link_local && !has_address(now, index, address->text))
            note(notes, "address %s of interface %s is gone", address->text, old->name);
    }
}

static void compare_default_route(const NetworkState *before, const NetworkState *now,
                                  const NetworkLink *old, int index, int family, GPtrArray *notes)
{
    if (has_default_route(before, old->index, family) && !has_default_route(now, index, family))
        note(notes, "the default route (%s) through interface %s is gone",
             family == AF_INET ? "IPv4" : "IPv6", old->name);
}

static void compare_master(const NetworkState *before, const NetworkState *now, const NetworkLink *old,
                           const NetworkLink *new, GPtrArray *notes)
{
    const NetworkLink *master = network_state_find(before, old->master);
    const NetworkLink *master_now = new ? network_state_find(now, new->master) : NULL;

    if (master && (!master_now || strcmp(master->name, master_now->name) != 0))
        note(notes, "interface %s is no longer part of %s", new ? new->name : old->name, master->name);
}

/* A VLAN goes with the interface below it, and what is built on the VLAN goes with that. */
static bool is_built_on(const NetworkState *state, const NetworkLink *link, int index)
{
    for (guint depth = 0; link && link->lower != 0 && depth < state->links->len; depth++) {
        if (link->lower == index)
            return true;
        link = network_state_find(state, link->lower);
    }
    return false;
}

static void compare_uppers(const NetworkState *before, const NetworkState *now, const NetworkLink *old,
                           GPtrArray *notes)
{
    for (guint i = 0; i < before->links->len; i++) {
        const NetworkLink *link = &g_array_index(before->links, NetworkLink, i);

        if (is_built_on(before, link, old->index) && !find_link(now, link->name))
            note(notes, "interface %s, built on %s, is gone", link->name, old->name);
    }
}

void change_losses_compare(const NetworkState *before, const NetworkState *now,
                           const LossyInterface *interfaces, size_t n_interfaces, GPtrArray *notes)
{
    for (size_t i = 0; i < n_interfaces; i++) {
        const NetworkLink *old = find_link(before, interfaces[i].before);
        const NetworkLink *new = find_link(now, interfaces[i].now);
        int index = new ? new->index : 0;

        if (!old)
            continue; /* it moved to another network namespace, or was renamed, as we began */
        compare_addresses(before, now, old, index, notes);
        compare_default_route(before, now, old, index, AF_INET, notes);
        compare_default_route(before, now, old, index, AF_INET6, notes);
        compare_master(before, now, old, new, notes);
        compare_uppers(before, now, old, notes);
    }
}

/* --- of a change */

static void note_unreadable(const Sequence *sequence, int error)
{
    sequence_note(sequence, "it cannot be told which addresses are gone: %s", g_strerror(-error));
}

static bool any_interface(const GPtrArray *held)
{
    for (guint i = 0; i < held->len; i++)
        if (children_have(((const HeldDevice *) g_ptr_array_index(held, i))->children, true))
            return true;
    return false;
}

NetworkState *change_losses_look(const Sequence *sequence, const GPtrArray *held)
{
    NetworkState *state = NULL;
    int r = any_interface(held) ? network_state_read(&state) : 0;

    if (r < 0)
        note_unreadable(sequence, r);
    return state;
}

static void add_interfaces(const GPtrArray *before, const GPtrArray *matches, GArray *interfaces)
{
    for (guint i = 0; i < before->len; i++) {
        const Child *old = g_ptr_array_index(before, i), *new = g_ptr_array_index(matches, i);
        LossyInterface interface = { .before = old->name, .now = new ? new->name : NULL };

        if (old->net)
            g_array_append_val(interfaces, interface);
    }
}

static void compare_network(const Sequence *sequence, const NetworkState *before, const GArray *interfaces)
{
    g_autoptr(NetworkState) now = NULL;
    int r;

    if (!before || interfaces->len == 0)
        return;
    r = network_state_read(&now);
    if (r < 0)
        note_unreadable(sequence, r);
    else
        change_losses_compare(before, now, (const LossyInterface *) interfaces->data, interfaces->len,
                              sequence->result->notes);
}

void change_losses_report(const Sequence *sequence, const GPtrArray *held, const NetworkState *before)
{
    g_autoptr(GArray) interfaces = g_array_new(FALSE, FALSE, sizeof(LossyInterface));

    for (guint i = 0; i < held->len; i++) {
        const HeldDevice *device = g_ptr_array_index(held, i);
        g_autoptr(GPtrArray) matches = NULL;

        if (!device->children_now)
            continue;
        children_identify(sequence->root_fd, device->children_now);
        matches = children_match(device->children, device->children_now);
        children_compare(device->children, matches, sequence->result->notes);
        add_interfaces(device->children, matches, interfaces);
    }
    compare_network(sequence, before, interfaces);
}
