/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <utmp.h>

#include "remote-peer.h"
#include "scene.h"
#include "tcp-connections.h"
#include "unit.h"

/* Who is known to be elsewhere, from files. */

static Tree *tree;

static void set_up(void)
{
    tree = scene_new();
}

static void tear_down(void)
{
    g_clear_pointer(&tree, tree_free);
}

/* EXPECTED: "NAME (USE) WHO", one in a line. */
static void expect(const char *expected)
{
    g_autoptr(MountTable) mounts = NULL;
    g_autoptr(RemotePeers) peers = NULL;
    g_autoptr(GString) seen = g_string_new(NULL);

    ck_assert_int_eq(mount_table_read(tree->fd, &mounts), 0);
    peers = remote_peers_read(tree->fd, mounts);
    ck_assert_ptr_null(peers->unread);
    for (unsigned i = 0; i < peers->peers->len; i++) {
        const RemotePeer *peer = peers->peers->pdata[i];

        g_string_append_printf(seen, "%s%s%s (%s) %s\n", peer->name, *peer->address.scope ? "%" : "",
                               peer->address.scope, peer->use, peer->who ?: "-");
        ck_assert_int_eq(peer->address.family == 0, strchr(peer->name, '-') != NULL);
    }
    ck_assert_str_eq(seen->str, expected);
}

static const struct {
    const char *text, *address, *scope;
    int family;
} addresses[] = {
    { "192.0.2.1", "192.0.2.1", "", AF_INET },
    { "2001:db8::1", "2001:db8::1", "", AF_INET6 },
    { "[2001:DB8:0::1]", "2001:db8::1", "", AF_INET6 },
    { "::ffff:192.0.2.1", "192.0.2.1", "", AF_INET },
    { "fe80::1%eth0", "fe80::1", "eth0", AF_INET6 },
    { "fe80::1%a-name-of-many-letters", "fe80::1", "a-name-of-many-", AF_INET6 },
    { "fe80::1%", "fe80::1", "", AF_INET6 },
    { .text = "" },
    { .text = "[" },
    { .text = "[]" },
    { .text = "host" },
    { .text = "192.0.2" },
    { .text = "192.0.2.1%eth0" },
    { .text = "192.0.2.1 " },
};

START_TEST(address_texts)
{
    char text[INET6_ADDRSTRLEN];
    IpAddress address = {};

    ck_assert_int_eq(ip_address_parse(addresses[_i].text, &address), addresses[_i].address != NULL);
    if (!addresses[_i].address)
        return;
    ip_address_format(&address, text);
    ck_assert_str_eq(text, addresses[_i].address);
    ck_assert_str_eq(address.scope, addresses[_i].scope);
    ck_assert_int_eq(address.family, addresses[_i].family);
}
END_TEST

START_TEST(kinds_of_addresses)
{
    static const char *const own[] = { "127.0.0.1", "127.3.4.5", "::1",
                                       "::",        "0.0.0.0",   "::ffff:127.0.0.1" };
    static const char *const local[] = { "169.254.1.2", "fe80::1", "febf::1" };
    static const char *const other[] = { "192.0.2.1", "128.0.0.1", "2001:db8::1", "fec0::1", "169.253.0.1" };
    IpAddress address;

    for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
        ck_assert(ip_address_parse(own[i], &address));
        ck_assert(ip_address_is_own(&address));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(local); i++) {
        ck_assert(ip_address_parse(local[i], &address));
        ck_assert(ip_address_is_link_local(&address) && !ip_address_is_own(&address));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(other); i++) {
        ck_assert(ip_address_parse(other[i], &address));
        ck_assert(!ip_address_is_link_local(&address) && !ip_address_is_own(&address));
    }
}
END_TEST

static const struct {
    const char *session, *expected;
} sessions[] = {
    { "UID=0\nUSER=alice\nREMOTE=1\nREMOTE_HOST=192.0.2.1\nLEADER=812\nSTATE=active\n",
      "192.0.2.1 (a remote login) alice\n" },
    { "USER=alice\nREMOTE=1\nREMOTE_HOST=fe80::1%eth0\n", "fe80::1%eth0 (a remote login) alice\n" },
    { "USER=alice\nREMOTE=1\nREMOTE_HOST=far-away.example\n", "far-away.example (a remote login) alice\n" },
    { "REMOTE=1", "not-told (a remote login) \n" },
    { "REMOTE=1\nREMOTE_HOST=::1\n", "" },
    { "USER=alice\nREMOTE=0\nREMOTE_HOST=192.0.2.1\n", "" },
    { "USER=alice\nREMOTE_HOST=192.0.2.1\nX_REMOTE=1\n", "" },
    { "USER=alice\nREMOTE=1\nREMOTE_HOST=192.0.2.1\nSTATE=closing\n", "" },
    { "", "" },
    { "\n=\nREMOTE\n=1\n", "" },
};

