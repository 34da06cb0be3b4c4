/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call-store.h"

#include <string.h>

struct CallStore {
    int root_fd;
    char *boot_id;
    GHashTable *calls; /* key -> CallRecord */
};

static void load_call(CallStore *store, const char *key, GPtrArray *diagnostics)
{
    g_autoptr(CallRecord) call = NULL;
    g_autofree char *error = NULL;
    int r = call_record_load(store->root_fd, key, &call, &error);

    if (r >= 0 && g_strcmp0(call->boot_id, store->boot_id) == 0) {
        g_hash_table_replace(store->calls, g_strdup(key), g_steal_pointer(&call));
        return;
    }
    g_ptr_array_add(
        diagnostics,
        r < 0 ? g_strdup_printf("what a call asked for %s is lost: %s", key, error ?: g_strerror(-r))
              : g_strdup_printf("what a call asked for %s was asked before this boot", key));
    (void) call_record_remove(store->root_fd, key);
}

int call_store_new(int root_fd, GPtrArray *diagnostics, CallStore **ret)
{
    g_autoptr(CallStore) store = g_new0(CallStore, 1);
    g_auto(GStrv) keys = NULL;
    int r;

    store->root_fd = root_fd;
    store->calls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) call_record_free);
    r = record_boot_id(root_fd, &store->boot_id);
    if (r < 0)
        return r;
    r = call_record_list(root_fd, &keys);
    if (r < 0)
        return r;
    for (char **key = keys; *key; key++)
        load_call(store, *key, diagnostics);
    *ret = g_steal_pointer(&store);
    return 0;
}

static bool has_member(const CallRecord *call, const Device *device)
{
    for (guint i = 0; i < call->members->len; i++) {
        const RecordMember *member = call->members->pdata[i];

        if (member->inode == device->inode && g_str_equal(member->bus, device->facts->bus) &&
            g_str_equal(member->name, device->facts->name))
            return true;
    }
    return false;
}

static bool same_members(const CallRecord *call, const ManagedGroup *group)
{
    if (call->members->len != group->members->len)
        return false;
    for (guint i = 0; i < group->members->len; i++)
        if (!has_member(call, ((const ManagedDevice *) group->members->pdata[i])->device))
            return false;
    return true;
}

const CallRecord *call_store_find(CallStore *store, const ManagedGroup *group)
{
    const CallRecord *call = group->key ? g_hash_table_lookup(store->calls, group->key) : NULL;

    if (call && !same_members(call, group)) {
        (void) call_store_drop(store, group->key);
        return NULL;
    }
    return call;
}

int call_store_put(CallStore *store, const ManagedGroup *group, DomainType type, const char *origin,
                   const char *reason)
{
    g_autoptr(CallRecord) call = call_record_new();
    int r;

    call->boot_id = g_strdup(store->boot_id);
    call->origin = g_strdup(origin);
    call->type = type;
    call->reason = g_strdup(reason);
    for (guint i = 0; i < group->members->len; i++) {
        const Device *device = ((const ManagedDevice *) group->members->pdata[i])->device;
        RecordMember *member = call_record_add_member(call);

        member->bus = g_strdup(device->facts->bus);
        member->name = g_strdup(device->facts->name);
        member->inode = device->inode;
    }
    r = call_record_write(store->root_fd, group->key, call);
    g_hash_table_replace(store->calls, g_strdup(group->key), g_steal_pointer(&call));
    return r;
}

int call_store_drop(CallStore *store, const char *key)
{
    g_autofree char *copy = g_strdup(key); /* may be the key that is removed */

    if (!g_hash_table_remove(store->calls, copy))
        return 0;
    return call_record_remove(store->root_fd, copy);
}

CallStore *call_store_free(CallStore *store)
{
    if (!store)
        return NULL;
    g_clear_pointer(&store->calls, g_hash_table_unref);
    g_free(store->boot_id);
    g_free(store);
    return NULL;
}
