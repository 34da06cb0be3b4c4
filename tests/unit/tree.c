/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

#define GROUPS "sys/kernel/iommu_groups"

static char *absolute(Tree *tree, const char *path)
{
    return g_build_filename(tree->path, path, NULL);
}

Tree *tree_new(void)
{
    static const char *const folders[] = {
        "sys/devices", GROUPS, "sys/class/iommu", "proc/sys/kernel/random", "run/iommu-policy",
    };
    Tree *tree = g_new0(Tree, 1);

    tree->path = g_dir_make_tmp("iommu-policy-XXXXXX", NULL);
    g_assert_nonnull(tree->path);
    tree->fd = open(tree->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(tree->fd, >=, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++)
        tree_mkdir(tree, folders[i]);
    tree_write(tree, "proc/sys/kernel/random/boot_id", "6f1c2a52-3d0e-4c51-9f0b-0a9e5f6f7a11\n");
    return tree;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    return remove(path);
}

void tree_remove(Tree *tree, const char *path)
{
    g_autofree char *full = absolute(tree, path);

    if (nftw(full, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0)
        g_assert_cmpint(errno, ==, ENOENT);
}

void tree_free(Tree *tree)
{
    if (!tree)
        return;
    tree_remove(tree, "");
    close(tree->fd);
    g_free(tree->path);
    g_free(tree);
}

void tree_mkdir(Tree *tree, const char *path)
{
    g_autofree char *full = absolute(tree, path);

    g_assert_cmpint(g_mkdir_with_parents(full, 0755), ==, 0);
}

static void make_parents(Tree *tree, const char *path)
{
    g_autofree char *parent = g_path_get_dirname(path);

    tree_mkdir(tree, parent);
}

void tree_write_bytes(Tree *tree, const char *path, const void *data, size_t size)
{
    int fd;

    make_parents(tree, path);
    fd = openat(tree->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, data, size), ==, (ssize_t) size);
    close(fd);
}

void tree_write(Tree *tree, const char *path, const char *text)
{
    tree_write_bytes(tree, path, text, strlen(text));
}

char *tree_read(Tree *tree, const char *path)
{
    g_autofree char *full = absolute(tree, path);
    char *text = NULL;

    if (!g_file_get_contents(full, &text, NULL, NULL))
        return NULL;
    return text;
}

void tree_link(Tree *tree, const char *path, const char *target)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *p = path, *t = target;

    make_parents(tree, path);
    /*
     * What both share is left out, as fs/sysfs/symlink.c does: one ".." for each folder of PATH that is
     * left.
     */
    for (const char *slash; (slash = strchr(p, '/')) && strncmp(p, t, (size_t) (slash - p) + 1) == 0;) {
        t += slash - p + 1;
        p = slash + 1;
    }
    for (const char *slash = p; (slash = strchr(slash, '/')); slash++)
        g_string_append(text, "../");
    g_string_append(text, t);

    (void) unlinkat(tree->fd, path, 0);
    g_assert_cmpint(symlinkat(text->str, tree->fd, path), ==, 0);
}

static void G_GNUC_PRINTF(3, 4) write_attribute(Tree *tree, const char *path, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    tree_write(tree, path, text);
}

#define ATTRIBUTE(tree, syspath, name, ...)                                                                 \
    do {                                                                                                    \
        g_autofree char *_path_ = g_strconcat((syspath), "/", (name), NULL);                                \
        write_attribute((tree), _path_, __VA_ARGS__);                                                       \
    } while (0)

#define LINK(tree, syspath, name, ...)                                                                      \
    do {                                                                                                    \
        g_autofree char *_path_ = g_strconcat((syspath), "/", (name), NULL);                                \
        g_autofree char *_target_ = g_strdup_printf(__VA_ARGS__);                                           \
        tree_link((tree), _path_, _target_);                                                                \
    } while (0)

void tree_set_group(Tree *tree, unsigned id, const char *type, const char *reserved)
{
    g_autofree char *group = g_strdup_printf(GROUPS "/%u", id),
                    *devices = g_strconcat(group, "/devices", NULL);

    tree_mkdir(tree, devices);
    ATTRIBUTE(tree, group, "type", "%s\n", type);
    ATTRIBUTE(tree, group, "reserved_regions", "%s",
              reserved ?: "0x00000000fee00000 0x00000000feefffff msi\n");
}

