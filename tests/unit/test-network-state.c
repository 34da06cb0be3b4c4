/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "link-stack.h"
#include "namespace.h"
#include "network-state.h"
#include "scene.h"
#include "unit.h"

/* The reader of rtnetlink against the real one, in a network namespace of its own. */

static NetworkState *read_state(void)
{
    NetworkState *state = NULL;

    ck_assert_int_eq(network_state_read(&state), 0);
    return state;
}

static const NetworkLink *find_link(const NetworkState *state, const char *name)
{
    const NetworkLink *link = network_state_find(state, (int) if_nametoindex(name));

    ck_assert_ptr_nonnull(link);
    ck_assert_str_eq(link->name, name);
    return link;
}

static unsigned count_routes(const NetworkState *state, int index, int family, bool is_default)
{
    unsigned n = 0;

    for (unsigned i = 0; i < state->routes->len; i++) {
        const NetworkRoute *route = &g_array_index(state->routes, NetworkRoute, i);

        n += route->index == index && route->family == family && route->is_default == is_default;
    }
    return n;
}

START_TEST(fresh_namespace)
{
    g_autoptr(NetworkState) state = read_state();

    ck_assert(!find_link(state, "lo")->up);
    ck_assert_uint_eq(state->addresses->len, 0);
    ck_assert_uint_eq(state->routes->len, 0);
    ck_assert_ptr_null(network_state_find(state, 4711));
}
END_TEST

START_TEST(up_and_down)
{
    namespace_add_interface();
    {
        g_autoptr(NetworkState) state = read_state();

        ck_assert(!find_link(state, "nic")->up);
    }
    ck_assert(namespace_ip("link set nic up"));
    {
        g_autoptr(NetworkState) state = read_state();

        ck_assert(find_link(state, "nic")->up);
    }
}
END_TEST

START_TEST(addresses)
{
    g_autoptr(NetworkState) state = NULL;
    const char *const expected[] = { "192.0.2.1", "198.51.100.1", "169.254.3.4", "2001:db8::1", "fe80::7" };

    namespace_add_interface();
    ck_assert(namespace_ip("addr add 192.0.2.1/24 dev nic"));
    ck_assert(namespace_ip("addr add 198.51.100.1 peer 198.51.100.2 dev nic"));
    ck_assert(namespace_ip("addr add 169.254.3.4/16 dev nic"));
    ck_assert(namespace_ip("addr add 2001:db8::1/64 dev nic"));
    ck_assert(namespace_ip("addr add fe80::7/64 dev nic"));
    state = read_state();
    ck_assert_uint_eq(state->addresses->len, G_N_ELEMENTS(expected));
    for (unsigned i = 0; i < state->addresses->len; i++) {
        const NetworkAddress *address = &g_array_index(state->addresses, NetworkAddress, i);
        bool is_local = strcmp(address->text, "fe80::7") == 0 || strcmp(address->text, "169.254.3.4") == 0;

        ck_assert_int_eq(address->index, if_nametoindex("nic"));
        ck_assert_int_eq(address->link_local, is_local);
        ck_assert_str_eq(address->text, expected[i]);
    }
}
END_TEST

/* All tables count; what leads to link-local and multicast destinations and the local table do not. */
START_TEST(routes)
{
    g_autoptr(NetworkState) state = NULL;
    int nic;

    namespace_add_interface();
    nic = (int) if_nametoindex("nic");
    ck_assert(namespace_ip("link set nic up"));
    ck_assert(namespace_ip("addr add 192.0.2.1/24 dev nic"));
    ck_assert(namespace_ip("addr add 2001:db8::1/64 dev nic nodad"));
    state = read_state();
    ck_assert_uint_eq(count_routes(state, nic, AF_INET, true), 0);
    ck_assert_uint_eq(count_routes(state, nic, AF_INET, false), 1);
    ck_assert_uint_eq(count_routes(state, nic, AF_INET6, true), 0);
    ck_assert_uint_eq(count_routes(state, nic, AF_INET6, false), 1);
    g_clear_pointer(&state, network_state_free);

    ck_assert(namespace_ip("route add default via 192.0.2.254 table 100"));
    ck_assert(namespace_ip("-6 route add default via 2001:db8::fe"));
    ck_assert(namespace_ip("route add unreachable 203.0.113.0/24"));
    state = read_state();
    ck_assert_uint_eq(count_routes(state, nic, AF_INET, true), 1);
    ck_assert_uint_eq(count_routes(state, nic, AF_INET6, true), 1);
    ck_assert_uint_eq(count_routes(state, nic, AF_INET, false), 1);
}
END_TEST

