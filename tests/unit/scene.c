/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <check.h>

#include "scene.h"

static void append(Tree *tree, const char *path, const char *line)
{
    g_autofree char *old = tree_read(tree, path), *text = g_strdup_printf("%s%s\n", old ?: "", line);

    tree_write(tree, path, text);
}

static void link_as_is(Tree *tree, const char *path, const char *text)
{
    g_autofree char *folder = g_path_get_dirname(path);

    tree_mkdir(tree, folder);
    ck_assert_int_eq(symlinkat(text, tree->fd, path), 0);
}

void scene_add_process(Tree *tree, int pid, const char *command, unsigned ns, const char *root)
{
    g_autofree char *base = g_strdup_printf("proc/%d", pid), *fd = g_strconcat(base, "/fd", NULL);
    g_autofree char *comm = g_strconcat(base, "/comm", NULL), *line = g_strconcat(command, "\n", NULL);
    g_autofree char *ns_path = g_strconcat(base, "/ns/mnt", NULL),
                    *ns_text = g_strdup_printf("mnt:[%u]", ns);
    g_autofree char *root_path = g_strconcat(base, "/root", NULL);
    g_autofree char *mountinfo = g_strconcat(base, "/mountinfo", NULL);

    tree_mkdir(tree, fd);
    tree_write(tree, comm, line);
    link_as_is(tree, ns_path, ns_text);
    link_as_is(tree, root_path, root);
    tree_write(tree, mountinfo, "");
}

void scene_network_namespace(Tree *tree, int pid, unsigned ns)
{
    g_autofree char *path = g_strdup_printf("proc/%d/ns/net", pid), *text = g_strdup_printf("net:[%u]", ns);

    link_as_is(tree, path, text);
}

void scene_open(Tree *tree, int pid, int fd, const char *link)
{
    g_autofree char *path = g_strdup_printf("proc/%d/fd/%d", pid, fd);

    link_as_is(tree, path, link);
}

void scene_open_node(Tree *tree, int pid, int fd, unsigned ma, unsigned mi)
{
    g_autofree char *node = g_strdup_printf("dev/char/%u:%u", ma, mi),
                    *link = g_strdup_printf("%s/%s", tree->path, node);

    tree_mkdir(tree, "dev/char");
    if (mknodat(tree->fd, node, S_IFCHR | 0600, makedev(ma, mi)) < 0 && errno != EEXIST)
        ck_abort_msg("no node /%s: %s", node, g_strerror(errno));
    scene_open(tree, pid, fd, link);
}

void scene_mount(Tree *tree, int pid, const char *number, const char *target, const char *type,
                 const char *source)
{
    g_autofree char *path = g_strdup_printf("proc/%d/mountinfo", pid);
    g_autofree char *line =
        g_strdup_printf("36 25 %s / %s rw,relatime shared:1 - %s %s rw", number, target, type, source);

    append(tree, path, line);
}

