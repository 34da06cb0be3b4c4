/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <rdma/rdma_netlink.h>
#include <string.h>

#include "evidence.h"
#include "scene.h"
#include "unit.h"

/* RDMA devices in use. The kernel's messages are constructed: few kernels that build this have any. */

#define MEMBER "0000:00:03.0"

static Tree *tree;
static char *device;
static RdmaState *state;

static void set_up(void)
{
    tree = scene_new();
    state = rdma_state_new();
    device = tree_add_device(
        tree,
        &(TreeDevice){ .name = MEMBER, .class_code = 0x020000, .driver = "mlx5_core", .group = 4 });
}

static void tear_down(void)
{
    g_clear_pointer(&device, g_free);
    g_clear_pointer(&state, rdma_state_free);
    g_clear_pointer(&tree, tree_free);
}

static void add_child(const char *name, const char *subsystem, const char *number)
{
    g_autofree char *path = g_strdup_printf("%s/%s", device, name);

    scene_add_child(tree, path, subsystem, number);
}

/* A class device that names its RDMA device, below the member or not. */
static void add_node(const char *class, const char *name, const char *of, const char *number)
{
    g_autofree char *folder = g_strdup_printf("sys/class/%s/%s", class, name);
    g_autofree char *dev = g_strconcat(folder, "/dev", NULL), *ibdev = g_strconcat(folder, "/ibdev", NULL);

    tree_write(tree, dev, number);
    tree_write(tree, ibdev, of);
}

static struct nlmsghdr *start(char *buffer)
{
    return mnl_nlmsg_put_header(buffer);
}

static RdmaDevice *add_device(const char *name, unsigned index, int link)
{
    char buffer[512];
    struct nlmsghdr *message = start(buffer);
    RdmaDevice *added;

    mnl_attr_put_u32(message, RDMA_NLDEV_ATTR_DEV_INDEX, index);
    mnl_attr_put_strz(message, RDMA_NLDEV_ATTR_DEV_NAME, name);
    ck_assert_int_eq(rdma_take_device(message, state), MNL_CB_OK);
    added = g_ptr_array_index(state->devices, state->devices->len - 1);
    message = start(buffer);
    mnl_attr_put_u32(message, RDMA_NLDEV_ATTR_PORT_INDEX, 1);
    if (link) {
        mnl_attr_put_u32(message, RDMA_NLDEV_ATTR_NDEV_INDEX, (uint32_t) link);
        mnl_attr_put_strz(message, RDMA_NLDEV_ATTR_NDEV_NAME, "eth0");
    }
    ck_assert_int_eq(rdma_take_port(message, added), MNL_CB_OK);
    return added;
}

static void add_queue_pair(RdmaDevice *of, int type, unsigned pid, const char *module)
{
    char buffer[512];
    struct nlmsghdr *message = start(buffer);
    struct nlattr *table, *entry;

    mnl_attr_put_u32(message, RDMA_NLDEV_ATTR_DEV_INDEX, of->index);
    table = mnl_attr_nest_start(message, RDMA_NLDEV_ATTR_RES_QP);
    entry = mnl_attr_nest_start(message, RDMA_NLDEV_ATTR_RES_QP_ENTRY);
    mnl_attr_put_u32(message, RDMA_NLDEV_ATTR_RES_LQPN, 17);
    if (type >= 0)
        mnl_attr_put_u8(message, RDMA_NLDEV_ATTR_RES_TYPE, (uint8_t) type);
    if (pid)
        mnl_attr_put_u32(message, RDMA_NLDEV_ATTR_RES_PID, pid);
    if (module)
        mnl_attr_put_strz(message, RDMA_NLDEV_ATTR_RES_KERN_NAME, module);
    mnl_attr_nest_end(message, entry);
    mnl_attr_nest_end(message, table);
    ck_assert_int_eq(rdma_take_queue_pairs(message, of), MNL_CB_OK);
}

/* What findings_judge_rdma() makes of the member, STATE and the links NETWORK (may be NULL). */
static GPtrArray *judge(NetworkState *network, const char *expected)
{
    GPtrArray *findings = findings_new();
    g_autoptr(GPtrArray) descendants = NULL;
    g_autoptr(OpenFiles) files = NULL;
    g_autoptr(GString) seen = g_string_new(NULL);
    Evidence evidence = { .root_fd = tree->fd, .network = network, .rdma = state };
    Member member = { .syspath = device, .name = MEMBER };

    ck_assert_int_eq(open_files_read(tree->fd, &files), 0);
    ck_assert_int_eq(device_read(tree->fd, device, NULL, &member.device), 0);
    ck_assert_int_eq(descendants_read(tree->fd, device, &descendants), 0);
    evidence.files = files;
    member.descendants = descendants;
    findings_judge_rdma(&evidence, &member, findings);
    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        g_string_append_printf(seen, "%s%s", i > 0 ? " " : "", finding->id);
        ck_assert_int_eq(finding->severity, FINDING_FATAL);
    }
    ck_assert_str_eq(seen->str, expected);
    device_free(member.device);
    return findings;
}