START_TEST(route_with_several_hops)
{
    g_autoptr(NetworkState) state = NULL;

    namespace_add_interface();
    ck_assert(namespace_ip("link set nic up"));
    ck_assert(namespace_ip("addr add 192.0.2.1/24 dev nic"));
    ck_assert(namespace_ip("route add default nexthop via 192.0.2.253 dev nic "
                           "nexthop via 192.0.2.254 dev nic"));
    state = read_state();
    ck_assert_uint_eq(count_routes(state, (int) if_nametoindex("nic"), AF_INET, true), 1);
}
END_TEST

static void set_up_nic(void)
{
    namespace_add_interface();
    ck_assert(namespace_ip("link set nic up"));
    ck_assert(namespace_ip("addr add 192.0.2.1/24 dev nic"));
    ck_assert(namespace_ip("addr add 2001:db8::1/64 dev nic nodad"));
}

/* Next hop objects (ip-nexthop(8)), alone and as a group, told as links or as objects alone. */
START_TEST(next_hop_objects)
{
    static const char *const modes[] = { "1", "0" };
    g_autoptr(NetworkState) state = NULL;
    int nic;

    set_up_nic();
    nic = (int) if_nametoindex("nic");
    namespace_write("/proc/sys/net/ipv4/nexthop_compat_mode", modes[_i]);
    ck_assert(namespace_ip("nexthop add id 1 via 192.0.2.253 dev nic"));
    ck_assert(namespace_ip("nexthop add id 2 via 192.0.2.254 dev nic"));
    ck_assert(namespace_ip("nexthop add id 3 group 1/2"));
    ck_assert(namespace_ip("-6 nexthop add id 4 via 2001:db8::fe dev nic"));
    ck_assert(namespace_ip("route add default nhid 3"));
    ck_assert(namespace_ip("-6 route add default nhid 4"));
    state = read_state();
    ck_assert_uint_eq(count_routes(state, nic, AF_INET, true), 1);
    ck_assert_uint_eq(count_routes(state, nic, AF_INET6, true), 1);
    ck_assert_uint_eq(count_routes(state, 0, AF_INET, true), 0);
    ck_assert_uint_eq(count_routes(state, 0, AF_INET6, true), 0);
}
END_TEST

/* What carries what, as the kernel tells it: a bridge over VXLAN over a bridge over the interface. */
START_TEST(stack_of_links)
{
    g_autoptr(NetworkState) state = NULL;
    g_autoptr(LinkStack) stack = NULL, beside = NULL;

    namespace_add_interface();
    ck_assert(namespace_ip("link add inner type bridge"));
    ck_assert(namespace_ip("link set nic master inner"));
    ck_assert(namespace_ip("link add overlay type vxlan id 5 dstport 4789 dev inner"));
    ck_assert(namespace_ip("link add outer type bridge"));
    ck_assert(namespace_ip("link set overlay master outer"));
    ck_assert(namespace_ip("link add plug type veth peer name socket"));
    ck_assert(namespace_ip("link set socket master outer"));
    state = read_state();
    stack = link_stack_new(state, (int) if_nametoindex("plug"));
    ck_assert(link_stack_has(stack, (int) if_nametoindex("nic")));
    ck_assert(!stack->open);
    beside = link_stack_new(state, (int) if_nametoindex("inner"));
    ck_assert(!link_stack_has(beside, (int) if_nametoindex("outer")));
    ck_assert_str_eq(find_link(state, "outer")->kind, "bridge");
}
END_TEST