Tree *scene_new(void)
{
    Tree *tree = tree_new();

    scene_add_process(tree, 1, "systemd", 1, "/");
    scene_mount(tree, 1, "0:25", "/", "tmpfs", "tmpfs");
    tree_write(tree, "proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    tree_mkdir(tree, "sys/class/block");
    return tree;
}

void scene_udev(Tree *tree, const char *number, const char *text)
{
    g_autofree char *path = g_strdup_printf("run/udev/data/b%s", number),
                    *line = g_strdup_printf("E:%s", text);

    append(tree, path, line);
}

static bool is_block(Tree *tree, const char *path)
{
    g_autofree char *name = g_path_get_basename(path), *link = g_strconcat("sys/class/block/", name, NULL);

    return faccessat(tree->fd, link, F_OK, 0) == 0;
}

static void add_block(Tree *tree, const char *path, const char *number)
{
    g_autofree char *name = g_path_get_basename(path), *link = g_strconcat("sys/class/block/", name, NULL);
    g_autofree char *holders = g_strconcat(path, "/holders", NULL), *parent = g_path_get_dirname(path);
    g_autofree char *partition = g_strconcat(path, "/partition", NULL);

    if (is_block(tree, parent))
        tree_write(tree, partition, "1\n");
    tree_mkdir(tree, holders);
    tree_link(tree, link, path);
    if (number)
        scene_udev(tree, number, "DEVTYPE=disk");
}

void scene_add_child(Tree *tree, const char *path, const char *subsystem, const char *number)
{
    g_autofree char *uevent = g_strconcat(path, "/uevent", NULL), *dev = g_strconcat(path, "/dev", NULL);
    g_autofree char *link = g_strconcat(path, "/subsystem", NULL),
                    *class = g_strconcat("sys/class/", subsystem, NULL);
    g_autofree char *line = g_strdup_printf("%s\n", number);

    tree_mkdir(tree, class);
    tree_write(tree, uevent, "");
    tree_link(tree, link, class);
    if (number)
        tree_write(tree, dev, line);
    if (strcmp(subsystem, "block") == 0)
        add_block(tree, path, number);
}

void scene_bind(Tree *tree, const char *path, const char *subsystem, const char *driver)
{
    g_autofree char *target = g_strdup_printf("sys/bus/%s/drivers/%s", subsystem, driver);
    g_autofree char *link = g_strconcat(path, "/driver", NULL);

    tree_mkdir(tree, target);
    tree_link(tree, link, target);
}

void scene_add_bound(Tree *tree, const char *parent, const char *name, const char *subsystem,
                     const char *driver)
{
    g_autofree char *path = g_strdup_printf("%s/%s", parent, name);

    scene_add_child(tree, path, subsystem, NULL);
    if (driver)
        scene_bind(tree, path, subsystem, driver);
}

void scene_hold(Tree *tree, const char *lower, const char *upper)
{
    g_autofree char *link = g_strdup_printf("sys/class/block/%s/holders/%s", lower, upper);
    g_autofree char *target = g_strdup_printf("sys/devices/virtual/block/%s", upper);

    tree_link(tree, link, target);
}

char *scene_add_nvme(Tree *tree)
{
    char *syspath = tree_add_device(tree, &(TreeDevice){ .name = "0000:00:04.0",
                                                         .vendor = 0x1b36,
                                                         .device = 0x0010,
                                                         .class_code = 0x010802,
                                                         .driver = "nvme",
                                                         .group = 7 });
    g_autofree char *controller = g_strconcat(syspath, "/nvme/nvme0", NULL);
    g_autofree char *disk = g_strconcat(controller, "/nvme0n1", NULL);
    g_autofree char *partition = g_strconcat(disk, "/nvme0n1p1", NULL);

    scene_add_child(tree, controller, "nvme", "240:0");
    scene_add_child(tree, disk, "block", "259:0");
    scene_add_child(tree, partition, "block", "259:1");
    return syspath;
}

GPtrArray *scene_expect(Tree *tree, const char *syspath, FindingsScope scope, const char *ids)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    char *members[] = { (char *) syspath, NULL };
    GPtrArray *findings = NULL;

    ck_assert_int_eq(findings_collect(tree->fd, members, scope, &findings), 0);
    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = g_ptr_array_index(findings, i);

        g_string_append_printf(seen, "%s%s", i > 0 ? " " : "", finding->id);
        ck_assert_str_eq(finding->member, strrchr(syspath, '/') + 1);
        ck_assert_ptr_nonnull(finding->text);
    }
    ck_assert_str_eq(seen->str, ids);
    return findings;
}

void scene_expect_ids(Tree *tree, const char *syspath, FindingsScope scope, const char *ids)
{
    g_ptr_array_unref(scene_expect(tree, syspath, scope, ids));
}

const Finding *scene_find(const GPtrArray *findings, const char *id)
{
    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = g_ptr_array_index(findings, i);

        if (strcmp(finding->id, id) == 0)
            return finding;
    }
    ck_abort_msg("no finding %s", id);
}
