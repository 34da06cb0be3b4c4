/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"


#include "cleanup.h"
#include "diagnostic.h"
#include "group.h"
#include "log.h"

/* What callers may have under way. A change waits for its turn, and perhaps for a person; a look and an
 * explanation are work of ours; a question may be a dialog on somebody's screen; an inhibitor is a file
 * descriptor that stays open. */
static const CallLimits change_limits = { .per_sender = 16, .per_user = 16, .in_all = 256, .for_root = 64 };
static const CallLimits look_limits = { .per_sender = 1, .per_user = 2, .in_all = 4, .for_root = 1 };
static const CallLimits explain_limits = { .per_sender = 16, .per_user = 16, .in_all = 64, .for_root = 16 };
static const CallLimits question_limits = { .per_sender = 8, .per_user = 8, .in_all = 64 };
static const CallLimits inhibit_limits = {
    .per_sender = 256, .per_user = 32, .in_all = 256, .for_root = 64
};

/* How long a stop waits for running changes; after that their workers go on alone. */
#define STOP_USEC (10 * G_GUINT64_CONSTANT(1000000))

#define STOPPING "the service is stopping"

/* After everything else that is ready: a burst of events is told once. */
#define TELL_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* --- lookups */

ManagedGroup *manager_group(const Manager *manager, unsigned id)
{
    return g_hash_table_lookup(manager->groups, GUINT_TO_POINTER(id));
}

ManagedDevice *manager_device(const Manager *manager, const char *key)
{
    return g_hash_table_lookup(manager->devices, key);
}

ManagedDevice *manager_device_of_path(const Manager *manager, const char *syspath)
{
    g_autofree char *path = g_strdup(syspath);
    char *slash;

    do {
        ManagedDevice *managed = g_hash_table_lookup(manager->by_path, path);

        if (managed)
            return managed;
        slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
    } while (slash);
    return NULL;
}

ManagedDevice *manager_device_above(const Manager *manager, const ManagedDevice *managed)
{
    g_autofree char *parent = g_path_get_dirname(managed->syspath);

    return manager_device_of_path(manager, parent);
}

GArray *manager_group_ids(const Manager *manager)
{
    return group_ids_of(manager->groups);
}

const char *manager_state(const Manager *manager)
{
    if (manager->host->disabled)
        return "disabled";
    return rule_set_is_frozen(manager->rules) ? "frozen" : "running";
}

/* --- telling the faces, once for each step of the loop */

void manager_touch(Manager *manager, const ManagedGroup *group)
{
    if (group)
        g_hash_table_add(manager->touched, GUINT_TO_POINTER(group->id));
    (void) sd_event_source_set_enabled(manager->tell_source, SD_EVENT_ONESHOT);
}

/* Takes GROUP, as one that NOW counts in these numbers, into the totals. */
static void count_group(Manager *manager, ManagedGroup *group, unsigned now)
{
    const struct {
        unsigned bit;
        unsigned *total;
    } numbers[] = {
        { MANAGER_PENDING, &manager->pending },
        { MANAGER_IDENTITY, &manager->identity },
        { MANAGER_FORBIDDEN, &manager->forbidden },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        bool was = group->counted & numbers[i].bit, is = now & numbers[i].bit;

        if (was == is)
            continue;
        if (is)
            (*numbers[i].total)++;
        else
            (*numbers[i].total)--;
        manager->changed |= numbers[i].bit;
    }
    group->counted = now;
}

void manager_announce(Manager *manager, ManagedGroup *group)
{
    if (group->announced)
        return;
    group->announced = true;
    notify_group(manager, group, true);
}

static void tell_group(Manager *manager, ManagedGroup *group)
{
    unsigned now = (group->state == GROUP_PENDING ? MANAGER_PENDING : 0) |
                   (group->type == DOMAIN_TYPE_IDENTITY ? MANAGER_IDENTITY : 0) |
                   (group->type_forbidden ? MANAGER_FORBIDDEN : 0);
    unsigned changed = group->changed;

    count_group(manager, group, now);
    group->changed = 0;
    if (group->announced && changed)
        notify_group_changed(manager, group, changed);
    manager_announce(manager, group);
    for (guint i = 0; i < group->members->len; i++) {
        ManagedDevice *managed = group->members->pdata[i];

        if (managed->changed)
            notify_device_changed(manager, managed, managed->changed);
        managed->changed = 0;
    }
}

void manager_forget_group(Manager *manager, ManagedGroup *group)
{
    count_group(manager, group, 0);
    if (group->announced)
        notify_group(manager, group, false);
    manager_set_scanning(manager, group, false);
    g_hash_table_remove(manager->dirty, GUINT_TO_POINTER(group->id));
    g_hash_table_remove(manager->groups, GUINT_TO_POINTER(group->id));
    manager_touch(manager, NULL);
}

