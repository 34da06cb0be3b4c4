/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/sysmacros.h>

#include "evidence.h"

/* The last look, when the driver is unbound and sysfs no longer shows the nodes: who still holds one of
 * them? */

int findings_nodes(int root_fd, char **members, GArray **ret)
{
    g_autoptr(GArray) nodes = g_array_new(FALSE, TRUE, sizeof(NodeNumber));

    for (char **member = members; *member; member++) {
        g_autoptr(GPtrArray) descendants = NULL;
        int r = descendants_read(root_fd, *member, &descendants);

        if (r < 0)
            return r;
        for (unsigned i = 0; i < descendants->len; i++) {
            const Descendant *descendant = g_ptr_array_index(descendants, i);
            NodeNumber node = { .number = descendant->number, .block = descendant_is(descendant, "block") };

            if (descendant->number == 0)
                continue;
            g_strlcpy(node.name, descendant->name, sizeof(node.name));
            g_array_append_val(nodes, node);
        }
    }
    *ret = g_steal_pointer(&nodes);
    return 0;
}

static void judge_open(int root_fd, const OpenFiles *files, const NodeNumber *node, pid_t self,
                       const char *member, GPtrArray *findings)
{
    g_autoptr(GArray) pids = open_files_holders(files, node->number, node->block, self);
    Finding *finding;

    if (pids->len == 0)
        return;
    finding = findings_add(findings, FINDING_EXPORT, FINDING_ABSOLUTE, member, node->name, member,
                           "a process still has the node of %s open; stop it first", node->name);
    finding_name_processes(finding, root_fd, pids);
}

/* The device is gone, so a mount without a number of its own is known by the name of its source only. */
static bool mount_is_on_node(const Mount *mount, const NodeNumber *node)
{
    g_autofree char *name = g_path_get_basename(mount->source);

    if (!node->block)
        return false;
    return major(mount->number) != 0 ? mount->number == node->number : strcmp(name, node->name) == 0;
}

static void judge_mounted(int root_fd, const MountTable *mounts, const NodeNumber *node, const char *member,
                          GPtrArray *findings)
{
    for (unsigned i = 0; i < mounts->mounts->len; i++) {
        const Mount *mount = g_ptr_array_index(mounts->mounts, i);

        if (mount_is_on_node(mount, node))
            findings_add_mount(findings, root_fd, member, mount, node->name);
    }
}

static void note_gap(GPtrArray *findings, const char *member, const char *file, unsigned n, int error)
{
    g_autofree char *source = g_strdup_printf("%s: %s", file, g_strerror(-error));

    if (n > 0)
        findings_add_unread(findings, member, source);
}

int findings_node_holders(int root_fd, const GArray *nodes, pid_t self, const char *member,
                          GPtrArray *findings)
{
    g_autoptr(OpenFiles) files = NULL;
    g_autoptr(MountTable) mounts = NULL;
    int r;

    if (nodes->len == 0)
        return 0;
    r = open_files_read(root_fd, &files);
    if (r < 0)
        return r;
    r = mount_table_read(root_fd, &mounts);
    if (r < 0)
        return r;
    note_gap(findings, member, "/proc/PID/fd", files->n_unreadable, files->error);
    note_gap(findings, member, "/proc/PID/mountinfo", mounts->n_unreadable, mounts->error);
    for (unsigned i = 0; i < nodes->len; i++) {
        const NodeNumber *node = &g_array_index(nodes, NodeNumber, i);

        judge_open(root_fd, files, node, self, member, findings);
        judge_mounted(root_fd, mounts, node, member, findings);
    }
    return 0;
}