static void expect(NetworkState *network, const char *expected)
{
    g_ptr_array_unref(judge(network, expected));
}

static const struct {
    int type;
    unsigned pid;
    const char *module;
    bool in_use;
} queue_pairs[] = {
    { 2, 812, NULL, true },         /* RC of a process */
    { 2, 0, "nvme_rdma", true },    /* RC of the kernel */
    { 4, 0, "ib_ipoib", false },    /* UD: its interface tells */
    { 0, 0, "ib_core", false },     /* SMI */
    { 1, 0, "ib_core", false },     /* GSI */
    { 2, 0, "mlx5_ib", false },     /* the driver's own */
    { 4, 0, "ib_core", true },
    { 2, 0, NULL, true },           /* of a process in another pid namespace */
    { -1, 0, NULL, true },
    { 1, 812, NULL, false },
};

START_TEST(queue_pairs_of_the_member)
{
    RdmaDevice *own = add_device("mlx5_0", 1, 0), *other = add_device("mlx5_1", 2, 0);

    add_child("infiniband/mlx5_0", "infiniband", NULL);
    add_queue_pair(other, 2, 812, NULL);
    expect(NULL, "");
    add_queue_pair(own, queue_pairs[_i].type, queue_pairs[_i].pid, queue_pairs[_i].module);
    expect(NULL, queue_pairs[_i].in_use ? "rdma:mlx5_0@" MEMBER : "");
}
END_TEST

START_TEST(people_and_modules)
{
    RdmaDevice *own = add_device("mlx5_0", 1, 0);
    g_autoptr(GPtrArray) findings = NULL;
    const Finding *finding;

    add_child("infiniband/mlx5_0", "infiniband", NULL);
    scene_add_process(tree, 812, "perftest", 1, "/");
    add_queue_pair(own, 2, 812, NULL);
    add_queue_pair(own, 2, 812, NULL);
    add_queue_pair(own, 2, 0, "nvme_rdma");
    add_queue_pair(own, 2, 0, "nvme_rdma");
    add_queue_pair(own, 2, 0, "rpcrdma");
    findings = judge(NULL, "rdma:mlx5_0@" MEMBER);
    finding = findings->pdata[0];
    ck_assert_ptr_nonnull(strstr(finding->text, "kernel's nvme_rdma, rpcrdma and a process;"));
    ck_assert_ptr_null(strstr(finding->text, "812"));
    ck_assert_ptr_nonnull(strstr(finding->private_text, ": pid 812 (perftest)"));
}
END_TEST

static const struct {
    const char *class, *name, *of;
    bool in_use;
} nodes[] = {
    { "infiniband_verbs", "uverbs0", "mlx5_0\n", true },
    { "infiniband_mad", "umad0", "mlx5_0\n", true },
    { "infiniband_mad", "issm0", "mlx5_0\n", true },
    { "infiniband_verbs", "uverbs1", "mlx5_1\n", false },
};

START_TEST(open_nodes)
{
    add_child("infiniband/mlx5_0", "infiniband", NULL);
    add_node(nodes[_i].class, nodes[_i].name, nodes[_i].of, "231:192\n");
    expect(NULL, "");
    scene_add_process(tree, 812, "verbs", 1, "/");
    scene_open_node(tree, 812, 3, 231, 193);
    expect(NULL, "");
    scene_open_node(tree, 812, 4, 231, 192);
    expect(NULL, nodes[_i].in_use ? "rdma:mlx5_0@" MEMBER : "");
}
END_TEST

static NetworkState *make_network(bool up)
{
    static const NetworkLink upper = {
        .index = 5, .name = "eth0.7", .up = true, .lower = 2, .kind = "vlan"
    };
    NetworkState *network = network_state_new();
    NetworkLink link = { .index = 2, .name = "eth0", .up = up };

    g_array_append_val(network->links, link);
    g_array_append_val(network->links, upper);
    link = (NetworkLink){ .index = 3, .name = "eth1", .up = true };
    g_array_append_val(network->links, link);
    return network;
}

static const struct {
    int link;
    bool over_member;
} soft_devices[] = { { 2, true }, { 5, true }, { 3, false }, { 0, false }, { 77, false } };