/* An interface that was moved is not told any more; the other end of a veth is elsewhere then. */
START_TEST(other_namespace)
{
    g_autoptr(NetworkState) state = NULL;
    g_autoptr(LinkStack) stack = NULL;
    g_autoptr(Tree) tree = scene_new();
    g_autofree char *device = tree_add_device(tree, &(TreeDevice){ .name = "0000:00:03.0",
                                                                   .class_code = 0x020000,
                                                                   .driver = "e1000e",
                                                                   .group = 4 });

    ck_assert(namespace_ip("link add plug type veth peer name socket"));
    ck_assert(namespace_ip("link set socket netns %d", (int) namespace_other()));
    state = read_state();
    ck_assert_ptr_null(network_state_find(state, (int) if_nametoindex("socket")));
    stack = link_stack_new(state, (int) if_nametoindex("plug"));
    ck_assert_uint_eq(stack->links->len, 1);
    ck_assert(stack->open);
    scene_expect_ids(tree, device, FINDINGS_ALL, "netns:no-interface@0000:00:03.0");
}
END_TEST

START_TEST(masters)
{
    g_autoptr(NetworkState) state = NULL;

    namespace_add_interface();
    if (!namespace_ip("link add upper type bridge") && !namespace_ip("link add upper type bond") &&
        !namespace_ip("link add upper type vrf table 10"))
        ck_abort_msg("this kernel has neither bridges, bonds nor VRFs");
    ck_assert(namespace_ip("link set nic master upper"));
    state = read_state();
    ck_assert_int_eq(find_link(state, "nic")->master, if_nametoindex("upper"));
    ck_assert_int_eq(find_link(state, "upper")->master, 0);
}
END_TEST

/* What is built on another link names it, unless that lives in another namespace. */
START_TEST(lowers)
{
    g_autoptr(NetworkState) state = NULL;

    if (namespace_ip("link add nic type veth peer name upper")) {
        state = read_state();
        ck_assert_int_eq(find_link(state, "upper")->lower, if_nametoindex("nic"));
        return;
    }
    namespace_add_interface();
    if (!namespace_ip("link add link nic name upper type vlan id 7") &&
        !namespace_ip("link add link nic name upper type macvlan"))
        ck_abort_msg("this kernel has neither veth, VLAN nor macvlan interfaces");
    state = read_state();
    ck_assert_int_eq(find_link(state, "upper")->lower, if_nametoindex("nic"));
}
END_TEST

/* The whole way: the interface in sysfs, its index, the kernel's answer, the findings. */
START_TEST(interface_of_a_device)
{
    g_autoptr(Tree) tree = scene_new();
    g_autofree char *device = tree_add_device(tree, &(TreeDevice){ .name = "0000:00:03.0",
                                                                   .class_code = 0x020000,
                                                                   .driver = "e1000e",
                                                                   .group = 4 });
    g_autofree char *interface = g_strconcat(device, "/net/nic", NULL);
    g_autofree char *index_path = g_strconcat(interface, "/ifindex", NULL), *index_text = NULL;
    g_autofree char *upper = g_strconcat(interface, "/upper_vlan7", NULL);

    namespace_add_interface();
    index_text = g_strdup_printf("%u\n", if_nametoindex("nic"));
    scene_add_child(tree, interface, "net", NULL);
    tree_write(tree, index_path, index_text);
    scene_expect_ids(tree, device, FINDINGS_ALL, "");

    ck_assert(namespace_ip("link set nic up"));
    ck_assert(namespace_ip("addr add 192.0.2.1/24 dev nic"));
    ck_assert(namespace_ip("route add default via 192.0.2.254"));
    tree_link(tree, upper, "sys/devices/virtual/net/vlan7");
    scene_expect_ids(tree, device, FINDINGS_ALL,
                     "master:vlan7@nic route:0.0.0.0/0@nic addr:192.0.2.1@nic up:nic@0000:00:03.0");

    tree_remove(tree, upper);
    ck_assert(namespace_ip("link del nic"));
    scene_expect_ids(tree, device, FINDINGS_ALL, "netns:nic@0000:00:03.0");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, namespace_enter, NULL);
    tcase_add_test(tests, fresh_namespace);
    tcase_add_test(tests, up_and_down);
    tcase_add_test(tests, addresses);
    tcase_add_test(tests, routes);
    tcase_add_test(tests, route_with_several_hops);
    tcase_add_loop_test(tests, next_hop_objects, 0, 2);
    tcase_add_test(tests, stack_of_links);
    tcase_add_test(tests, other_namespace);
    tcase_add_test(tests, masters);
    tcase_add_test(tests, lowers);
    tcase_add_test(tests, interface_of_a_device);
    return unit_run("network-state", tests);
}