START_TEST(sessions_of_logind)
{
    tree_write(tree, "run/systemd/sessions/3", sessions[_i].session);
    tree_write(tree, "run/systemd/sessions/3.ref", "REMOTE=1\nREMOTE_HOST=203.0.113.9\n");
    expect(sessions[_i].expected);
}
END_TEST

static const struct {
    int type;
    pid_t pid;
    const char *address, *host, *expected;
} records[] = {
    { USER_PROCESS, 812, "192.0.2.1", "", "192.0.2.1 (a remote login) alice\n" },
    { USER_PROCESS, 812, "2001:db8::1", "far-away", "2001:db8::1 (a remote login) alice\n" },
    { USER_PROCESS, 812, "::1", "", "" },
    { USER_PROCESS, 812, "127.0.0.1", "localhost", "" },
    { USER_PROCESS, 812, NULL, "192.0.2.1", "192.0.2.1 (a remote login) alice\n" },
    { USER_PROCESS, 812, NULL, "192.0.2.1 via mosh [77]", "192.0.2.1 (a remote login) alice\n" },
    { USER_PROCESS, 812, NULL, "192.0.2.1:S.0", "192.0.2.1 (a remote login) alice\n" },
    { USER_PROCESS, 812, NULL, "far-away.example", "far-away.example (a remote login) alice\n" },
    { USER_PROCESS, 812, NULL, ":0", "" },
    { USER_PROCESS, 812, NULL, "tmux(77).%0", "" },
    { USER_PROCESS, 812, NULL, "", "" },
    { USER_PROCESS, 813, "192.0.2.1", "", "" }, /* has ended */
    { USER_PROCESS, 0, "192.0.2.1", "", "" },
    { DEAD_PROCESS, 812, "192.0.2.1", "", "" },
    { BOOT_TIME, 0, NULL, "6.12.0-amd64", "" },
};

START_TEST(records_of_utmp)
{
    struct utmp record = { .ut_type = (short) records[_i].type,
                           .ut_pid = records[_i].pid,
                           .ut_user = "alice" };
    g_autoptr(GByteArray) file = g_byte_array_new();
    IpAddress address;

    memcpy(record.ut_host, records[_i].host, strlen(records[_i].host));
    if (records[_i].address) {
        ck_assert(ip_address_parse(records[_i].address, &address));
        memcpy(record.ut_addr_v6, address.bytes, sizeof(record.ut_addr_v6));
    }
    scene_add_process(tree, 812, "bash", 1, "/");
    g_byte_array_append(file, (const guint8 *) &record, sizeof(record));
    tree_write_bytes(tree, "run/utmp", file->data, file->len);
    expect(records[_i].expected);
    /* half of a record at the end */
    g_byte_array_append(file, (const guint8 *) &record, sizeof(record) / 2);
    tree_write_bytes(tree, "run/utmp", file->data, file->len);
    expect(records[_i].expected);
}
END_TEST

/* Every field of a record filled to its end has no NUL. */
START_TEST(full_record)
{
    struct utmp record;

    memset(&record, 'a', sizeof(record));
    record.ut_type = USER_PROCESS;
    record.ut_pid = 812;
    memset(record.ut_addr_v6, 0, sizeof(record.ut_addr_v6));
    record.ut_host[1] = '-';
    scene_add_process(tree, 812, "bash", 1, "/");
    tree_write_bytes(tree, "run/utmp", &record, sizeof(record));
    {
        g_autoptr(RemotePeers) peers = remote_peers_read(tree->fd, NULL);
        const RemotePeer *peer;

        ck_assert_uint_eq(peers->peers->len, 1);
        peer = peers->peers->pdata[0];
        ck_assert_uint_eq(strlen(peer->name), UT_HOSTSIZE);
        ck_assert_uint_eq(strlen(peer->who), UT_NAMESIZE);
    }
}
END_TEST

static const struct {
    const char *options, *expected;
} mounts[] = {
    { "rw,vers=4.2,clientaddr=192.0.2.7,addr=192.0.2.1", "192.0.2.1 (the file system /srv) -\n" },
    { "rw,addr=2001:db8::1,sec=sys", "2001:db8::1 (the file system /srv) -\n" },
    { "rw,addr=fe80::1%eth0", "fe80::1%eth0 (the file system /srv) -\n" },
    { "rw,addr", "" },
    { "rw,clientaddr=192.0.2.7", "" },
};

START_TEST(file_systems)
{
    g_autofree char *source = g_strconcat("server:/srv ", mounts[_i].options, NULL);

    scene_mount(tree, 1, "0:44", "/srv", "nfs4", source);
    scene_mount(tree, 1, "0:44", "/srv", "nfs4", source);
    expect(mounts[_i].expected);
}
END_TEST