/* Ends the loop. The bus closes with it, so whoever still waits is answered before. */
static int leave(Manager *manager)
{
    manager_answer_waiters(manager);
    while (manager->bus_calls->len > 0)
        notify_forget_call(manager->bus_calls->pdata[0]);
    for (guint i = 0; i < manager->changes->len; i++)
        change_answer(manager->changes->pdata[i], REFUSAL_BUSY, NULL, STOPPING);
    return sd_event_exit(manager->event, 0);
}

/* Tells what has changed now. */
static void tell(Manager *manager)
{
    g_autoptr(GHashTable) touched = g_steal_pointer(&manager->touched);
    GHashTableIter iter;
    gpointer id;
    unsigned changed;

    manager->touched = g_hash_table_new(NULL, NULL);
    g_hash_table_iter_init(&iter, touched);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        ManagedGroup *group = manager_group(manager, GPOINTER_TO_UINT(id));

        if (group)
            tell_group(manager, group);
    }
    changed = manager->changed;
    manager->changed = 0;
    if (changed)
        notify_manager_changed(manager, changed);
    manager_check_waiters(manager);
    if (manager->stopping && change_queue_count_running(manager->queue) == 0)
        (void) leave(manager);
}

static int on_tell(sd_event_source *source, void *userdata)
{
    tell(userdata);
    return 0;
}

/* --- life */

static void on_phase(void *userdata)
{
    manager_evaluate_all(userdata);
}

static int load_settings(Manager *manager)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    int r;

    settings_set_defaults(&manager->settings);
    r = settings_load(manager->root_fd, &manager->settings, diagnostics);
    for (guint i = 0; i < diagnostics->len; i++) {
        g_autofree char *text = diagnostic_to_string(diagnostics->pdata[i]);

        log_error("%s", text);
    }
    return r;
}

static int load_rules(Manager *manager)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    RuleSet *rules;
    int r = rule_set_load(manager->root_fd, NULL, &rules, &diagnostics);

    if (r < 0)
        return r;
    manager_take_rules(manager, rules, diagnostics, NULL);
    return 0;
}

static int load_calls(Manager *manager)
{
    g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func(g_free);
    int r = call_store_new(manager->root_fd, diagnostics, &manager->calls);

    for (guint i = 0; i < diagnostics->len; i++)
        log_notice("%s", (const char *) diagnostics->pdata[i]);
    return r;
}

static void manager_init(Manager *manager)
{
    manager->groups = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) managed_group_free);
    manager->devices =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)managed_device_free);
    manager->by_path = g_hash_table_new(g_str_hash, g_str_equal);
    manager->dirty = g_hash_table_new(NULL, NULL);
    manager->touched = g_hash_table_new(NULL, NULL);
    manager->changes = g_ptr_array_new();
    manager->bus_calls = g_ptr_array_new();
    manager->orphans = g_ptr_array_new_with_free_func(orphan_free);
    manager->waiters = g_ptr_array_new_with_free_func(waiter_free);
    manager->queue = change_queue_new();
    manager->journal = journal_new(manager->event);
    g_queue_init(&manager->udev_pending);
    call_limits_init(&manager->change_limits, &change_limits);
    call_limits_init(&manager->look_limits, &look_limits);
    call_limits_init(&manager->explain_limits, &explain_limits);
    call_limits_init(&manager->question_limits, &question_limits);
    call_limits_init(&manager->inhibit_limits, &inhibit_limits);
    manager->refusal_rate = refusal_rate_new();
    manager->scanner = scanner_new(manager->event, manager->root_fd, manager_group_scanned, manager);
}

int manager_new(sd_event *event, sd_bus *bus, int root_fd, Manager **ret)
{
    g_autoptr(Manager) manager = g_new0(Manager, 1);
    int r;

    manager->event = sd_event_ref(event);
    manager->bus = sd_bus_ref(bus);
    manager->root_fd = root_fd;
    manager_init(manager);
    r = sd_event_add_defer(event, &manager->tell_source, on_tell, manager);
    if (r >= 0)
        r = sd_event_source_set_priority(manager->tell_source, TELL_PRIORITY);
    if (r >= 0)
        r = host_read(root_fd, &manager->host);
    if (r >= 0)
        r = load_settings(manager);
    if (r >= 0)
        r = load_rules(manager);
    if (r >= 0)
        r = load_calls(manager);
    if (r >= 0)
        r = type_watch_new(event, root_fd, manager_type_written, manager, &manager->type_watch);
    if (r >= 0)
        r = manager_hold_new(manager);
    if (r < 0)
        return r;
    manager_read_early(manager);
    if (manager->host->disabled)
        log_notice("nothing is applied: %s", manager->host->disabled);
    *ret = g_steal_pointer(&manager);
    return 0;
}

