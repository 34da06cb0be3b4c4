/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evidence.h"
#include "namespace.h"
#include "scene.h"
#include "tcp-connections.h"
#include "unit.h"

/*
 * The ways to peers against the real kernel: "nic" leads to another namespace, "spare" to nowhere. Bonds,
 * VLANs and VRFs, which not every kernel has, are constructed in test-findings-net.c.
 */

static pid_t other;

static void set_up_far_end(void)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/ns/net", (int) getpid());
    int own = open(path, O_RDONLY | O_CLOEXEC);

    namespace_enter_of(other);
    ck_assert(namespace_ip("link set far up"));
    ck_assert(namespace_ip("addr add 192.0.2.1/24 dev far"));
    ck_assert(namespace_ip("addr add 2001:db8::1/64 dev far nodad"));
    ck_assert_int_eq(setns(own, CLONE_NEWNET), 0);
    close(own);
}

static void set_up(void)
{
    namespace_enter();
    other = namespace_other();
    ck_assert(namespace_ip("link add nic type veth peer name far netns %d", (int) other));
    ck_assert(namespace_ip("link add spare type ifb"));
    set_up_far_end();
    ck_assert(namespace_ip("link set lo up"));
    ck_assert(namespace_ip("link set spare up"));
    ck_assert(namespace_ip("addr add 198.51.100.7/24 dev spare"));
    ck_assert(namespace_ip("addr add 2001:db8:1::7/64 dev spare nodad"));
}

static void set_up_nic(const char *device)
{
    ck_assert(namespace_ip("link set nic up"));
    ck_assert(namespace_ip("addr add 192.0.2.7/24 dev %s", device));
    ck_assert(namespace_ip("addr add 2001:db8::7/64 dev %s nodad", device));
}

/* "nic" is a veth that leads where nobody sees; as the interface of a device it is hardware. */
static NetworkState *read_state(void)
{
    NetworkState *state = NULL;
    int nic = (int) if_nametoindex("nic");

    ck_assert_int_eq(network_state_read(&state), 0);
    for (unsigned i = 0; i < state->links->len; i++) {
        NetworkLink *link = &g_array_index(state->links, NetworkLink, i);

        if (link->index == nic)
            link->kind[0] = '\0';
    }
    return state;
}

static RemoteWays *find_ways(RemotePeers *peers, const NetworkState *state)
{
    RemoteWays *ways = NULL;

    ck_assert_int_eq(remote_ways_find(state, peers, &ways), 0);
    return ways;
}

/* Peers of nobody. */
static RemotePeers *no_peers(Tree *tree)
{
    RemotePeers *peers = remote_peers_read(tree->fd, NULL);

    ck_assert_uint_eq(peers->peers->len, 0);
    return peers;
}

/* EXPECTED: the interfaces that the way to PEER, seen from LOCAL, may use: "nic spare". */
static void expect_from(const char *peer, const char *local, const char *expected)
{
    static const char *const names[] = { "nic", "spare" };
    g_autoptr(Tree) tree = scene_new();
    g_autoptr(NetworkState) state = read_state();
    g_autoptr(RemoteWays) ways = NULL;
    g_autoptr(GString) seen = g_string_new(NULL);
    RemotePeers *peers = no_peers(tree);

    remote_peers_add(peers, peer, "a remote login", NULL);
    if (local)
        ck_assert(ip_address_parse(local, &((RemotePeer *) peers->peers->pdata[0])->local));
    ways = find_ways(peers, state);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (remote_way_may_use(ways->ways->pdata[0], state, (int) if_nametoindex(names[i])))
            g_string_append_printf(seen, "%s%s", seen->len > 0 ? " " : "", names[i]);
    ck_assert_msg(strcmp(seen->str, expected) == 0, "to %s: %s, not %s", peer, seen->str, expected);
}

static void expect(const char *peer, const char *expected)
{
    expect_from(peer, NULL, expected);
}

START_TEST(on_link)
{
    set_up_nic("nic");
    expect("192.0.2.1", "nic");
    expect("2001:db8::1", "nic");
    expect("::ffff:192.0.2.1", "nic");
    expect("198.51.100.1", "spare");
    expect("2001:db8:1::1", "spare");
}
END_TEST

