/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stub-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "sysfs.h"

#define STUB "pci-stub"
#define STUB_FOLDER "sys/bus/pci/drivers/" STUB

/* --- where it is needed */

static bool groups_come_with_devices(const char *family)
{
    static const char *const families[] = { "intel", "amd", "s390", "ppc64", NULL };

    return g_strv_contains(families, family);
}

int stub_probe_is_needed(int root_fd, char **ret_family)
{
    g_autofree char *found = NULL;
    g_auto(GStrv) units = NULL;
    bool several = false;
    int r;

    r = sysfs_list(root_fd, "sys/class/iommu", &units);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (char **unit = units; *unit; unit++) {
        g_autofree char *family = iommu_family(root_fd, *unit);

        if (groups_come_with_devices(family))
            continue;
        several |= found && !g_str_equal(found, family);
        g_free(found);
        found = g_steal_pointer(&family);
    }
    if (!found)
        return 0;
    *ret_family = several ? NULL : g_steal_pointer(&found);
    return 1;
}

bool stub_probe_fits(const Device *device)
{
    return g_str_equal(device->facts->bus, "pci") && device->group < 0 && !device->driver &&
           !device->is_iommu && !device->facts->bridge && device->facts->virtual_function == TRISTATE_NO;
}

/* --- the driver */

static bool stub_is_there(int root_fd)
{
    return faccessat(root_fd, STUB_FOLDER, F_OK, 0) >= 0;
}

int stub_probe_load(int root_fd)
{
    g_autofree char *program = NULL;
    int r;

    if (stub_is_there(root_fd))
        return 0;
    r = sysfs_read(root_fd, "proc/sys/kernel/modprobe", &program);
    if (r < 0)
        return r;
    if (*program == '/') {
        char *arguments[] = { program, (char *) "-q", (char *) "--", (char *) STUB, NULL };

        (void) g_spawn_sync(NULL, arguments, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL, NULL,
                            NULL);
    }
    return stub_is_there(root_fd) ? 0 : -ENOENT;
}

/* --- the device */

static int read_driver(int dir_fd, char **ret)
{
    int r = sysfs_link_name(dir_fd, "driver", ret);

    return r == -ENOENT ? 0 : r;
}

static bool has_group(int dir_fd)
{
    g_autofree char *group = NULL;

    return sysfs_link_name(dir_fd, "iommu_group", &group) >= 0;
}

/*
 * `unbind` and `drivers_probe` take a name: whose it is is looked at with the file already open, so that
 * only a re-plug between that look and the write can make it another device's.
 */
static int write_name(int root_fd, int dir_fd, const char *path, const char *syspath, uint64_t inode)
{
    _cleanup_close_ int fd = sysfs_open_write(dir_fd, path);
    uint64_t now;

    if (fd < 0)
        return fd;
    if (sysfs_inode(root_fd, syspath, &now) < 0 || now != inode)
        return -ENODEV;
    return sysfs_write_fd(fd, strrchr(syspath, '/') + 1);
}

static int take_from_stub(int root_fd, int dir_fd, const char *syspath, uint64_t inode)
{
    g_autofree char *before = NULL, *after = NULL;
    int r = read_driver(dir_fd, &before);

    if (r < 0 || g_strcmp0(before, STUB) != 0)
        return r;
    (void) write_name(root_fd, dir_fd, "driver/unbind", syspath, inode);
    r = read_driver(dir_fd, &after);
    return r >= 0 && g_strcmp0(after, STUB) == 0 ? -EBUSY : r;
}

/* What driver_override says now decides whose the device is: without one, pci-stub has it from somebody who
 * told it so by an id, and with another one, that one was not set by us. */
static int take_back(int root_fd, int dir_fd, const char *syspath, uint64_t inode)
{
    g_autofree char *override = NULL;
    int r;

    r = device_read_override(dir_fd, &override);
    if (r < 0 || !override)
        return r;
    r = take_from_stub(root_fd, dir_fd, syspath, inode);
    if (r < 0 || !g_str_equal(override, STUB))
        return r;
    /* An empty write does nothing; a newline alone clears (drivers/base/driver.c, driver_set_override()). */
    return sysfs_write(dir_fd, "driver_override", "\n");
}

/* Opens the device that MEMBER is. -ENODEV: it is gone. */
static int open_member(int root_fd, const RecordMember *member, char **ret_syspath)
{
    g_autofree char *syspath = NULL;
    int r = device_find(root_fd, member->bus, member->name, &syspath);

    if (r >= 0)
        r = device_open(root_fd, syspath, member->inode);
    if (r >= 0)
        *ret_syspath = g_steal_pointer(&syspath);
    return r;
}