static void join_group(Tree *tree, const char *syspath, const char *name, unsigned id)
{
    g_autofree char *group = g_strdup_printf(GROUPS "/%u", id), *type = g_strconcat(group, "/type", NULL),
                    *devices = g_strconcat(group, "/devices", NULL);

    if (faccessat(tree->fd, type, F_OK, 0) < 0)
        tree_set_group(tree, id, "DMA", NULL);
    LINK(tree, devices, name, "%s", syspath);
    LINK(tree, syspath, "iommu_group", GROUPS "/%u", id);
}

static void write_pci_attributes(Tree *tree, const char *syspath, const TreeDevice *device)
{
    ATTRIBUTE(tree, syspath, "vendor", "0x%04x\n", device->vendor);
    ATTRIBUTE(tree, syspath, "device", "0x%04x\n", device->device);
    ATTRIBUTE(tree, syspath, "subsystem_vendor", "0x%04x\n", device->subsystem_vendor);
    ATTRIBUTE(tree, syspath, "subsystem_device", "0x%04x\n", device->subsystem_device);
    ATTRIBUTE(tree, syspath, "class", "0x%06x\n", device->class_code);
    ATTRIBUTE(tree, syspath, "modalias", "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X\n", device->vendor,
              device->device, device->subsystem_vendor, device->subsystem_device,
              device->class_code >> 16 & 0xff, device->class_code >> 8 & 0xff, device->class_code & 0xff);
    ATTRIBUTE(tree, syspath, "dma_mask_bits", "%u\n", device->driver ? 64 : 32);
    ATTRIBUTE(tree, syspath, "numa_node", "-1\n");
}

static void make_iommu(Tree *tree, const char *syspath, const char *iommu)
{
    g_autofree char *unit = g_strdup_printf("sys/devices/virtual/iommu/%s", iommu);

    tree_mkdir(tree, unit);
    LINK(tree, "sys/class/iommu", iommu, "%s", unit);
    LINK(tree, syspath, "iommu", "%s", unit);
}

char *tree_add_device(Tree *tree, const TreeDevice *device)
{
    const char *bus = device->bus ?: "pci";
    bool pci = g_str_equal(bus, "pci");
    const char *parent = device->parent ?: (pci ? "pci0000:00" : "platform");
    g_autofree char *syspath = g_strdup_printf("sys/devices/%s/%s", parent, device->name);
    g_autofree char *bus_devices = g_strdup_printf("sys/bus/%s/devices", bus);

    tree_mkdir(tree, syspath);
    ATTRIBUTE(tree, syspath, "uevent", "%s", "");
    LINK(tree, syspath, "subsystem", "sys/bus/%s", bus);
    LINK(tree, bus_devices, device->name, "%s", syspath);
    if (pci)
        write_pci_attributes(tree, syspath, device);
    else
        ATTRIBUTE(tree, syspath, "modalias", "%s:%s\n", bus, device->name);
    ATTRIBUTE(tree, syspath, "driver_override", "(null)\n");
    if (device->removable)
        ATTRIBUTE(tree, syspath, "removable", "%s\n", device->removable);
    if (device->physfn)
        LINK(tree, syspath, "physfn", "%s", device->physfn);
    if (device->group >= 0)
        join_group(tree, syspath, device->name, (unsigned) device->group);
    if (device->iommu)
        make_iommu(tree, syspath, device->iommu);
    if (device->driver)
        tree_bind(tree, syspath, device->driver);
    return g_steal_pointer(&syspath);
}

/* The last component of what the link NAME of SYSPATH says, or NULL. */
static char *link_name(Tree *tree, const char *syspath, const char *name)
{
    g_autofree char *path = g_strconcat(syspath, "/", name, NULL), *full = absolute(tree, path),
                    *text = g_file_read_link(full, NULL);

    return text ? g_path_get_basename(text) : NULL;
}

void tree_bind(Tree *tree, const char *syspath, const char *driver)
{
    g_autofree char *bus = link_name(tree, syspath, "subsystem"), *old = link_name(tree, syspath, "driver"),
                    *name = g_path_get_basename(syspath), *link = g_strconcat(syspath, "/driver", NULL);

    if (old) {
        g_autofree char *entry = g_strdup_printf("sys/bus/%s/drivers/%s/%s", bus, old, name);

        tree_remove(tree, entry);
        tree_remove(tree, link);
    }
    if (driver) {
        g_autofree char *folder = g_strdup_printf("sys/bus/%s/drivers/%s", bus, driver);

        ATTRIBUTE(tree, folder, "bind", "%s", "");
        ATTRIBUTE(tree, folder, "unbind", "%s", "");
        LINK(tree, folder, name, "%s", syspath);
        tree_link(tree, link, folder);
    }
}
