/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "scene.h"
#include "unit.h"

#define MEMBER "0000:00:06.0"

static Tree *tree;

static void set_up(void)
{
    tree = scene_new();
}

static void tear_down(void)
{
    g_clear_pointer(&tree, tree_free);
}

static char *add(uint32_t class_code, const char *driver)
{
    return tree_add_device(
        tree,
        &(TreeDevice){ .name = MEMBER, .class_code = class_code, .driver = driver, .group = 7 });
}

typedef struct Child {
    const char *name, *subsystem, *driver;
} Child;

/* Only whether an interface is missed is asked here. */
static const struct {
    uint32_t class_code;
    const char *driver;
    Child children[4];
    const char *missed; /* where, or NULL */
} cases[] = {
    { 0x020000, "ixgbe", {}, MEMBER },
    { 0x020000, "ixgbe", { { "net/eth0", "net", NULL } }, NULL },
    { 0x020000, NULL, {}, NULL },
    { 0x020000, "vfio-pci", {}, NULL },
    { 0x028000, "iwlwifi", {}, MEMBER },
    { 0x028000, "iwlwifi", { { "ieee80211/phy0", "ieee80211", NULL } }, NULL },
    { 0x010802, "nvme", { { "nvme/nvme0", "nvme", NULL } }, NULL },
    { 0x020000, "virtio-pci", { { "virtio0", "virtio", "virtio_net" } }, "virtio0" },
    { 0x020000,
      "virtio-pci",
      { { "virtio0", "virtio", "virtio_net" }, { "virtio0/net/eth0", "net", NULL } },
      NULL },
    { 0x0c0330, "xhci_hcd", { { "usb1/1-1/1-1:1.0", "usb", "r8152" } }, "1-1:1.0" },
    { 0x0c0330, "xhci_hcd", { { "usb1/1-1/1-1:1.0", "usb", "usb-storage" } }, NULL },
    /* two interfaces of one device have one network interface */
    { 0x0c0330,
      "xhci_hcd",
      { { "usb1/1-1/1-1:1.0", "usb", "cdc_ether" },
        { "usb1/1-1/1-1:1.0/net/usb0", "net", NULL },
        { "usb1/1-1/1-1:1.1", "usb", "cdc_ether" } },
      NULL },
    /* that of another device is none of this one */
    { 0x0c0330,
      "xhci_hcd",
      { { "usb1/1-1/1-1:1.0", "usb", "r8152" },
        { "usb1/1-10/1-10:1.0", "usb", "r8152" },
        { "usb1/1-10/1-10:1.0/net/usb0", "net", NULL } },
      "1-1:1.0" },
};

START_TEST(missing_interfaces)
{
    g_autofree char *device = add(cases[_i].class_code, cases[_i].driver), *expected = NULL;
    g_autoptr(GPtrArray) findings = NULL;
    char *members[] = { device, NULL };
    unsigned n = 0;

    expected = g_strdup_printf("netns:no-interface@%s", cases[_i].missed);
    for (const Child *child = cases[_i].children; child->name; child++)
        scene_add_bound(tree, device, child->name, child->subsystem, child->driver);
    ck_assert_int_eq(findings_collect(tree->fd, members, FINDINGS_ALL, &findings), 0);
    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        if (finding->kind != FINDING_NETNS || !strstr(finding->id, "no-interface"))
            continue;
        n++;
        ck_assert_str_eq(finding->id, expected);
        ck_assert_int_eq(finding->severity, FINDING_FATAL);
    }
    ck_assert_uint_eq(n, cases[_i].missed ? 1 : 0);
}
END_TEST

static const struct {
    const char *layer;
    bool missed;
} layers[] = { { "InfiniBand\n", false }, { "Ethernet\n", true } };

/* An InfiniBand port has no interface of its own; one that speaks Ethernet has. */
START_TEST(infiniband)
{
    g_autofree char *device = add(0x020700, "mlx5_core");
    g_autofree char *layer = g_strconcat(device, "/infiniband/mlx5_0/ports/1/link_layer", NULL);
    g_autoptr(GPtrArray) findings = NULL;
    char *members[] = { device, NULL };
    bool missed = false;

    scene_add_bound(tree, device, "infiniband/mlx5_0", "infiniband", NULL);
    tree_write(tree, layer, layers[_i].layer);
    ck_assert_int_eq(findings_collect(tree->fd, members, FINDINGS_ALL, &findings), 0);
    for (unsigned i = 0; i < findings->len; i++)
        missed |= ((Finding *) findings->pdata[i])->kind == FINDING_NETNS;
    ck_assert_int_eq(missed, layers[_i].missed);
}
END_TEST

/* The namespaces that there are, for uid 0 only. */
START_TEST(namespaces)
{
    g_autofree char *device = add(0x020000, "ixgbe");
    g_autoptr(GPtrArray) findings = NULL;
    const Finding *finding;

    scene_network_namespace(tree, 1, 100);
    scene_add_process(tree, 812, "router", 2, "/");
    scene_network_namespace(tree, 812, 200);
    scene_add_process(tree, 813, "same", 2, "/");
    scene_network_namespace(tree, 813, 200);
    scene_add_process(tree, 814, "ours", 1, "/");
    scene_network_namespace(tree, 814, 100);
    tree_write(tree, "run/netns/blue", "");
    findings = scene_expect(tree, device, FINDINGS_ALL, "netns:no-interface@" MEMBER);
    finding = findings->pdata[0];
    ck_assert_ptr_null(strstr(finding->text, "812"));
    ck_assert_ptr_nonnull(strstr(finding->private_text, ": /run/netns/blue, pid 812 (router)"));
    ck_assert_ptr_null(strstr(finding->private_text, "813"));
    ck_assert_ptr_null(strstr(finding->private_text, "814"));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, missing_interfaces, 0, G_N_ELEMENTS(cases));
    tcase_add_loop_test(tests, infiniband, 0, G_N_ELEMENTS(layers));
    tcase_add_test(tests, namespaces);
    return unit_run("findings-netns", tests);
}
