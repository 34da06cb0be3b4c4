/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "evidence.h"
#include "unit.h"

/* What is judged is eth0, index 2. */
#define MEMBER "0000:00:03.0"

typedef struct Case {
    NetworkLink links[6];
    NetworkAddress addresses[3];
    NetworkRoute routes[3];
    const char *ids;
} Case;

#define ETH0 { .index = 2, .name = "eth0", .up = true }
#define ETH0_DOWN { .index = 2, .name = "eth0" }
#define ETH1 { .index = 3, .name = "eth1", .up = true }
#define UP "up:eth0@" MEMBER
#define DEFAULT "route:0.0.0.0/0@eth0 "

static const Case cases[] = {
    /* up, addresses */
    { .links = { ETH0_DOWN }, .ids = "" },
    { .links = { ETH0 }, .ids = UP },
    { .links = { ETH0_DOWN }, .addresses = { { 2, false, "192.0.2.1" } }, .ids = "addr:192.0.2.1@eth0" },
    { .links = { ETH0_DOWN }, .addresses = { { 2, false, "2001:db8::1" } }, .ids = "addr:2001:db8::1@eth0" },
    { .links = { ETH0_DOWN },
      .addresses = { { 2, true, "fe80::1" }, { 2, true, "169.254.3.4" } },
      .ids = "" },
    { .links = { ETH0_DOWN }, .addresses = { { 3, false, "192.0.2.1" } }, .ids = "" },
    /* masters */
    { .links = { { .index = 2, .name = "eth0", .master = 5 }, { .index = 5, .name = "bond0" } },
      .ids = "master:bond0@eth0" },
    { .links = { ETH0_DOWN, { .index = 5, .name = "eth0.7", .lower = 2 } }, .ids = "master:eth0.7@eth0" },
    { .links = { ETH0_DOWN,
                 { .index = 3, .name = "eth1", .master = 5 },
                 { .index = 5, .name = "br0", .lower = 3 } },
      .ids = "" },
    /* routes */
    { .links = { ETH0 }, .routes = { { 2, AF_INET, true } }, .ids = "route:0.0.0.0/0@eth0 " UP },
    { .links = { ETH0 }, .routes = { { 2, AF_INET6, true } }, .ids = "route:::/0@eth0 " UP },
    { .links = { ETH0, ETH1 }, .routes = { { 2, AF_INET, true }, { 3, AF_INET, true } }, .ids = DEFAULT UP },
    { .links = { ETH0, ETH1 }, .routes = { { 3, AF_INET, true } }, .ids = UP },
    { .links = { ETH0 }, .routes = { { 2, AF_INET, false } }, .ids = "route:only-ipv4@eth0 " UP },
    { .links = { ETH0 }, .routes = { { 2, AF_INET6, false } }, .ids = "route:only-ipv6@eth0 " UP },
    { .links = { ETH0, ETH1 }, .routes = { { 2, AF_INET, false }, { 3, AF_INET, false } }, .ids = UP },
    { .links = { ETH0, ETH1 }, .routes = { { 2, AF_INET, false }, { 3, AF_INET6, false } },
      .ids = "route:only-ipv4@eth0 " UP },
    /* another interface that is down is no other way, nor is one that is gone or has nothing behind it */
    { .links = { ETH0, { .index = 3, .name = "eth1" } },
      .routes = { { 2, AF_INET, false }, { 3, AF_INET, false } },
      .ids = "route:only-ipv4@eth0 " UP },
    { .links = { ETH0 }, .routes = { { 2, AF_INET, false }, { 3, AF_INET, false } },
      .ids = "route:only-ipv4@eth0 " UP },
    { .links = { ETH0, { .index = 9, .name = "virbr0", .up = true, .kind = "bridge" } },
      .routes = { { 2, AF_INET, false }, { 9, AF_INET, false } },
      .ids = "route:only-ipv4@eth0 " UP },
    /* through what is built on it or has it as a port, in any nesting */
    { .links = { { .index = 2, .name = "eth0", .up = true, .master = 5 }, ETH1,
                 { .index = 5, .name = "br0", .up = true, .kind = "bridge" } },
      .routes = { { 5, AF_INET, true } }, .ids = "master:br0@eth0 " DEFAULT UP },
    { .links = { { .index = 2, .name = "eth0", .up = true }, ETH1,
                 { .index = 5, .name = "eth0.7", .up = true, .lower = 2, .kind = "vlan" } },
      .routes = { { 5, AF_INET6, true } }, .ids = "master:eth0.7@eth0 route:::/0@eth0 " UP },
    { .links = { { .index = 2, .name = "eth0", .up = true, .master = 5 },
                 { .index = 3, .name = "eth1", .up = true, .master = 5 },
                 { .index = 5, .name = "bond0", .up = true, .kind = "bond" },
                 { .index = 6, .name = "bond0.7", .up = true, .master = 7, .lower = 5, .kind = "vlan" },
                 { .index = 7, .name = "br0", .up = true, .kind = "bridge" },
                 { .index = 8, .name = "mac0", .up = true, .lower = 7, .kind = "macvlan" } },
      .routes = { { 8, AF_INET, true } }, .ids = "master:bond0@eth0 " DEFAULT UP },
    /* the other port of a bridge carries it, a link that is built on another interface, too */
    { .links = { ETH0, { .index = 3, .name = "eth1", .up = true, .master = 5 },
                 { .index = 5, .name = "br0", .up = true, .kind = "bridge" } },
      .routes = { { 5, AF_INET, true } }, .ids = UP },
    { .links = { ETH0, ETH1, { .index = 5, .name = "eth1.7", .up = true, .lower = 3, .kind = "vlan" } },
      .routes = { { 5, AF_INET, true }, { 2, AF_INET, false } }, .ids = UP },
    /* a VRF leads to its ports, and its own table counts as any */
    { .links = { { .index = 2, .name = "eth0", .up = true, .master = 5 },
                 { .index = 5, .name = "vrf0", .up = true, .kind = "vrf" } },
      .routes = { { 5, AF_INET, true }, { 2, AF_INET6, true } },
      .ids = "master:vrf0@eth0 " DEFAULT "route:::/0@eth0 " UP },
    { .links = { ETH0, { .index = 3, .name = "eth1", .up = true, .master = 5 },
                 { .index = 5, .name = "vrf0", .up = true, .kind = "vrf" } },
      .routes = { { 5, AF_INET, true }, { 3, AF_INET, true } },
      .ids = UP },
    /* a veth leads to its other end's bridge */
    { .links = { { .index = 2, .name = "eth0", .up = true, .master = 5 },
                 { .index = 5, .name = "br0", .up = true, .kind = "bridge" },
                 { .index = 6, .name = "veth0", .up = true, .lower = 7, .kind = "veth" },
                 { .index = 7, .name = "veth1", .up = true, .lower = 6, .master = 5, .kind = "veth" } },
      .routes = { { 6, AF_INET, true } }, .ids = "master:br0@eth0 " DEFAULT UP },
    /* links that carry each other */
    { .links = { ETH0, { .index = 5, .name = "a", .up = true, .lower = 6, .kind = "macvlan" },
                 { .index = 6, .name = "b", .up = true, .lower = 5, .kind = "macvlan" } },
      .routes = { { 5, AF_INET, true } }, .ids = UP },
    { .links = { { .index = 2, .name = "eth0", .up = true, .master = 5 },
                 { .index = 5, .name = "a", .up = true, .master = 6, .kind = "bridge" },
                 { .index = 6, .name = "b", .up = true, .master = 5, .kind = "bridge" } },
      .routes = { { 6, AF_INET, true } }, .ids = "master:a@eth0 " DEFAULT UP },
    /* nothing tells what a tunnel goes through: what carries anything may carry it */
    { .links = { ETH0, { .index = 5, .name = "tun0", .up = true, .kind = "tun" } },
      .routes = { { 5, AF_INET, true }, { 2, AF_INET, false } }, .ids = DEFAULT UP },
    { .links = { ETH0, { .index = 5, .name = "tun0", .up = true, .kind = "tun" } },
      .routes = { { 5, AF_INET, true } }, .ids = UP },
    { .links = { ETH0_DOWN, { .index = 5, .name = "tun0", .up = true, .kind = "tun" } },
      .routes = { { 5, AF_INET, true }, { 2, AF_INET6, false } }, .ids = "route:only-ipv6@eth0" },
    /* a virtual machine on the bridge changes nothing for who is not on it */
    { .links = { ETH0, { .index = 3, .name = "eth1", .up = true, .master = 5 },
                 { .index = 5, .name = "br0", .up = true, .kind = "bridge" },
                 { .index = 6, .name = "vnet0", .up = true, .master = 5, .kind = "tun" } },
      .routes = { { 5, AF_INET, true }, { 2, AF_INET, false } }, .ids = UP },
    /* the kernel does not say where the default route leads */
    { .links = { ETH0 }, .routes = { { 0, AF_INET, true } }, .ids = "route:0.0.0.0/0@eth0 " UP },
    /* nor where any other does: it proves no other way */
    { .links = { ETH0 }, .routes = { { 2, AF_INET, false }, { 0, AF_INET, false } },
      .ids = "route:only-ipv4@eth0 " UP },
    /* not in this network namespace, or another one has its number */
    { .links = { { .index = 1, .name = "lo" } }, .ids = "netns:eth0@" MEMBER },
    { .links = { { .index = 2, .name = "wlan0", .up = true } }, .ids = "netns:eth0@" MEMBER },
};

