/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cleanup.h"
#include "diagnostic.h"
#include "log.h"
#include "report.h"
#include "rule.h"


/* --- rules in force */

static bool ask_late_keys(const RuleSet *rules)
{
    const GPtrArray *all = rule_set_rules(rules);

    for (guint i = 0; i < all->len; i++)
        if (((const Rule *) all->pdata[i])->late)
            return true;
    return false;
}

/* Until now only names for people were taken from udev: what a late key asks is not known yet. */
static void forget_udev_facts(Manager *manager)
{
    GHashTableIter iter;
    gpointer managed;

    g_hash_table_iter_init(&iter, manager->devices);
    while (g_hash_table_iter_next(&iter, NULL, &managed))
        ((ManagedDevice *) managed)->device->facts->udev_known = false;
}

static void log_diagnostics(const GPtrArray *diagnostics)
{
    for (guint i = 0; i < diagnostics->len; i++) {
        const Diagnostic *diagnostic = diagnostics->pdata[i];
        g_autofree char *text = diagnostic_to_string(diagnostic);

        log_full(diagnostic->severity == DIAGNOSTIC_ERROR ? LOG_ERR : LOG_WARNING, "%s", text);
    }
}

/* They were not there when the drivers were bound. */
static void forget_races(Manager *manager)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, manager->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ManagedGroup *group = value;

        group->has_newcomer = group->driver_was_first = false;
    }
}

void manager_take_rules(Manager *manager, RuleSet *rules, const GPtrArray *diagnostics,
                        const Caller *caller)
{
    bool late = ask_late_keys(rules);

    log_diagnostics(diagnostics);
    if (rule_set_is_frozen(rules))
        report_frozen(manager, caller);
    if (manager->rules && !g_str_equal(rule_set_digest(rules), rule_set_digest(manager->rules)))
        forget_races(manager);
    if (manager->add_writers)
        add_writers_set(manager->add_writers, NULL, NULL, NULL);
    g_clear_pointer(&manager->rules, rule_set_unref);
    manager->rules = rules;
    manager->changed |= MANAGER_STATE | MANAGER_RULE_FILES;
    if (late && !manager->rules_are_late)
        forget_udev_facts(manager);
    manager->rules_are_late = late;
    manager_judge_functions(manager);
    manager_set_add_writers(manager);
}

int manager_reload(Manager *manager, const Caller *caller, GPtrArray **ret_diagnostics)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autofree char *advice = NULL;
    bool was_late = manager->rules_are_late;
    RuleSet *rules = NULL;
    unsigned errors, warnings;
    int r;

    r = rule_set_load(manager->root_fd, manager->rules, &rules, &diagnostics);
    if (r < 0)
        return r;
    manager_take_rules(manager, rules, diagnostics, caller);
    manager_check_image(manager);
    advice = manager_image_advice(manager);
    if (advice)
        diagnostics_add(diagnostics, DIAGNOSTIC_WARNING, "initramfs", 0, 0, "%s", advice);
    errors = diagnostics_count(diagnostics, DIAGNOSTIC_ERROR);
    warnings = diagnostics_count(diagnostics, DIAGNOSTIC_WARNING);
    report_reloaded(manager, errors, warnings, caller);
    if (manager->rules_are_late && !was_late)
        manager_ask_udev(manager);
    notify_reloaded(manager, errors, warnings);
    manager_touch(manager, NULL);
    manager_evaluate_all(manager);
    manager_count_untranslated(manager);
    *ret_diagnostics = g_steal_pointer(&diagnostics);
    return 0;
}

void manager_apply(Manager *manager)
{
    GHashTableIter iter;
    gpointer value;

    (void) manager_enumerate(manager);
    g_hash_table_iter_init(&iter, manager->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ManagedGroup *group = value;

        managed_group_forget_tries(group);
        if (!group->changing && group->use != USE_CLEAR)
            managed_group_forget_use(group);
    }
    manager_read_all(manager);
}

/* --- those who wait until nothing is under way */