void manager_saw_kernel_features(Manager *manager, unsigned features)
{
    if ((manager->kernel_features | features) == manager->kernel_features)
        return;
    manager->kernel_features |= features;
    manager->changed |= MANAGER_KERNEL_FEATURES;
    manager_touch(manager, NULL);
}

/* Every group is announced before the first caller can ask for it. */
void manager_started(Manager *manager)
{
    if (!manager->starting)
        return;
    tell(manager);
    manager->starting = false;
    manager_set_add_writers(manager);
    manager->on_started(manager, manager->started_userdata);
}

int manager_start(Manager *manager, void (*started)(Manager *manager, void *userdata), void *userdata)
{
    int r;

    manager->on_started = started;
    manager->started_userdata = userdata;
    manager->starting = true;

    /* The sources are open before anything is read, so that no event falls between. */
    r = device_watch_new(manager->event, manager_device_event, manager, &manager->watch);
    if (r >= 0 && manager->bus)
        r = boot_phase_new(manager->bus, on_phase, manager, &manager->phase);
    if (r >= 0)
        r = manager_enumerate(manager);
    if (r >= 0 && !manager->host->disabled)
        r = manager_recover(manager);
    if (r >= 0 && !manager->host->disabled)
        r = autoprobe_holds_recover(manager->autoprobe_holds);
    if (r < 0)
        return r;
    manager_count_untranslated(manager);
    manager_read_all(manager);
    if (manager->scanning == 0)
        manager_started(manager);
    return 0;
}

static int on_stop_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    Manager *manager = userdata;

    log_notice("%u changes still run; their workers finish by themselves",
               change_queue_count_running(manager->queue));
    return leave(manager);
}

void manager_stop(Manager *manager)
{
    if (manager->stopping)
        return;
    manager->stopping = true;
    manager_set_add_writers(manager);
    for (guint i = manager->changes->len; i-- > 0;) {
        Change *change = manager->changes->pdata[i];

        if (change->running)
            continue;
        change_answer(change, REFUSAL_BUSY, NULL, STOPPING);
        manager_drop_change(manager, change);
    }
    (void) sd_event_add_time_relative(manager->event, &manager->stop_timer, CLOCK_MONOTONIC, STOP_USEC, 0,
                                      on_stop_timer, manager);
    manager_touch(manager, NULL);
}

Manager *manager_free(Manager *manager)
{
    if (!manager)
        return NULL;
    manager->stopping = true;
    (void) add_writers_free(manager->add_writers);
    (void) device_watch_free(manager->watch);
    (void) type_watch_free(manager->type_watch);
    (void) autoprobe_holds_free(manager->autoprobe_holds);
    (void) mount_watch_free(manager->mount_watch);
    (void) vfio_watch_free(manager->vfio_watch);
    (void) scanner_free(manager->scanner);
    (void) boot_phase_free(manager->phase);
    (void) boot_notes_free(manager->early);
    g_ptr_array_unref(manager->waiters);
    while (manager->bus_calls->len > 0)
        notify_forget_call(manager->bus_calls->pdata[0]);
    g_ptr_array_unref(manager->bus_calls);
    g_ptr_array_unref(manager->orphans);
    while (manager->changes->len > 0)
        change_free(g_ptr_array_steal_index(manager->changes, 0));
    g_ptr_array_unref(manager->changes);
    (void) change_queue_free(manager->queue);
    g_hash_table_unref(manager->groups);
    g_hash_table_unref(manager->by_path);
    g_hash_table_unref(manager->devices);
    g_hash_table_unref(manager->dirty);
    g_hash_table_unref(manager->touched);
    g_queue_clear_full(&manager->udev_pending, g_free);
    CLEAR_SOURCE(manager->udev_source);
    CLEAR_SOURCE(manager->settle_timer);
    CLEAR_SOURCE(manager->stop_timer);
    CLEAR_SOURCE(manager->tell_source);
    (void) call_store_free(manager->calls);
    (void) journal_free(manager->journal);
    call_limits_clear(&manager->change_limits);
    call_limits_clear(&manager->look_limits);
    call_limits_clear(&manager->explain_limits);
    call_limits_clear(&manager->question_limits);
    call_limits_clear(&manager->inhibit_limits);
    (void) refusal_rate_free(manager->refusal_rate);
    g_clear_pointer(&manager->rules, rule_set_unref);
    host_free(manager->host);
    sd_bus_unref(manager->bus);
    sd_event_unref(manager->event);
    g_free(manager);
    return NULL;
}
