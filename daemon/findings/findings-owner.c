/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "evidence.h"
#include "sysfs.h"

/* User space as the driver of a device: VFIO, uio, mediated and vDPA devices; and any process that has a
 * node of a device open. */

/* Nodes that are opened to own the device, each with its own finding. */
static bool is_owner_node(const Descendant *descendant)
{
    return descendant_is(descendant, "vfio-dev") || descendant_is(descendant, "uio");
}

bool member_is_for_user_space(const Member *member)
{
    const char *driver = member->device->driver;

    return driver && (driver_is_vfio(driver) || strcmp(driver, "pci-stub") == 0 ||
                      descendants_have(member->descendants, "uio"));
}

static bool read_class_number(int root_fd, const char *node, dev_t *ret)
{
    g_autofree char *path = g_strdup_printf("sys/class/%s/dev", node), *text = NULL;
    unsigned ma, mi;

    if (sysfs_read(root_fd, path, &text) < 0 || sscanf(text, "%u:%u", &ma, &mi) != 2)
        return false;
    *ret = makedev(ma, mi);
    return true;
}

/* Processes that have the node of the class device SYSFS_NAME open, known by its number, or something whose
 * link reads LINK. */
static GArray *node_users(const Evidence *evidence, const char *sysfs_name, const char *link)
{
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    dev_t number;
    bool has_number = read_class_number(evidence->root_fd, sysfs_name, &number);

    for (unsigned i = 0; i < evidence->files->files->len; i++) {
        const OpenFile *file = g_ptr_array_index(evidence->files->files, i);
        bool same_node = has_number && file->is_device && !file->block && file->number == number;

        if (same_node || g_strcmp0(file->link, link) == 0)
            process_list_add(pids, file->pid);
    }
    return pids;
}

static GArray *link_users(const Evidence *evidence, const char *link)
{
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));

    for (unsigned i = 0; i < evidence->files->files->len; i++) {
        const OpenFile *file = g_ptr_array_index(evidence->files->files, i);

        if (g_strcmp0(file->link, link) == 0)
            process_list_add(pids, file->pid);
    }
    return pids;
}

static void add_owner(const Evidence *evidence, const Member *member, const char *object, const GArray *pids,
                      GPtrArray *findings)
{
    Finding *finding;

    if (pids->len == 0)
        return;
    finding = findings_add(findings, FINDING_OWNER, FINDING_ABSOLUTE, member->name, object, member->name,
                           "%s is owned by a program through %s; stop that program or virtual machine first",
                           member->name, object);
    finding_name_processes(finding, evidence->root_fd, pids);
}

static void judge_group(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    static const char *const prefixes[] = { "", "noiommu-" };

    if (member->device->group < 0)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        g_autofree char *sysfs_name = g_strdup_printf("vfio/%s%d", prefixes[i], member->device->group);
        g_autofree char *link = g_strdup_printf("/dev/%s", sysfs_name);
        g_autoptr(GArray) pids = node_users(evidence, sysfs_name, link);

        add_owner(evidence, member, link, pids, findings);
    }
}

static bool is_of_member(const OpenFile *file, const Member *member)
{
    size_t n = strlen(member->syspath);

    return file->syspath && strncmp(file->syspath, member->syspath, n) == 0 &&
           (file->syspath[n] == '\0' || file->syspath[n] == '/');
}

static bool is_owner_node_of(const OpenFile *file, const Member *member)
{
    for (unsigned i = 0; file->is_device && i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (is_owner_node(descendant) && descendant->number == file->number)
            return true;
    }
    return false;
}

/* Descriptors of which the kernel itself says that they are for this device; those of its own node are found
 * by the node. */
static void judge_device_descriptors(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));

    for (unsigned i = 0; i < evidence->files->files->len; i++) {
        const OpenFile *file = g_ptr_array_index(evidence->files->files, i);

        if (is_of_member(file, member) && !is_owner_node_of(file, member))
            process_list_add(pids, file->pid);
    }
    add_owner(evidence, member, "vfio-device", pids, findings);
}

static void judge_owner_nodes(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);
        g_autoptr(GArray) pids = NULL;
        g_autofree char *node = NULL;

        if (!is_owner_node(descendant) || descendant->number == 0)
            continue;
        pids = open_files_holders(evidence->files, descendant->number, false, 0);
        node = g_strdup_printf("/dev/%s%s", descendant_is(descendant, "uio") ? "" : "vfio/devices/",
                               descendant->name);
        add_owner(evidence, member, node, pids, findings);
    }
}

/* A device that was made of this one is somebody's, opened or not. */
static void judge_derived_devices(const Member *member, GPtrArray *findings)
{
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (descendant_is(descendant, "mdev") || descendant_is(descendant, "vdpa"))
            findings_add(findings, FINDING_OWNER, FINDING_ABSOLUTE, member->name, descendant->name,
                         member->name, "the %s device %s is made of %s; remove it first",
                         descendant->subsystem, descendant->name, member->name);
    }
}

