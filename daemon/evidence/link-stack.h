/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "network-state.h"

/*
 * What carries a link: its ports (bond, team, bridge, VRF), the link it is built on (VLAN, macvlan, VXLAN)
 * or that a veth leads to, and what carries these, in any nesting.
 */
typedef struct LinkStack {
    GArray *links; /* int: indices, each once; the link itself first */
    bool open;     /* one of them leads on where nothing tells: a tunnel, a tun device, another namespace */
} LinkStack;

/* Reads the stack of the link INDEX; one that STATE does not have stands for itself and is open. Links that
 * carry each other end it. */
LinkStack *link_stack_new(const NetworkState *state, int index);

void link_stack_free(LinkStack *stack);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LinkStack, link_stack_free)

bool link_stack_has(const LinkStack *stack, int index);

/* True if the stack has a link with a device behind it that is up, other than EXCEPT (0: none). */
bool link_stack_has_hardware(const LinkStack *stack, const NetworkState *state, int except);

/*
 * True if what goes out through STACK may go out through the link INDEX: it is in the stack; or the stack is
 * open, has no hardware, and the link may carry it, as it is up and has a route, a master or something built
 * on it. (A bridge has open ports, too, where virtual machines are on it beside the hardware.)
 */
bool link_stack_may_use(const LinkStack *stack, const NetworkState *state, int index);