START_TEST(iscsi)
{
    tree_write(tree, "sys/class/iscsi_connection/connection1:0/address", "192.0.2.1\n");
    tree_write(tree, "sys/class/iscsi_connection/connection1:0/persistent_address", "192.0.2.2\n");
    expect("192.0.2.1 (the iSCSI connection connection1:0) -\n");
    tree_write(tree, "sys/class/iscsi_connection/connection1:0/address", "<NULL>\n");
    expect("192.0.2.2 (the iSCSI connection connection1:0) -\n");
    tree_write(tree, "sys/class/iscsi_connection/connection1:0/persistent_address", "far-away\n");
    expect("far-away (the iSCSI connection connection1:0) -\n");
    tree_remove(tree, "sys/class/iscsi_connection/connection1:0/persistent_address");
    expect("");
}
END_TEST

static const struct {
    const char *transport, *address, *expected;
} controllers[] = {
    { "tcp\n", "traddr=192.0.2.1,trsvcid=4420,src_addr=192.0.2.7\n",
      "192.0.2.1 (the NVMe controller nvme3) -\n" },
    { "rdma\n", "host_traddr=192.0.2.7,traddr=[2001:db8::1]\n",
      "2001:db8::1 (the NVMe controller nvme3) -\n" },
    { "tcp\n", "trsvcid=4420\n", "not-told (the NVMe controller nvme3) -\n" },
    { "tcp\n", "\n", "" },
    { "pcie\n", "0000:00:04.0\n", "" },
    { "fc\n", "traddr=nn-0x10:pn-0x20\n", "" },
    { NULL, NULL, "" },
};

START_TEST(nvme_over_fabrics)
{
    tree_mkdir(tree, "sys/class/nvme/nvme3");
    if (controllers[_i].transport)
        tree_write(tree, "sys/class/nvme/nvme3/transport", controllers[_i].transport);
    if (controllers[_i].address)
        tree_write(tree, "sys/class/nvme/nvme3/address", controllers[_i].address);
    expect(controllers[_i].expected);
}
END_TEST

/* What is there and cannot be read is not taken for nobody. */
START_TEST(unread)
{
    static const char *const folders[] = { "run/utmp", "run/systemd/sessions/3",
                                           "sys/class/iscsi_connection/connection1:0/address" };
    g_autoptr(RemotePeers) peers = NULL;

    tree_mkdir(tree, folders[_i]);
    peers = remote_peers_read(tree->fd, NULL);
    ck_assert_ptr_nonnull(peers->unread);
}
END_TEST

/* A connection is a login's if its process has the socket; the peer is then known with our end. */
START_TEST(connections)
{
    g_autoptr(RemotePeers) peers = remote_peers_read(tree->fd, NULL);
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(TcpConnection));
    TcpConnection one = { .inode = 4711, .link = 7 }, other = { .inode = 4712 };
    const RemotePeer *peer;

    ck_assert(ip_address_parse("192.0.2.1", &one.remote) && ip_address_parse("192.0.2.7", &one.local));
    ck_assert(ip_address_parse("192.0.2.2", &other.remote) && ip_address_parse("192.0.2.7", &other.local));
    g_array_append_val(list, one);
    g_array_append_val(list, other);
    scene_add_process(tree, 812, "sshd", 1, "/");
    scene_open(tree, 812, 3, "/dev/null");
    scene_open(tree, 812, 4, "socket:[471]");
    scene_open(tree, 812, 5, "socket:[4711]");
    scene_open(tree, 812, 6, "socket:[x]");
    ck_assert_uint_eq(remote_peers_add_login(peers, tree->fd, list, 813, "nobody"), 0);
    ck_assert_uint_eq(remote_peers_add_login(peers, tree->fd, list, 812, "alice"), 1);
    ck_assert_uint_eq(peers->peers->len, 1);
    peer = peers->peers->pdata[0];
    ck_assert_str_eq(peer->name, "192.0.2.1");
    ck_assert_str_eq(peer->who, "alice");
    ck_assert(ip_address_equal(&peer->local, &one.local));
    ck_assert_int_eq(peer->link, 7);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, address_texts, 0, G_N_ELEMENTS(addresses));
    tcase_add_test(tests, kinds_of_addresses);
    tcase_add_loop_test(tests, sessions_of_logind, 0, G_N_ELEMENTS(sessions));
    tcase_add_loop_test(tests, records_of_utmp, 0, G_N_ELEMENTS(records));
    tcase_add_test(tests, full_record);
    tcase_add_loop_test(tests, file_systems, 0, G_N_ELEMENTS(mounts));
    tcase_add_test(tests, iscsi);
    tcase_add_loop_test(tests, nvme_over_fabrics, 0, G_N_ELEMENTS(controllers));
    tcase_add_loop_test(tests, unread, 0, 3);
    tcase_add_test(tests, connections);
    return unit_run("remote-peer", tests);
}
