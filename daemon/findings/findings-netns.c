/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "evidence.h"
#include "network-namespace.h"
#include "sysfs.h"

/*
 * sysfs shows the interfaces of the own network namespace only (lib/kobject_ns.h): a driver that should have
 * made one and shows none may have it in another namespace, in full use. Where a driver makes several and
 * shows some, nothing tells how many there should be: dev_port and phys_port_name number the ports of a
 * board, not of a function.
 */

/* Drivers of USB interfaces that make a network interface (drivers/net/usb). */
static const char *const usb_drivers[] = { "aqc111",     "asix",       "ax88179_178a", "cdc_eem",
                                           "cdc_ether",  "cdc_mbim",   "cdc_ncm",      "cdc_subset",
                                           "ch9200",     "dm9601",     "ipheth",       "lan78xx",
                                           "mcs7830",    "pegasus",    "qmi_wwan",     "r8152",
                                           "r8153_ecm",  "rndis_host", "rtl8150",      "smsc75xx",
                                           "smsc95xx",   "sr9700",     "sr9800",       NULL };

static bool has_interface_below(const Member *member, const char *path)
{
    size_t n = strlen(path);

    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (descendant_is(descendant, "net") && strncmp(descendant->path, path, n) == 0 &&
            descendant->path[n] == '/')
            return true;
    }
    return false;
}

static void add_missing(const Evidence *evidence, const Member *member, const char *where,
                        const char *driver, GPtrArray *findings)
{
    g_autofree char *namespaces = network_namespaces_to_string(evidence->root_fd);
    Finding *finding;

    finding = findings_add(findings, FINDING_NETNS, FINDING_FATAL, member->name, "no-interface", where,
                           "%s (driver %s) shows no interface here; bring it back from its network "
                           "namespace first",
                           where, driver);
    if (namespaces)
        finding_add_private(finding, namespaces);
}

/* A port that speaks InfiniBand has an interface only if somebody wants IP over it. */
static bool has_ethernet_port(int root_fd, const Descendant *infiniband)
{
    g_autofree char *ports_path = g_strdup_printf("%s/ports", infiniband->path);
    g_auto(GStrv) ports = NULL;

    if (sysfs_list(root_fd, ports_path, &ports) < 0)
        return true;
    for (char **port = ports; *port; port++) {
        g_autofree char *path = g_strdup_printf("%s/%s/link_layer", ports_path, *port), *layer = NULL;

        if (sysfs_read(root_fd, path, &layer) < 0 || strcmp(layer, "InfiniBand") != 0)
            return true;
    }
    return false;
}

static bool must_have_interface(const Evidence *evidence, const Member *member)
{
    bool is_infiniband = false;

    /* A wiphy is always where its interfaces are (net/wireless/core.c, cfg80211_switch_netns()). */
    if (descendants_have(member->descendants, "ieee80211"))
        return false;
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (!descendant_is(descendant, "infiniband"))
            continue;
        if (has_ethernet_port(evidence->root_fd, descendant))
            return true;
        is_infiniband = true;
    }
    return !is_infiniband;
}

static void judge_descendant(const Evidence *evidence, const Member *member, const Descendant *descendant,
                             GPtrArray *findings)
{
    /* One of a device's USB interfaces has it for all. */
    g_autofree char *device = g_path_get_dirname(descendant->path);

    if (!descendant->driver)
        return;
    if (descendant_is(descendant, "usb") && g_strv_contains(usb_drivers, descendant->driver)) {
        if (!has_interface_below(member, device))
            add_missing(evidence, member, descendant->name, descendant->driver, findings);
    } else if (descendant_is(descendant, "virtio") && strcmp(descendant->driver, "virtio_net") == 0) {
        if (!has_interface_below(member, descendant->path))
            add_missing(evidence, member, descendant->name, descendant->driver, findings);
    }
}

void findings_judge_namespace(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    uint32_t class_code = member->device->facts->class_code;
    unsigned n_before = findings->len;

    if (!member->device->driver || member_is_for_user_space(member))
        return;
    for (unsigned i = 0; i < member->descendants->len; i++)
        judge_descendant(evidence, member, g_ptr_array_index(member->descendants, i), findings);
    if (findings->len == n_before && class_code != FACT_NO_ID && class_code >> 16 == 0x02 &&
        !descendants_have(member->descendants, "net") && must_have_interface(evidence, member))
        add_missing(evidence, member, member->name, member->device->driver, findings);
}
