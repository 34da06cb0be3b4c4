/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "evidence.h"
#include "link-stack.h"
#include "sysfs.h"

/*
 * RDMA devices of a member, and those that run over one of its interfaces (rxe, siw): in use if somebody has
 * a node of theirs open or a queue pair. A device that is just there is not in use.
 */

#define HARDWARE_INFINIBAND 32 /* ARPHRD_INFINIBAND, include/uapi/linux/if_arp.h */

static const char *const node_classes[] = { "infiniband_verbs", "infiniband_mad" };

static bool is_of_member(const Member *member, const char *name)
{
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (descendant_is(descendant, "infiniband") && strcmp(descendant->name, name) == 0)
            return true;
    }
    return false;
}

/* One of the interfaces that DEVICE runs over is one of the member's, or carried by one. */
static bool runs_over_member(const Evidence *evidence, const Member *member, const RdmaDevice *device)
{
    for (unsigned i = 0; evidence->network && i < device->links->len; i++) {
        g_autoptr(LinkStack) stack =
            link_stack_new(evidence->network, g_array_index(device->links, int, i));

        for (unsigned j = 0; j < member->descendants->len; j++) {
            const Descendant *descendant = g_ptr_array_index(member->descendants, j);

            if (descendant_is(descendant, "net") &&
                link_stack_has(stack, network_state_find_name(evidence->network, descendant->name)))
                return true;
        }
    }
    return false;
}

static bool read_number(int root_fd, const char *node, dev_t *ret)
{
    g_autofree char *path = g_strconcat(node, "/dev", NULL), *text = NULL;
    unsigned ma, mi;

    if (sysfs_read(root_fd, path, &text) < 0 || sscanf(text, "%u:%u", &ma, &mi) != 2)
        return false;
    *ret = makedev(ma, mi);
    return true;
}

/* Adds who has a node of the class open that is for the RDMA device NAME ("uverbs0", "umad0", "issm0"). */
static void add_node_users(const Evidence *evidence, const char *class, const char *name, GArray *pids)
{
    g_autofree char *folder = g_strconcat("sys/class/", class, NULL);
    g_auto(GStrv) nodes = NULL;

    if (!evidence->files || sysfs_list(evidence->root_fd, folder, &nodes) < 0)
        return;
    for (char **node = nodes; *node; node++) {
        g_autofree char *path = g_strdup_printf("%s/%s", folder, *node);
        g_autofree char *device_path = g_strconcat(path, "/ibdev", NULL), *device = NULL;
        g_autoptr(GArray) users = NULL;
        dev_t number;

        if (sysfs_read(evidence->root_fd, device_path, &device) < 0 || strcmp(device, name) != 0 ||
            !read_number(evidence->root_fd, path, &number))
            continue;
        users = open_files_holders(evidence->files, number, false, 0);
        for (unsigned i = 0; i < users->len; i++)
            process_list_add(pids, g_array_index(users, pid_t, i));
    }
}

/* DEVICE is what netlink tells of it, or NULL. */
static void judge_device(const Evidence *evidence, const Member *member, const char *name,
                         const RdmaDevice *device, GPtrArray *findings)
{
    g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    g_autofree char *modules = NULL;
    Finding *finding;

    for (size_t i = 0; i < G_N_ELEMENTS(node_classes); i++)
        add_node_users(evidence, node_classes[i], name, pids);
    for (unsigned i = 0; device && i < device->pids->len; i++)
        process_list_add(pids, g_array_index(device->pids, pid_t, i));
    for (unsigned i = 0; device && i < device->kernel->len; i++) {
        g_autofree char *shorter = g_steal_pointer(&modules);

        modules = g_strconcat(shorter ?: "", shorter ? ", " : " of the kernel's ",
                              (const char *) g_ptr_array_index(device->kernel, i), NULL);
    }
    if (pids->len == 0 && !modules)
        return;
    finding = findings_add(findings, FINDING_RDMA, FINDING_FATAL, member->name, name, member->name,
                           "the RDMA device %s is in use%s%s; end what uses it first", name, modules ?: "",
                           pids->len == 0 ? "" : modules ? " and a process" : " by a process");
    if (pids->len > 0)
        finding_name_processes(finding, evidence->root_fd, pids);
}

/* IP over InfiniBand that is up, whatever is sent over it. */
static void judge_interface(const Evidence *evidence, const Member *member, const Descendant *interface,
                            GPtrArray *findings)
{
    g_autofree char *type_path = g_strdup_printf("%s/type", interface->path);
    const NetworkLink *link;
    uint64_t type;
    int index;

    if (!evidence->network || sysfs_read_u64(evidence->root_fd, type_path, 10, &type) < 0 ||
        type != HARDWARE_INFINIBAND)
        return;
    index = network_state_find_name(evidence->network, interface->name);
    link = network_state_find(evidence->network, index);
    if (link && link->up)
        findings_add(findings, FINDING_RDMA, FINDING_FATAL, member->name, interface->name, member->name,
                     "%s, IP over InfiniBand, is up; set it down first (ip link set %s down)",
                     interface->name, interface->name);
}

/* An RDMA device is of one network namespace where they are kept apart (rdma-system(8), netns exclusive);
 * its nodes are of none. */
static void judge_missing(const Member *member, GPtrArray *findings)
{
    if (descendants_have(member->descendants, "infiniband_verbs") &&
        !descendants_have(member->descendants, "infiniband"))
        findings_add(findings, FINDING_NETNS, FINDING_FATAL, member->name, "no-rdma-device", member->name,
                     "%s shows no RDMA device here; bring it back from its network namespace first",
                     member->name);
}

static const RdmaDevice *find_device(const Evidence *evidence, const char *name)
{
    return evidence->rdma ? rdma_state_find(evidence->rdma, name) : NULL;
}

void findings_judge_rdma(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    bool has_device = descendants_have(member->descendants, "infiniband");

    if (evidence->rdma_unread && (has_device || descendants_have(member->descendants, "net")))
        findings_add_unread(findings, member->name, evidence->rdma_unread);
    judge_missing(member, findings);
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (descendant_is(descendant, "net"))
            judge_interface(evidence, member, descendant, findings);
        else if (descendant_is(descendant, "infiniband"))
            judge_device(evidence, member, descendant->name, find_device(evidence, descendant->name),
                         findings);
    }
    for (unsigned i = 0; evidence->rdma && i < evidence->rdma->devices->len; i++) {
        const RdmaDevice *device = g_ptr_array_index(evidence->rdma->devices, i);

        if (!is_of_member(member, device->name) && runs_over_member(evidence, member, device))
            judge_device(evidence, member, device->name, device, findings);
    }
}
