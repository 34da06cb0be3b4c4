/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <sys/socket.h>

#include "change-losses.h"
#include "children.h"
#include "unit.h"

/* What is said to be lost: of interfaces by what the network looked like before and after, of disks and
 * names by who is who. */

static NetworkState *before, *now;
static GPtrArray *notes;

static void setup(void)
{
    before = network_state_new();
    now = network_state_new();
    notes = g_ptr_array_new_with_free_func(g_free);
}

static void teardown(void)
{
    network_state_free(before);
    network_state_free(now);
    g_ptr_array_unref(notes);
}

static void add_link(NetworkState *state, int index, const char *name, int master, int lower)
{
    NetworkLink link = { .index = index, .master = master, .lower = lower };

    g_strlcpy(link.name, name, sizeof(link.name));
    g_array_append_val(state->links, link);
}

static void add_address(NetworkState *state, int index, const char *text, bool link_local)
{
    NetworkAddress address = { .index = index, .link_local = link_local };

    g_strlcpy(address.text, text, sizeof(address.text));
    g_array_append_val(state->addresses, address);
}

static void add_route(NetworkState *state, int index, int family, bool is_default)
{
    NetworkRoute route = { .index = index, .family = family, .is_default = is_default };

    g_array_append_val(state->routes, route);
}

static void assert_losses(const char *name, const char *name_now, const char *expected)
{
    const LossyInterface interface = { .before = name, .now = name_now };
    g_autofree char *text = NULL;

    g_ptr_array_set_size(notes, 0);
    change_losses_compare(before, now, &interface, 1, notes);
    g_ptr_array_add(notes, NULL);
    text = g_strjoinv("|", (char **) notes->pdata);
    ck_assert_str_eq(text, expected);
}

START_TEST(gone_addresses_are_named)
{
    add_link(before, 2, "eth0", 0, 0);
    add_address(before, 2, "192.0.2.5", false);
    add_address(before, 2, "2001:db8::5", false);
    add_address(before, 2, "fe80::1", true);
    add_address(before, 3, "192.0.2.77", false);
    add_link(now, 9, "eth0", 0, 0);
    add_address(now, 9, "192.0.2.5", false);
    assert_losses("eth0", "eth0", "address 2001:db8::5 of interface eth0 is gone");
}
END_TEST

START_TEST(address_under_the_new_name_is_not_lost)
{
    add_link(before, 2, "eth0", 0, 0);
    add_address(before, 2, "192.0.2.5", false);
    add_link(now, 9, "eth1", 0, 0);
    add_address(now, 9, "192.0.2.5", false);
    assert_losses("eth0", "eth1", "");
    assert_losses("eth0", NULL, "address 192.0.2.5 of interface eth0 is gone");
}
END_TEST

START_TEST(default_routes_are_named_and_others_are_not)
{
    add_link(before, 2, "eth0", 0, 0);
    add_route(before, 2, AF_INET, false);
    add_route(before, 2, AF_INET, true);
    add_route(before, 2, AF_INET6, true);
    add_route(now, 3, AF_INET, true);
    add_link(now, 9, "eth0", 0, 0);
    add_route(now, 9, AF_INET6, true);
    assert_losses("eth0", "eth0", "the default route (IPv4) through interface eth0 is gone");
}
END_TEST

START_TEST(what_is_built_on_it_is_named)
{
    add_link(before, 2, "eth0", 7, 0);
    add_link(before, 3, "vlan5", 0, 2);
    add_link(before, 4, "macvlan0", 0, 3);
    add_link(before, 5, "vlan6", 0, 6);
    add_link(before, 7, "bond0", 0, 0);
    add_link(now, 9, "eth0", 0, 0);
    add_link(now, 7, "bond0", 0, 0);
    add_link(now, 4, "macvlan0", 0, 0);
    assert_losses("eth0", "eth0", "interface eth0 is no longer part of bond0|"
                                  "interface vlan5, built on eth0, is gone");
    now->links->len = 0;
    add_link(now, 9, "eth0", 7, 0);
    add_link(now, 7, "bond0", 0, 0);
    add_link(now, 3, "vlan5", 0, 9);
    add_link(now, 4, "macvlan0", 0, 3);
    assert_losses("eth0", "eth0", "");
}
END_TEST