typedef struct Waiter {
    GHashTable *ids;
    ManagerReady ready;
    void *userdata;
    GDestroyNotify destroy;
} Waiter;

void waiter_free(void *data)
{
    Waiter *waiter = data;

    g_hash_table_unref(waiter->ids);
    if (waiter->destroy)
        waiter->destroy(waiter->userdata);
    g_free(waiter);
}

static gboolean is_done(gpointer id, gpointer value, gpointer userdata)
{
    const ManagedGroup *group = manager_group(userdata, GPOINTER_TO_UINT(id));

    return !group || !managed_group_is_busy(group);
}

void manager_wait(Manager *manager, const GArray *ids, ManagerReady ready, void *userdata,
                  GDestroyNotify destroy)
{
    Waiter *waiter = g_new0(Waiter, 1);

    waiter->ids = g_hash_table_new(NULL, NULL);
    waiter->ready = ready;
    waiter->userdata = userdata;
    waiter->destroy = destroy;
    for (guint i = 0; i < ids->len; i++)
        g_hash_table_add(waiter->ids, GUINT_TO_POINTER(g_array_index(ids, unsigned, i)));
    g_ptr_array_add(manager->waiters, waiter);
    manager_touch(manager, NULL);
}

void manager_check_waiters(Manager *manager)
{
    g_autoptr(GPtrArray) done = g_ptr_array_new_with_free_func(waiter_free);

    for (guint i = 0; i < manager->waiters->len;) {
        Waiter *waiter = manager->waiters->pdata[i];

        g_hash_table_foreach_remove(waiter->ids, is_done, manager);
        if (g_hash_table_size(waiter->ids) > 0)
            i++;
        else
            g_ptr_array_add(done, g_ptr_array_steal_index(manager->waiters, i));
    }
    for (guint i = 0; i < done->len; i++) {
        Waiter *waiter = done->pdata[i];

        waiter->ready(manager, waiter->userdata);
    }
}

void manager_answer_waiters(Manager *manager)
{
    for (guint i = 0; i < manager->waiters->len; i++) {
        Waiter *waiter = manager->waiters->pdata[i];

        waiter->ready(manager, waiter->userdata);
    }
    g_ptr_array_set_size(manager->waiters, 0);
}

/* --- inhibitors */

static int on_inhibitor_closed(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    ManagedGroup *group = userdata; /* which owns the source */

    for (guint i = 0; i < group->inhibitors->len; i++) {
        const Inhibitor *inhibitor = group->inhibitors->pdata[i];

        if (inhibitor->source != source)
            continue;
        log_group(LOG_INFO, group->id, NULL, "no longer inhibited");
        g_ptr_array_remove_index(group->inhibitors, i);
        break;
    }
    manager_set_add_writers(group->manager);
    manager_evaluate(group->manager, group);
    return 0;
}

int manager_inhibit(Manager *manager, ManagedGroup *group, const char *who, const char *why,
                    CallPlace *place)
{
    _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
    g_autofree char *text = NULL;
    Inhibitor *inhibitor;
    int fds[2], r;

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    ours = fds[0];
    theirs = fds[1];
    inhibitor = g_new0(Inhibitor, 1);
    inhibitor->who = g_strdup(who);
    inhibitor->why = g_strdup(why);
    g_ptr_array_add(group->inhibitors, inhibitor);
    r = sd_event_add_io(manager->event, &inhibitor->source, ours, 0, on_inhibitor_closed, group);
    if (r >= 0)
        r = sd_event_source_set_io_fd_own(inhibitor->source, true);
    if (r < 0) {
        g_ptr_array_remove(group->inhibitors, inhibitor);
        return r;
    }
    TAKE_FD(ours);
    inhibitor->place = place;
    text = g_strdup_printf("inhibited by %s: %s", who, why);
    log_group(LOG_INFO, group->id, NULL, text);
    manager_set_add_writers(manager);
    manager_evaluate(manager, group);
    return TAKE_FD(theirs);
}