static FindingSeverity expected_severity(FindingKind kind)
{
    return kind == FINDING_UP || kind == FINDING_ADDR ? FINDING_DISRUPTIVE : FINDING_FATAL;
}

static NetworkState *make_state(const Case *c)
{
    NetworkState *state = network_state_new();

    for (size_t i = 0; i < G_N_ELEMENTS(c->links) && c->links[i].index > 0; i++)
        g_array_append_val(state->links, c->links[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(c->addresses) && c->addresses[i].index > 0; i++)
        g_array_append_val(state->addresses, c->addresses[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(c->routes) && c->routes[i].family != 0; i++)
        g_array_append_val(state->routes, c->routes[i]);
    return state;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp((*(const Finding *const *) a)->id, (*(const Finding *const *) b)->id);
}

START_TEST(judgement)
{
    const Case *c = &cases[_i];
    g_autoptr(NetworkState) state = make_state(c);
    g_autoptr(GPtrArray) findings = findings_new();
    g_autoptr(GString) seen = g_string_new(NULL);

    findings_judge_interface(state, MEMBER, "eth0", 2, findings);
    g_ptr_array_sort(findings, compare_ids);
    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        g_string_append_printf(seen, "%s%s", i > 0 ? " " : "", finding->id);
        ck_assert_int_eq(finding->severity, expected_severity(finding->kind));
        ck_assert_ptr_nonnull(strstr(finding->text, "eth0"));
    }
    ck_assert_str_eq(seen->str, c->ids);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_loop_test(tests, judgement, 0, G_N_ELEMENTS(cases));
    return unit_run("findings-net", tests);
}