START_TEST(unknown_interface_loses_nothing)
{
    add_address(before, 2, "192.0.2.5", false);
    assert_losses("eth0", "eth0", "");
}
END_TEST

static void add_child(GPtrArray *list, const char *name, bool net, const char *identity)
{
    Child *child = g_new0(Child, 1);

    child->name = g_strdup(name);
    child->net = net;
    child->identity = g_strdup(identity);
    g_ptr_array_add(list, child);
}

static GPtrArray *children_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) child_free);
}

static void assert_compared(const GPtrArray *old, const GPtrArray *new, const char *expected)
{
    g_autoptr(GPtrArray) matches = children_match(old, new);
    g_autofree char *text = NULL;

    g_ptr_array_set_size(notes, 0);
    children_compare(old, matches, notes);
    g_ptr_array_add(notes, NULL);
    text = g_strjoinv("|", (char **) notes->pdata);
    ck_assert_str_eq(text, expected);
}

START_TEST(disks_that_swap_their_names_are_told)
{
    g_autoptr(GPtrArray) old = children_new(), new = children_new();

    add_child(old, "nvme0n1", false, "eui.1");
    add_child(old, "nvme0n2", false, "eui.2");
    add_child(new, "nvme0n1", false, "eui.2");
    add_child(new, "nvme0n2", false, "eui.1");
    assert_compared(old, new, "disk nvme0n1 came back as nvme0n2|disk nvme0n2 came back as nvme0n1");
}
END_TEST

START_TEST(another_disk_of_the_same_name_is_not_the_old_one)
{
    g_autoptr(GPtrArray) old = children_new(), new = children_new();

    add_child(old, "sda", false, "naa.1");
    add_child(new, "sda", false, "naa.9");
    assert_compared(old, new, "disk sda has not come back");
    add_child(new, "sdb", false, "naa.1");
    assert_compared(old, new, "disk sda came back as sdb");
}
END_TEST

START_TEST(without_identity_names_and_then_order_decide)
{
    g_autoptr(GPtrArray) old = children_new(), new = children_new();

    add_child(old, "nvme0n1", false, NULL);
    add_child(old, "nvme0n2", false, NULL);
    add_child(old, "eth0", true, NULL);
    add_child(new, "eth3", true, "52:54:00:00:00:01 port 0");
    add_child(new, "nvme0n2", false, NULL);
    add_child(new, "nvme0n3", false, NULL);
    assert_compared(old, new, "disk nvme0n1 came back as nvme0n3|interface eth0 came back as eth3");
}
END_TEST

START_TEST(interface_that_lost_its_set_address_is_the_same)
{
    g_autoptr(GPtrArray) old = children_new(), new = children_new();

    add_child(old, "eth0", true, "02:00:00:00:00:01 port 0");
    add_child(new, "eth0", true, "52:54:00:00:00:01 port 0");
    assert_compared(old, new, "");
}
END_TEST

START_TEST(ports_of_one_address_keep_their_order)
{
    g_autoptr(GPtrArray) old = children_new(), new = children_new();

    add_child(old, "eth0", true, "52:54:00:00:00:01 port 0");
    add_child(old, "eth1", true, "52:54:00:00:00:01 port 0");
    add_child(new, "eth2", true, "52:54:00:00:00:01 port 0");
    add_child(new, "eth3", true, "52:54:00:00:00:01 port 0");
    assert_compared(old, new, "interface eth0 came back as eth2|interface eth1 came back as eth3");
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("all");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, gone_addresses_are_named);
    tcase_add_test(tcase, address_under_the_new_name_is_not_lost);
    tcase_add_test(tcase, default_routes_are_named_and_others_are_not);
    tcase_add_test(tcase, what_is_built_on_it_is_named);
    tcase_add_test(tcase, unknown_interface_loses_nothing);
    tcase_add_test(tcase, disks_that_swap_their_names_are_told);
    tcase_add_test(tcase, another_disk_of_the_same_name_is_not_the_old_one);
    tcase_add_test(tcase, without_identity_names_and_then_order_decide);
    tcase_add_test(tcase, interface_that_lost_its_set_address_is_the_same);
    tcase_add_test(tcase, ports_of_one_address_keep_their_order);
    return unit_run("change-losses", tcase);
}