START_TEST(this_machine)
{
    set_up_nic("nic");
    expect("192.0.2.7", "");
    expect("2001:db8::7", "");
    expect("127.0.0.1", "");
    expect("127.8.9.10", "");
    expect("::1", "");
    ck_assert(namespace_ip("route add local 203.0.113.0/24 dev lo"));
    expect("203.0.113.9", "");
}
END_TEST

START_TEST(through_others)
{
    set_up_nic("nic");
    ck_assert(namespace_ip("route add default via 192.0.2.254"));
    ck_assert(namespace_ip("-6 route add default via 2001:db8:1::fe"));
    expect("203.0.113.1", "nic");
    expect("2001:db8:2::1", "spare");
    ck_assert(namespace_ip("route add 203.0.113.0/24 via 198.51.100.254"));
    expect("203.0.113.1", "spare");
}
END_TEST

/* The kernel takes one of the hops for a packet; the others count, too. */
START_TEST(several_hops)
{
    set_up_nic("nic");
    ck_assert(namespace_ip("route add 203.0.113.0/24 nexthop via 192.0.2.254 nexthop via 198.51.100.254"));
    ck_assert(namespace_ip("-6 route add 2001:db8:2::/64 nexthop via 2001:db8::fe "
                           "nexthop via 2001:db8:1::fe"));
    expect("203.0.113.1", "nic spare");
    expect("2001:db8:2::1", "nic spare");
}
END_TEST

START_TEST(next_hop_objects)
{
    static const char *const modes[] = { "1", "0" };

    set_up_nic("nic");
    namespace_write("/proc/sys/net/ipv4/nexthop_compat_mode", modes[_i]);
    ck_assert(namespace_ip("nexthop add id 1 via 192.0.2.254 dev nic"));
    ck_assert(namespace_ip("nexthop add id 2 via 198.51.100.254 dev spare"));
    ck_assert(namespace_ip("nexthop add id 3 group 1/2"));
    ck_assert(namespace_ip("-6 nexthop add id 4 via 2001:db8::fe dev nic"));
    ck_assert(namespace_ip("route add 203.0.113.0/25 nhid 1"));
    ck_assert(namespace_ip("route add 203.0.113.128/25 nhid 3"));
    ck_assert(namespace_ip("-6 route add default nhid 4"));
    expect("203.0.113.1", "nic");
    expect("203.0.113.129", "nic spare");
    expect("2001:db8:2::1", "nic");
}
END_TEST

/* A rule by our own address, as for machines with several ways out; and our end itself counts. */
START_TEST(rules)
{
    set_up_nic("nic");
    ck_assert(namespace_ip("route add default via 192.0.2.254"));
    ck_assert(namespace_ip("rule add from 198.51.100.7 table 100"));
    ck_assert(namespace_ip("route add default via 198.51.100.254 table 100"));
    expect_from("203.0.113.1", NULL, "nic");
    expect_from("203.0.113.1", "192.0.2.7", "nic");
    expect_from("203.0.113.1", "198.51.100.7", "spare");
    ck_assert(namespace_ip("rule del from 198.51.100.7 table 100"));
    expect_from("203.0.113.1", "198.51.100.7", "nic spare");
}
END_TEST

START_TEST(link_local)
{
    set_up_nic("nic");
    expect("fe80::1%nic", "nic");
    expect("fe80::1%spare", "spare");
    expect("fe80::1", "nic spare");
    expect("fe80::1%gone", "nic spare");
    expect("169.254.1.1", "nic spare");
}
END_TEST

/* What leads nowhere that we see may use whatever is in use; what is not in use carries nothing. */
START_TEST(untold)
{
    expect("far-away.example", "spare");
    expect("203.0.113.1", "spare");
    set_up_nic("nic");
    expect("far-away.example", "nic spare");
    expect("203.0.113.1", "nic spare");
    ck_assert(namespace_ip("link set nic down"));
    expect("far-away.example", "spare");
}
END_TEST

START_TEST(nested_bridges)
{
    ck_assert(namespace_ip("link add inner type bridge"));
    ck_assert(namespace_ip("link set nic master inner"));
    ck_assert(namespace_ip("link add overlay type vxlan id 5 dstport 4789 dev inner"));
    ck_assert(namespace_ip("link add outer type bridge"));
    ck_assert(namespace_ip("link set overlay master outer"));
    ck_assert(namespace_ip("link set inner up"));
    ck_assert(namespace_ip("link set overlay up"));
    ck_assert(namespace_ip("link set outer up"));
    set_up_nic("outer");
    expect("192.0.2.1", "nic");
    expect("2001:db8::1", "nic");
    expect("198.51.100.1", "spare");
}
END_TEST

