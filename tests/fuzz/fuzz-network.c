/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the kernel answers over rtnetlink. The first byte says what was asked for; the messages follow. The
 * bytes stand in memory of their own size, so that a byte read beyond them is seen. */
#include "fuzz.h"

#include "network-state.c"

/* How many bytes are whole messages: libmnl 1.0.4 takes a length above 2 GiB, which the kernel never has,
 * for a negative one (mnl_nlmsg_ok()). */
static size_t whole_messages(const uint8_t *data, size_t size)
{
    size_t done = 0;

    while (size - done >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr header;

        memcpy(&header, data + done, sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > size - done)
            break;
        done = MIN(done + MNL_ALIGN(header.nlmsg_len), size);
    }
    return done;
}

static void check_state(const NetworkState *state)
{
    for (unsigned i = 0; i < state->links->len; i++) {
        const NetworkLink *link = &g_array_index(state->links, NetworkLink, i);

        g_assert_true(memchr(link->name, '\0', sizeof(link->name)));
        g_assert_true(link->lower == 0 || link->lower != link->index);
        g_assert_nonnull(network_state_find(state, link->index));
    }
    for (unsigned i = 0; i < state->addresses->len; i++)
        g_assert_true(memchr(g_array_index(state->addresses, NetworkAddress, i).text, '\0',
                             INET6_ADDRSTRLEN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        uint16_t type;
        mnl_cb_t take;
    } readers[] = { { RTM_NEWLINK, take_link },
                    { RTM_NEWADDR, take_address },
                    { RTM_NEWROUTE, take_route },
                    { RTM_NEWNEXTHOP, take_next_hop } };
    g_autoptr(GHashTable) groups =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify) g_bytes_unref);
    g_autoptr(NetworkState) state = network_state_new();
    Reading reading = { .state = state, .groups = groups };
    g_autofree void *message = NULL;
    Input input = { data, size };
    uint8_t which = (uint8_t) input_number(&input, 1) % G_N_ELEMENTS(readers);
    Dump dump = { .type = readers[which].type, .take = readers[which].take, .reading = &reading };

    input.size = whole_messages(input.data, input.size);
    if (input.size == 0)
        return 0;
    message = g_memdup2(input.data, input.size);
    (void) mnl_cb_run(message, input.size, 0, 0, take_sound, &dump);
    g_hash_table_foreach(groups, resolve_group, &reading);
    check_state(state);
    return 0;
}
