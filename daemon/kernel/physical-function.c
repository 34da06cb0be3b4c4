/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "physical-function.h"
#include "sysfs.h"

#define LINK_PREFIX "virtfn"

int physical_function_foresee(int fd, const Device *device, DeviceFacts **ret)
{
    const DeviceFacts *function = device->facts;
    DeviceFacts *facts;
    uint64_t id;
    int r;

    r = sysfs_read_u64(fd, "sriov_vf_device", 16, &id);
    if (r < 0)
        return r;
    facts = device_facts_new(function->bus, function->name, function->path);
    facts->foreseen = true;
    facts->vendor = function->vendor;
    facts->device = (uint32_t) id;
    facts->class_code = function->class_code;
    facts->untrusted = function->untrusted;
    facts->virtual_function = TRISTATE_YES;
    facts->pf_vendor = function->vendor;
    facts->pf_device = function->device;
    facts->iommu = g_strdup(function->iommu);
    *ret = facts;
    return 0;
}

static bool is_function_link(const char *name)
{
    return g_str_has_prefix(name, LINK_PREFIX) && g_ascii_isdigit(name[strlen(LINK_PREFIX)]);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

int physical_function_list(int fd, char ***ret)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) entries = NULL;
    int r;

    r = sysfs_list(fd, ".", &entries);
    if (r < 0)
        return r;
    for (char **entry = entries; *entry; entry++) {
        char *name;

        if (is_function_link(*entry) && sysfs_link_name(fd, *entry, &name) >= 0)
            g_ptr_array_add(names, name);
    }
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    *ret = (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
    return 0;
}

int physical_function_autoprobe(int fd)
{
    uint64_t value;
    int r = sysfs_read_u64(fd, PHYSICAL_FUNCTION_AUTOPROBE, 10, &value);

    if (r < 0)
        return r;
    return value <= 1 ? (int) value : -EBADMSG;
}

int physical_function_set_autoprobe(int fd, bool probe)
{
    return sysfs_write(fd, PHYSICAL_FUNCTION_AUTOPROBE, probe ? "1" : "0");
}

int physical_function_settle(int numvfs_fd)
{
    char number[16];

    return pread(numvfs_fd, number, sizeof number, 0) < 0 ? -errno : 0;
}

int virtual_function_inode(int root_fd, const char *name, uint64_t *ret)
{
    g_autofree char *syspath = NULL;
    int r = device_find(root_fd, "pci", name, &syspath);

    if (r >= 0)
        r = sysfs_inode(root_fd, syspath, ret);
    return r == -ENOENT ? -ENODEV : r;
}

int virtual_function_probe(int root_fd, const char *name)
{
    g_autofree char *syspath = NULL, *override = NULL;
    _cleanup_close_ int fd = -EBADF;
    int r = device_find(root_fd, "pci", name, &syspath);

    if (r < 0)
        return r;
    fd = sysfs_open_dir(root_fd, syspath);
    if (fd < 0)
        return fd;
    if (faccessat(fd, "driver", F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
        return 0;
    r = device_read_override(fd, &override);
    if (r < 0)
        return r;
    if (override)
        return 0;
    return sysfs_write(root_fd, "sys/bus/pci/drivers_probe", name);
}
