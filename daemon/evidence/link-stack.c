/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "link-stack.h"

/* What goes out through these ends there if they have no port. */
static bool leads_nowhere(const NetworkLink *link)
{
    static const char *const kinds[] = { "bond", "bridge", "dummy", "ifb", "nlmon", "team", "vrf", NULL };

    return link->loopback || g_strv_contains(kinds, link->kind);
}

static void push(LinkStack *stack, int index)
{
    if (!link_stack_has(stack, index))
        g_array_append_val(stack->links, index);
}

static unsigned push_ports(LinkStack *stack, const NetworkState *state, int index)
{
    unsigned n = 0;

    for (unsigned i = 0; i < state->links->len; i++) {
        const NetworkLink *other = &g_array_index(state->links, NetworkLink, i);

        if (other->master == index) {
            push(stack, other->index);
            n++;
        }
    }
    return n;
}

/* What goes into a veth comes out of its other end, and there goes to the master's other ports. */
static void push_lower(LinkStack *stack, const NetworkState *state, const NetworkLink *link)
{
    const NetworkLink *lower = network_state_find(state, link->lower);

    if (link_stack_has(stack, link->lower)) /* where we come from, if this is a veth */
        return;
    push(stack, link->lower);
    if (strcmp(link->kind, "veth") != 0)
        return;
    if (lower && lower->master)
        push(stack, lower->master);
    else
        stack->open = true;
}

static void push_below(LinkStack *stack, const NetworkState *state, int index)
{
    const NetworkLink *link = network_state_find(state, index);
    unsigned n_ports;

    if (!link) {
        stack->open = true;
        return;
    }
    n_ports = push_ports(stack, state, index);
    if (link->lower)
        push_lower(stack, state, link);
    else if (n_ports == 0 && link->kind[0] && !leads_nowhere(link))
        stack->open = true;
}

LinkStack *link_stack_new(const NetworkState *state, int index)
{
    LinkStack *stack = g_new0(LinkStack, 1);

    stack->links = g_array_new(FALSE, FALSE, sizeof(int));
    push(stack, index);
    for (unsigned i = 0; i < stack->links->len; i++)
        push_below(stack, state, g_array_index(stack->links, int, i));
    return stack;
}

void link_stack_free(LinkStack *stack)
{
    if (!stack)
        return;
    g_array_unref(stack->links);
    g_free(stack);
}

bool link_stack_has(const LinkStack *stack, int index)
{
    for (unsigned i = 0; i < stack->links->len; i++)
        if (g_array_index(stack->links, int, i) == index)
            return true;
    return false;
}

bool link_stack_has_hardware(const LinkStack *stack, const NetworkState *state, int except)
{
    for (unsigned i = 0; i < stack->links->len; i++) {
        const NetworkLink *link = network_state_find(state, g_array_index(stack->links, int, i));

        if (link && link->index != except && link->up && !link->loopback && !link->kind[0])
            return true;
    }
    return false;
}

static bool is_in_use(const NetworkState *state, const NetworkLink *link)
{
    for (unsigned i = 0; i < state->routes->len; i++)
        if (g_array_index(state->routes, NetworkRoute, i).index == link->index)
            return true;
    for (unsigned i = 0; i < state->links->len; i++)
        if (g_array_index(state->links, NetworkLink, i).lower == link->index)
            return true;
    return link->master != 0;
}

bool link_stack_may_use(const LinkStack *stack, const NetworkState *state, int index)
{
    const NetworkLink *link = network_state_find(state, index);

    if (link_stack_has(stack, index))
        return true;
    if (!stack->open || link_stack_has_hardware(stack, state, 0))
        return false;
    return link && link->up && is_in_use(state, link);
}