/* A stranger in the other namespace, who stays until the test ends. */
static void connect_from(const char *family, const char *to)
{
    struct sockaddr_in6 address6 = { .sin6_family = AF_INET6, .sin6_port = htons(22) };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(22) };
    bool is_ipv4 = strcmp(family, "4") == 0;
    pid_t pid;

    ck_assert_int_eq(inet_pton(is_ipv4 ? AF_INET : AF_INET6, to,
                               is_ipv4 ? (void *) &address.sin_addr : (void *) &address6.sin6_addr),
                     1);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return;
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    namespace_enter_of(other);
    {
        int fd = socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (connect(fd, is_ipv4 ? (struct sockaddr *) &address : (struct sockaddr *) &address6,
                    is_ipv4 ? sizeof(address) : sizeof(address6)) < 0)
            _exit(EXIT_FAILURE);
        for (;;)
            (void) pause();
    }
}

/* Listens on port 22 of all addresses and lets one in; returns its descriptor. */
static int let_one_in(const char *family, const char *to)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(22) };
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), connection;

    ck_assert_int_eq(bind(fd, (struct sockaddr *) &any, sizeof(any)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    connect_from(family, to);
    connection = accept(fd, NULL, NULL);
    ck_assert_int_ge(connection, 0);
    return connection;
}

static void serve(Tree *tree, int pid, const char *command, const char *title, int socket)
{
    g_autofree char *link = NULL, *path = g_strdup_printf("proc/%d/cmdline", pid);
    struct stat st;

    ck_assert_int_eq(fstat(socket, &st), 0);
    link = g_strdup_printf("socket:[%lu]", st.st_ino);
    scene_add_process(tree, pid, command, 1, "/");
    scene_open(tree, pid, 3, link);
    tree_write_bytes(tree, path, title, strlen(title) + 1);
}

static char *add_device(Tree *tree, const char *name, const char *interface)
{
    char *device = tree_add_device(
        tree,
        &(TreeDevice){ .name = name, .class_code = 0x020000, .driver = "e1000e", .group = 4 });
    g_autofree char *path = g_strdup_printf("%s/net/%s", device, interface);
    g_autofree char *index_path = g_strconcat(path, "/ifindex", NULL);
    g_autofree char *index = g_strdup_printf("%u\n", if_nametoindex(interface));

    scene_add_child(tree, path, "net", NULL);
    tree_write(tree, index_path, index);
    return device;
}

static bool has_remote(Tree *tree, char *device, const char *id)
{
    g_autoptr(GPtrArray) findings = NULL;
    char *members[] = { device, NULL };
    bool any = false;

    ck_assert_int_eq(findings_collect(tree->fd, members, FINDINGS_ALL, &findings), 0);
    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        if (finding->kind != FINDING_REMOTE)
            continue;
        any = true;
        ck_assert_str_eq(finding->id, id);
        ck_assert_int_eq(finding->severity, FINDING_FATAL);
        ck_assert_ptr_null(strstr(finding->text, "pid"));
        ck_assert_ptr_nonnull(strstr(finding->private_text, "pid 900"));
    }
    return any;
}

static const struct {
    const char *family, *to, *peer;
} families[] = {
    { "4", "192.0.2.7", "192.0.2.1" },
    { "6", "2001:db8::7", "2001:db8::1" },
};

/* The whole way: a real connection that a server has, no record of a login, the finding. */
START_TEST(connection)
{
    g_autoptr(Tree) tree = scene_new();
    g_autofree char *nic = NULL, *id = NULL;
    int socket;

    set_up_nic("nic");
    nic = add_device(tree, "0000:00:03.0", "nic");
    id = g_strdup_printf("remote:%s@nic", families[_i].peer);
    socket = let_one_in(families[_i].family, families[_i].to);

    ck_assert(!has_remote(tree, nic, id));
    serve(tree, 900, "nginx", "nginx: worker", socket);
    ck_assert(!has_remote(tree, nic, id));
    tree_remove(tree, "proc/900");
    serve(tree, 900, "sshd", "sshd: alice [priv]", socket); /* she has not given her password yet */
    ck_assert(!has_remote(tree, nic, id));
    tree_remove(tree, "proc/900");
    serve(tree, 900, "sshd", "sshd: alice@pts/0", socket);
    ck_assert(has_remote(tree, nic, id));
    close(socket);
    ck_assert(!has_remote(tree, nic, id));
}
END_TEST

