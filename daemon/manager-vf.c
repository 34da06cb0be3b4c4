/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <unistd.h>

#include "cleanup.h"
#include "early-wish.h"
#include "log.h"
#include "physical-function.h"

/* --- which physical functions */

static bool may_have_functions(const Device *device)
{
    return g_str_equal(device->facts->bus, "pci") && device->facts->virtual_function == TRISTATE_NO &&
        !device->facts->bridge;
}

/* True if some rule may want of its virtual functions what is to be had only before a driver binds. */
static bool has_early_wish(const Manager *manager, const ManagedDevice *managed)
{
    _cleanup_close_ int fd = device_open(manager->root_fd, managed->syspath, managed->device->inode);
    g_autoptr(DeviceFacts) facts = NULL;

    if (fd < 0 || physical_function_foresee(fd, managed->device, &facts) < 0)
        return false;
    return early_wish_is_possible(manager->rules, manager->host->facts, facts, manager->host->boot_default);
}

void manager_judge_function(Manager *manager, const ManagedDevice *managed)
{
    bool wanted;
    int r;

    if (!may_have_functions(managed->device))
        return;
    wanted = !manager->host->disabled && rule_set_rules(manager->rules)->len > 0 &&
        has_early_wish(manager, managed);
    r = autoprobe_holds_watch(manager->autoprobe_holds, managed->syspath, managed->device, wanted);
    if (r < 0 && r != -ENODEV)
        log_warning("%s: its virtual functions cannot be held as they appear: %s",
                    managed->device->facts->name, g_strerror(-r));
}

void manager_judge_functions(Manager *manager)
{
    GHashTableIter iter;
    gpointer managed;

    g_hash_table_iter_init(&iter, manager->devices);
    while (g_hash_table_iter_next(&iter, NULL, &managed))
        manager_judge_function(manager, managed);
}

/* --- those that have appeared */

typedef struct Appeared {
    char *key;
    unsigned round;
} Appeared;

static void appeared_free(void *data)
{
    Appeared *appeared = data;

    g_free(appeared->key);
    g_free(appeared);
}

static void on_settled(Manager *manager, void *userdata)
{
    const Appeared *appeared = userdata;

    autoprobe_holds_release(manager->autoprobe_holds, appeared->key, appeared->round);
}

/* The group of the virtual function NAME, also where its event was lost. If nothing is under way for it,
 * it is read and decided upon: it is not settled before. NULL: it has none. */
static ManagedGroup *read_group_of(Manager *manager, const char *name)
{
    g_autofree char *key = g_strconcat("pci:", name, NULL), *syspath = NULL;
    const ManagedDevice *managed = manager_device(manager, key);
    ManagedGroup *group;

    if (!managed && device_find(manager->root_fd, "pci", name, &syspath) >= 0) {
        manager_device_event(DEVICE_EVENT_KERNEL_ADD, syspath, NULL, manager);
        managed = manager_device(manager, key);
    }
    if (!managed || managed->device->group < 0)
        return NULL;
    group = manager_group(manager, (unsigned) managed->device->group);
    if (group && !managed_group_is_busy(group))
        manager_read_group(manager, group);
    return group;
}

static void on_appeared(const char *key, unsigned round, char **names, void *userdata)
{
    Manager *manager = userdata;
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(unsigned));
    Appeared *appeared = g_new0(Appeared, 1);

    for (char **name = names; *name; name++) {
        const ManagedGroup *group = read_group_of(manager, *name);

        if (group)
            g_array_append_val(ids, group->id);
    }
    appeared->key = g_strdup(key);
    appeared->round = round;
    manager_wait(manager, ids, on_settled, appeared, appeared_free);
}

int manager_hold_new(Manager *manager)
{
    static const AutoprobeCallbacks callbacks = { .appeared = on_appeared };

    return autoprobe_holds_new(manager->event, manager->root_fd, &callbacks, manager,
                               &manager->autoprobe_holds);
}