/* The descriptor says which device or group its process uses. */
static bool names_its_device(const OpenFile *file)
{
    if (file->syspath)
        return true;
    return file->link && g_str_has_prefix(file->link, "/dev/vfio/") &&
           strcmp(file->link, "/dev/vfio/vfio") != 0;
}

static bool process_names_its_device(const OpenFiles *files, pid_t pid)
{
    for (unsigned i = 0; i < files->files->len; i++) {
        const OpenFile *file = g_ptr_array_index(files->files, i);

        if (file->pid == pid && names_its_device(file))
            return true;
    }
    return false;
}

static void keep_nameless(const OpenFiles *files, const GArray *users, GArray *pids)
{
    for (unsigned i = 0; i < users->len; i++) {
        pid_t pid = g_array_index(users, pid_t, i);

        if (!process_names_its_device(files, pid))
            process_list_add(pids, pid);
    }
}

/*
 * A VFIO descriptor keeps its group alive after the group's own descriptor was closed
 * (drivers/vfio/group.c), and KVM can hold the last reference. Before Linux 6.18 nothing tells which device
 * it is for; so for a member under a VFIO driver, a process with such descriptors that names no device may
 * be its owner.
 *
 * A container or an iommufd alone owns nothing: what is attached to it is a group, or a device, that is open
 * somewhere. As any user may open /dev/vfio/vfio, he would keep all such devices from a change with it.
 */
static void judge_nameless_users(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    static const char *const names[] = { "[vfio-device]", "kvm-vfio" };

    if (!member->device->driver || !driver_is_vfio(member->device->driver))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *link = g_strconcat("anon_inode:", names[i], NULL);
        g_autoptr(GArray) users = link_users(evidence, link);
        g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));

        keep_nameless(evidence->files, users, pids);
        add_owner(evidence, member, names[i], pids, findings);
    }
}

/* Only what has a node for user space can be owned: descriptors that could not be read do not concern the
 * rest. */
static bool can_have_owner(const Evidence *evidence, const Member *member)
{
    static const char *const prefixes[] = { "", "noiommu-" };

    if (member_is_for_user_space(member) || descendants_have(member->descendants, "vfio-dev"))
        return true;
    for (size_t i = 0; member->device->group >= 0 && i < G_N_ELEMENTS(prefixes); i++) {
        g_autofree char *node = g_strdup_printf("vfio/%s%d", prefixes[i], member->device->group);
        dev_t number;

        if (read_class_number(evidence->root_fd, node, &number))
            return true;
    }
    return false;
}

void findings_judge_owner(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    judge_derived_devices(member, findings);
    if (evidence->files_unread && can_have_owner(evidence, member))
        findings_add_unread(findings, member->name, evidence->files_unread);
    if (!evidence->files)
        return;
    judge_group(evidence, member, findings);
    judge_device_descriptors(evidence, member, findings);
    judge_owner_nodes(evidence, member, findings);
    judge_nameless_users(evidence, member, findings);
}

/* Nodes whose users are found, and named, elsewhere. */
/* An open node is a finding of a kind of its own: display, input, sound, rdma. */
static bool has_own_kind(const Descendant *descendant)
{
    static const char *const subsystems[] = { "drm",   "graphics", "infiniband_mad", "infiniband_verbs",
                                              "input", "sound",    NULL };

    return descendant->subsystem && g_strv_contains(subsystems, descendant->subsystem);
}

static bool is_judged_node(const Descendant *descendant)
{
    return is_owner_node(descendant) || descendant_is_storage_node(descendant) ||
           descendant_is_infrastructure(descendant) || has_own_kind(descendant);
}

/* What is left: a clock of a network card, a USB device driven through usbfs. */
void findings_judge_nodes(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    if (evidence->files_unread)
        findings_add_unread(findings, member->name, evidence->files_unread);
    for (unsigned i = 0; evidence->files && i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);
        g_autoptr(GArray) pids = NULL;
        Finding *finding;

        if (descendant->number == 0 || is_judged_node(descendant))
            continue;
        pids = open_files_holders(evidence->files, descendant->number, false, 0);
        if (pids->len == 0)
            continue;
        finding = findings_add(findings, FINDING_UNKNOWN, FINDING_FATAL, member->name, descendant->name,
                               member->name,
                               "a process has the node of %s open for an unknown use; stop it first",
                               descendant->name);
        finding_name_processes(finding, evidence->root_fd, pids);
    }
}

void findings_add_node_users(const Evidence *evidence, const Member *member, const Descendant *descendant,
                             FindingKind kind, FindingSeverity severity, const char *uses,
                             GPtrArray *findings)
{
    g_autoptr(GArray) pids = NULL;
    Finding *finding;

    if (!evidence->files || descendant->number == 0)
        return;
    pids = open_files_holders(evidence->files, descendant->number, false, 0);
    if (pids->len == 0)
        return;
    finding = findings_add(findings, kind, severity, member->name, descendant->name, member->name,
                           "a process %s %s; stop it first, or allow that it loses it", uses,
                           descendant->name);
    finding_name_processes(finding, evidence->root_fd, pids);
}
