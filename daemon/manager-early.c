/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include "cleanup.h"
#include "log.h"
#include "refusal.h"
#include "report.h"

/* --- what the passes of this boot have done */

static const EarlyGroup *find_in(const EarlyNote *note, const ManagedGroup *group)
{
    g_autofree const Device **devices = g_new(const Device *, MAX(group->members->len, 1));

    for (guint i = 0; i < group->members->len; i++)
        devices[i] = ((const ManagedDevice *) group->members->pdata[i])->device;
    return early_note_find(note, devices, group->members->len);
}

static void show_result(ManagedGroup *group, const EarlyNote *note, DomainType type, const char *error,
                        const char *text)
{
    uint64_t ago = (uint64_t) g_get_monotonic_time() - note->end_usec;

    managed_group_set_result(group, type, error, g_strdup(text));
    group->last_result.realtime_usec = (uint64_t) g_get_real_time() - ago;
}

/* What a pass has done is only said of the same devices in the same type. */
static bool adopt(ManagedGroup *group, EarlyStage stage, const EarlyNote *note)
{
    const EarlyGroup *early = find_in(note, group);
    g_autofree char *text = NULL;

    if (!early)
        return false;
    if (early->outcome == EARLY_FAILED) {
        show_result(group, note, early->wanted, refusal_bus_name(REFUSAL_SWITCH_FAILED), early->text);
        return true;
    }
    if (early->outcome != EARLY_SET || early->type != group->type)
        return false;
    group->written = early->wanted != DOMAIN_TYPE_AUTO;
    managed_group_set_moment(group, stage == EARLY_INITRAMFS ? MOMENT_EARLY_INITRAMFS : MOMENT_EARLY_HOST,
                             early->wanted_by, note->end_usec);
    text = moment_text(group->moment, group->type, note->end_usec);
    show_result(group, note, early->wanted, NULL, text);
    return true;
}

/* The later pass first. */
void manager_adopt_early(Manager *manager, ManagedGroup *group)
{
    static const EarlyStage stages[] = { EARLY_HOST, EARLY_INITRAMFS };

    if (!manager->early || group->last_result.realtime_usec > 0)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(stages); i++) {
        const EarlyNote *note = boot_notes_of(manager->early, stages[i]);

        if (note && adopt(group, stages[i], note))
            return;
    }
}

/* --- what those of the next boot will do */

static EarlyStage stage_for(const Manager *manager, const ManagedGroup *group)
{
    EarlyStage stage = _EARLY_STAGE_INVALID;

    for (guint i = 0; i < group->members->len; i++) {
        const ManagedDevice *managed = group->members->pdata[i];
        EarlyStage before;

        if (!managed_device_unbinds(managed))
            continue;
        before = boot_notes_stage_for(manager->early, managed->device->inode);
        if (before == _EARLY_STAGE_INVALID)
            return before;
        if (stage != EARLY_INITRAMFS)
            stage = before;
    }
    return stage;
}

NextBoot manager_next_boot(const Manager *manager, const ManagedGroup *group, DomainType wanted,
                           DomainType at_boot)
{
    EarlyStage stage;

    if (!manager->early || wanted < 0 || wanted != at_boot || manager->host->disabled)
        return NEXT_BOOT_NOTHING;
    stage = stage_for(manager, group);
    if (stage == _EARLY_STAGE_INVALID)
        return NEXT_BOOT_NOTHING;
    return stage == EARLY_INITRAMFS && manager->initramfs_stale ? NEXT_BOOT_STALE : NEXT_BOOT_SETS;
}

/* --- the image */

/* Of the files as they are now, which need not be those in force. */
static char *digest_on_disk(const Manager *manager)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(RuleSet) rules = NULL;
    bool in_force = !rule_set_is_frozen(manager->rules) &&
        !rule_set_changed_on_disk(manager->rules, manager->root_fd);

    if (in_force || rule_set_load_once(manager->root_fd, &rules, &diagnostics) < 0)
        return g_strdup(rule_set_digest(manager->rules));
    return g_strdup(rule_set_digest(rules));
}

void manager_check_image(Manager *manager)
{
    g_autofree char *digest = NULL;
    bool stale;

    if (!manager->early)
        return;
    digest = digest_on_disk(manager);
    stale = boot_notes_is_stale(manager->early, digest);
    if (stale == manager->initramfs_stale)
        return;
    manager->initramfs_stale = stale;
    manager->changed |= MANAGER_INITRAMFS_STALE;
    report_image(manager, stale);
    manager_touch(manager, NULL);
}

char *manager_image_advice(const Manager *manager)
{
    if (!manager->initramfs_stale)
        return NULL;
    return g_strdup_printf("the initramfs has other rules than those on disk, which the next boot begins "
                           "with: run '%s'", boot_notes_rebuild_command(manager->early));
}

/* --- life */

static void on_change(void *userdata)
{
    Manager *manager = userdata;
    GHashTableIter iter;
    gpointer group;

    g_hash_table_iter_init(&iter, manager->groups);
    while (g_hash_table_iter_next(&iter, NULL, &group))
        if (((const ManagedGroup *) group)->type_known)
            manager_adopt_early(manager, group);
    manager_check_image(manager);
    manager_evaluate_all(manager);
}

void manager_read_early(Manager *manager)
{
    int r = boot_notes_new(manager->event, manager->root_fd, on_change, manager, &manager->early);

    if (r < 0) {
        log_warning("what the early passes have done is not known: %s", g_strerror(-r));
        return;
    }
    for (EarlyStage stage = 0; stage < _EARLY_STAGE_MAX; stage++) {
        const EarlyNote *note = boot_notes_of(manager->early, stage);

        if (note)
            report_early_pass(manager, stage, note);
    }
    manager_check_image(manager);
}