/* rxe and siw run over any interface. */
START_TEST(soft_device)
{
    g_autoptr(NetworkState) network = make_network(true);
    RdmaDevice *soft = add_device("rxe0", 1, soft_devices[_i].link);

    add_child("net/eth0", "net", NULL);
    expect(network, "");
    add_queue_pair(soft, 2, 812, NULL);
    expect(network, soft_devices[_i].over_member ? "rdma:rxe0@" MEMBER : "");
}
END_TEST

static const struct {
    const char *type;
    bool up, in_use;
} interfaces[] = { { "32\n", true, true }, { "32\n", false, false }, { "1\n", true, false } };

START_TEST(ip_over_infiniband)
{
    g_autoptr(NetworkState) network = make_network(interfaces[_i].up);
    g_autofree char *type = g_strconcat(device, "/net/eth0/type", NULL);

    add_child("net/eth0", "net", NULL);
    tree_write(tree, type, interfaces[_i].type);
    expect(network, interfaces[_i].in_use ? "rdma:eth0@" MEMBER : "");
}
END_TEST

START_TEST(other_namespace)
{
    add_child("infiniband_verbs/uverbs0", "infiniband_verbs", "231:192");
    expect(NULL, "netns:no-rdma-device@" MEMBER);
    add_child("infiniband/mlx5_0", "infiniband", NULL);
    expect(NULL, "");
}
END_TEST

/* Messages that the kernel does not send: nothing is taken from them, nothing is read beyond their end. */
START_TEST(strange_messages)
{
    RdmaDevice *own = add_device("mlx5_0", 1, 0);
    char buffer[512];
    struct nlmsghdr *message = start(buffer);
    struct nlattr *table, *entry;

    mnl_attr_put(message, RDMA_NLDEV_ATTR_DEV_NAME, 3, "abc");
    mnl_attr_put_u8(message, RDMA_NLDEV_ATTR_DEV_INDEX, 1);
    ck_assert_int_eq(rdma_take_device(message, state), MNL_CB_OK);
    ck_assert_uint_eq(state->devices->len, 1);
    message = start(buffer);
    mnl_attr_put_u8(message, RDMA_NLDEV_ATTR_NDEV_INDEX, 1);
    ck_assert_int_eq(rdma_take_port(message, own), MNL_CB_OK);
    ck_assert_uint_eq(own->links->len, 0);
    message = start(buffer);
    table = mnl_attr_nest_start(message, RDMA_NLDEV_ATTR_RES_QP);
    entry = mnl_attr_nest_start(message, RDMA_NLDEV_ATTR_RES_QP_ENTRY);
    mnl_attr_put_u32(message, RDMA_NLDEV_ATTR_RES_TYPE, 1);
    mnl_attr_put_u8(message, RDMA_NLDEV_ATTR_RES_PID, 1);
    mnl_attr_put(message, RDMA_NLDEV_ATTR_RES_KERN_NAME, 3, "abc");
    mnl_attr_nest_end(message, entry);
    mnl_attr_nest_end(message, table);
    ck_assert_int_eq(rdma_take_queue_pairs(message, own), MNL_CB_OK);
    ck_assert_uint_eq(own->pids->len, 0);
    ck_assert_uint_eq(own->kernel->len, 1);
}
END_TEST

/* The kernel that runs this has RDMA, or it has not and says so; then the devices that are there are not
 * taken for free. */
START_TEST(whole_way)
{
    g_autoptr(RdmaState) real = NULL;
    g_autofree char *layer = g_strconcat(device, "/infiniband/mlx5_9/ports/1/link_layer", NULL);

    add_child("infiniband/mlx5_9", "infiniband", NULL);
    tree_write(tree, layer, "InfiniBand\n");
    scene_expect_ids(tree, device, FINDINGS_ALL, "");
    tree_mkdir(tree, "sys/class/infiniband/mlx5_9");
    if (rdma_state_read(&real) >= 0)
        scene_expect_ids(tree, device, FINDINGS_ALL, "");
    else
        scene_expect_ids(tree, device, FINDINGS_ALL, "unknown:RDMA\\x20netlink@" MEMBER);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, queue_pairs_of_the_member, 0, G_N_ELEMENTS(queue_pairs));
    tcase_add_test(tests, people_and_modules);
    tcase_add_loop_test(tests, open_nodes, 0, G_N_ELEMENTS(nodes));
    tcase_add_loop_test(tests, soft_device, 0, G_N_ELEMENTS(soft_devices));
    tcase_add_loop_test(tests, ip_over_infiniband, 0, G_N_ELEMENTS(interfaces));
    tcase_add_test(tests, other_namespace);
    tcase_add_test(tests, strange_messages);
    tcase_add_test(tests, whole_way);
    return unit_run("findings-rdma", tests);
}