static int take_back_member(int root_fd, const RecordMember *member, bool probe)
{
    g_autofree char *syspath = NULL, *driver = NULL;
    _cleanup_close_ int dir_fd = open_member(root_fd, member, &syspath);
    int r;

    if (dir_fd < 0)
        return dir_fd == -ENODEV ? 0 : dir_fd;
    r = take_back(root_fd, dir_fd, syspath, member->inode);
    if (r < 0 || !probe)
        return r;
    r = read_driver(dir_fd, &driver);
    if (r < 0 || driver)
        return r;
    r = write_name(root_fd, root_fd, "sys/bus/pci/drivers_probe", syspath, member->inode);
    /* A driver that fails its probe now would have failed it at any time. */
    return r == -EINVAL || r == -ENODEV ? 0 : r;
}

static int take_back_members(int root_fd, const Record *record, bool probe)
{
    int r = 0;

    for (guint i = 0; i < record->members->len; i++) {
        int k = take_back_member(root_fd, record->members->pdata[i], probe);

        r = r < 0 ? r : k;
    }
    return r;
}

int stub_probe_take_back(int root_fd, const Record *record)
{
    return take_back_members(root_fd, record, false);
}

int stub_probe_end(int root_fd, const char *key, const Record *record)
{
    int r = take_back_members(root_fd, record, true);

    return r < 0 ? r : record_remove(root_fd, key);
}

/* --- lending */

static int record_new_for(int root_fd, const Device *device, DomainType wanted, const char *origin,
                          Record **ret)
{
    g_autoptr(Record) record = record_new();
    RecordMember *member = record_add_member(record);
    int r;

    r = record_boot_id(root_fd, &record->boot_id);
    if (r < 0)
        return r;
    record->lent = true;
    record->origin = g_strdup(origin);
    record->wanted_type = wanted;
    member->bus = g_strdup(device->facts->bus);
    member->name = g_strdup(device->facts->name);
    member->inode = device->inode;
    member->vendor = device->facts->vendor;
    member->device = device->facts->device;
    member->class_code = device->facts->class_code;
    member->has_driver_override = true;
    *ret = g_steal_pointer(&record);
    return 0;
}

/* With the lock held: nobody else is at work, and nobody else has said whose the device shall be. */
static int look_again(int dir_fd)
{
    g_autofree char *driver = NULL, *override = NULL;
    int r;

    r = device_read_override(dir_fd, &override);
    if (r < 0)
        return r;
    if (override)
        return -EEXIST;
    r = read_driver(dir_fd, &driver);
    return r < 0 ? r : driver || has_group(dir_fd) ? -EBUSY : 0;
}

static int probe_stub(int root_fd, int dir_fd, const char *syspath, uint64_t inode)
{
    int r = sysfs_write(dir_fd, "driver_override", STUB);

    return r < 0 ? r : write_name(root_fd, root_fd, "sys/bus/pci/drivers_probe", syspath, inode);
}

int stub_probe_lend(int root_fd, const Device *device, DomainType wanted, const char *origin)
{
    g_autofree char *key = record_key(device->facts->bus, device->facts->name);
    g_autofree char *syspath = g_strconcat("sys/devices/", device->facts->path, NULL);
    _cleanup_close_ int lock_fd = -EBADF, dir_fd = -EBADF;
    g_autoptr(Record) record = NULL;
    int r, error;

    lock_fd = record_lock(root_fd, key, false);
    if (lock_fd < 0)
        return lock_fd == -EWOULDBLOCK ? -EBUSY : lock_fd;
    dir_fd = device_open(root_fd, syspath, device->inode);
    if (dir_fd < 0)
        return dir_fd;
    r = look_again(dir_fd);
    if (r >= 0)
        r = record_new_for(root_fd, device, wanted, origin, &record);
    if (r >= 0)
        r = record_write(root_fd, key, record);
    if (r < 0)
        return r;
    error = probe_stub(root_fd, dir_fd, syspath, device->inode);
    r = take_back(root_fd, dir_fd, syspath, device->inode);
    if (r >= 0 && error >= 0 && has_group(dir_fd))
        return 0;
    r = stub_probe_end(root_fd, key, record);
    return error < 0 ? error : r < 0 ? r : -ENXIO;
}
