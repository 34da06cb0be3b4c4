/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "autoprobe-setting.h"

#include <errno.h>
#include <sys/inotify.h>

#include "cleanup.h"
#include "log.h"
#include "physical-function.h"

int autoprobe_setting_open(AutoprobeSetting *ret, int root_fd, const char *syspath, const Device *device,
                           FileWatch *files, void *file)
{
    *ret = (AutoprobeSetting) {
        .root_fd = root_fd,
        .files = files,
        .file = file,
        .key = record_key(device->facts->bus, device->facts->name),
        .bus = g_strdup(device->facts->bus),
        .name = g_strdup(device->facts->name),
        .inode = device->inode,
        .watch = -1,
        .fd = device_open(root_fd, syspath, device->inode),
    };
    return ret->fd < 0 ? ret->fd : 0;
}

static void take_over(AutoprobeSetting *setting)
{
    setting->ours = true;
    setting->watch = file_watch_add(setting->files, setting->fd, PHYSICAL_FUNCTION_AUTOPROBE, IN_MODIFY,
                                    setting->file);
    if (setting->watch < 0)
        log_warning("%s: what is set meanwhile is not seen: %s", setting->name, g_strerror(-setting->watch));
}

static void let_go(AutoprobeSetting *setting)
{
    setting->ours = false;
    file_watch_remove(setting->files, setting->watch);
    setting->watch = -1;
}

static void remove_record(const AutoprobeSetting *setting)
{
    int r = autoprobe_record_remove(setting->root_fd, setting->key);

    if (r < 0)
        log_warning("%s: the record of its hold cannot be removed: %s", setting->name, g_strerror(-r));
}

/* What is there when a hold begins. */
static int make_record(const AutoprobeSetting *setting, AutoprobeRecord **ret)
{
    g_autoptr(AutoprobeRecord) record = autoprobe_record_new();
    g_auto(GStrv) names = NULL;
    int r;

    r = physical_function_list(setting->fd, &names);
    if (r >= 0)
        r = record_boot_id(setting->root_fd, &record->boot_id);
    if (r < 0)
        return r;
    autoprobe_record_add(record, setting->bus, setting->name, setting->inode);
    for (char **name = names; *name; name++) {
        uint64_t inode;

        if (virtual_function_inode(setting->root_fd, *name, &inode) >= 0)
            autoprobe_record_add(record, setting->bus, *name, inode);
    }
    *ret = g_steal_pointer(&record);
    return 0;
}

int autoprobe_setting_take(AutoprobeSetting *setting)
{
    /* A hold that goes on where another was about to end has the same record. */
    int r = setting->record ? 0 : make_record(setting, &setting->record);

    if (r >= 0)
        r = autoprobe_record_write(setting->root_fd, setting->key, setting->record);
    if (r >= 0)
        r = physical_function_set_autoprobe(setting->fd, false);
    if (r < 0)
        return r;
    take_over(setting);
    return 0;
}

void autoprobe_setting_inherit(AutoprobeSetting *setting, AutoprobeRecord *record)
{
    g_clear_pointer(&setting->record, autoprobe_record_free);
    setting->record = record;
    if (physical_function_autoprobe(setting->fd) == 0)
        take_over(setting);
}

void autoprobe_setting_give_back(AutoprobeSetting *setting)
{
    int r;

    if (!setting->ours)
        return;
    let_go(setting);
    r = physical_function_set_autoprobe(setting->fd, true);
    if (r < 0 && r != -ENODEV && r != -ENOENT)
        log_error("%s: sriov_drivers_autoprobe cannot be set back to 1: %s", setting->name, g_strerror(-r));
}

void autoprobe_setting_forget(AutoprobeSetting *setting)
{
    remove_record(setting);
    g_clear_pointer(&setting->record, autoprobe_record_free);
}

/* An open that truncates is told as a write, too; nobody opens this file for that alone. */
void autoprobe_setting_written(AutoprobeSetting *setting)
{
    let_go(setting);
    if (physical_function_autoprobe(setting->fd) != 1)
        remove_record(setting);
}

void autoprobe_setting_gone(AutoprobeSetting *setting)
{
    if (setting->record)
        remove_record(setting);
    setting->ours = false;
}

char **autoprobe_setting_list_new(const AutoprobeSetting *setting)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_auto(GStrv) all = NULL;

    (void) physical_function_list(setting->fd, &all);
    for (char **name = all; name && *name; name++) {
        uint64_t inode;

        if (virtual_function_inode(setting->root_fd, *name, &inode) >= 0 &&
            !autoprobe_record_knows(setting->record, *name, inode))
            g_ptr_array_add(names, g_strdup(*name));
    }
    g_ptr_array_add(names, NULL);
    return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

void autoprobe_setting_close(AutoprobeSetting *setting)
{
    autoprobe_setting_give_back(setting);
    file_watch_remove(setting->files, setting->watch);
    setting->fd = safe_close(setting->fd);
    g_clear_pointer(&setting->record, autoprobe_record_free);
    g_clear_pointer(&setting->key, g_free);
    g_clear_pointer(&setting->bus, g_free);
    g_clear_pointer(&setting->name, g_free);
}