/* A record with a name that nobody can look up here has the address of its leader's connection. */
START_TEST(leader_of_a_session)
{
    g_autoptr(Tree) tree = scene_new();
    g_autoptr(RemotePeers) peers = NULL;
    int socket;

    set_up_nic("nic");
    socket = let_one_in("4", "192.0.2.7");
    serve(tree, 900, "sshd", "sshd: alice [priv]", socket);
    tree_write(tree, "run/systemd/sessions/3", "USER=alice\nREMOTE=1\nREMOTE_HOST=far-away\nLEADER=900\n");
    peers = remote_peers_read(tree->fd, NULL);
    ck_assert_uint_eq(peers->peers->len, 1);
    ck_assert_str_eq(((RemotePeer *) peers->peers->pdata[0])->name, "192.0.2.1");
    ck_assert_str_eq(((RemotePeer *) peers->peers->pdata[0])->who, "alice");
    close(socket);
}
END_TEST

/* Names of people and hosts come from files that others write: what the bus cannot carry is taken out. Two
 * from one place are one finding. */
START_TEST(names_of_people)
{
    g_autoptr(Tree) tree = scene_new();
    g_autoptr(GPtrArray) findings = NULL;
    g_autofree char *nic = NULL;
    const Finding *finding;

    set_up_nic("nic");
    nic = add_device(tree, "0000:00:03.0", "nic");
    tree_write(tree, "run/systemd/sessions/3", "USER=al\x1b\xffice\nREMOTE=1\nREMOTE_HOST=192.0.2.1\n");
    tree_write(tree, "run/systemd/sessions/4", "USER=bob\nREMOTE=1\nREMOTE_HOST=192.0.2.1\n");
    tree_write(tree, "run/systemd/sessions/5", "USER=eve\nREMOTE=1\nREMOTE_HOST=far\x1b\xff\n");
    tree_write(tree, "sys/class/nvme/nvme3/transport", "tcp\n");
    tree_write(tree, "sys/class/nvme/nvme3/address", "traddr=192.0.2.1\n");
    ck_assert_int_eq(findings_collect(tree->fd, (char *[]){ nic, NULL }, FINDINGS_ALL, &findings), 0);
    finding = scene_find(findings, "remote:192.0.2.1@nic");
    ck_assert_ptr_nonnull(strstr(finding->text, "(a remote login, the NVMe controller nvme3)"));
    ck_assert(g_str_has_suffix(finding->private_text, "ice, bob"));
    ck_assert(g_utf8_validate(finding->private_text, -1, NULL));
    ck_assert_ptr_null(strchr(finding->private_text, '\x1b'));
    finding = scene_find(findings, "remote:far\\x1b\\xff@nic");
    ck_assert(g_utf8_validate(finding->text, -1, NULL));
}
END_TEST

/* What goes out is none: its port is not listened on. */
START_TEST(outgoing_connection)
{
    g_autoptr(GArray) connections = NULL;
    struct stat st;
    int socket;

    set_up_nic("nic");
    socket = let_one_in("4", "192.0.2.7");
    ck_assert_int_eq(fstat(socket, &st), 0);
    ck_assert_int_eq(tcp_connections_read(&connections), 0);
    ck_assert_uint_eq(connections->len, 1);
    ck_assert_uint_eq(g_array_index(connections, TcpConnection, 0).inode, st.st_ino);
    g_clear_pointer(&connections, g_array_unref);
    namespace_enter_of(other);
    ck_assert_int_eq(tcp_connections_read(&connections), 0);
    ck_assert_uint_eq(connections->len, 0);
    close(socket);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, on_link);
    tcase_add_test(tests, this_machine);
    tcase_add_test(tests, through_others);
    tcase_add_test(tests, several_hops);
    tcase_add_loop_test(tests, next_hop_objects, 0, 2);
    tcase_add_test(tests, rules);
    tcase_add_test(tests, link_local);
    tcase_add_test(tests, untold);
    tcase_add_test(tests, nested_bridges);
    tcase_add_loop_test(tests, connection, 0, G_N_ELEMENTS(families));
    tcase_add_test(tests, leader_of_a_session);
    tcase_add_test(tests, names_of_people);
    tcase_add_test(tests, outgoing_connection);
    return unit_run("remote-way", tests);
}
