/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "early-pass.h"

#include <errno.h>

#include "cleanup.h"
#include "forced-type.h"
#include "group-view.h"
#include "group.h"
#include "record.h"
#include "refusal.h"
#include "sysfs.h"
#include "type-error.h"

typedef struct Pass {
    int root_fd;
    const RuleSet *rules;
    const Host *host;
    EarlyNote *note;
    bool locks; /* some group has been changed since boot */
} Pass;

/* --- what is wanted */

static bool is_unknown(const Rule *rule, Tristate match, void *userdata)
{
    bool *unknown = userdata;

    *unknown = match == TRISTATE_UNKNOWN;
    return !*unknown;
}

/* The reserved regions are a file of their own, which few rules ask for. */
static void read_regions(const Pass *pass, const GroupView *view)
{
    g_autoptr(GArray) regions = NULL;
    bool unknown = false;

    for (guint i = 0; i < view->devices->len && !unknown; i++) {
        const Device *device = view->devices->pdata[i];

        rule_set_match(pass->rules, device->facts, pass->host->facts, is_unknown, &unknown);
    }
    if (!unknown || group_read_reserved_regions(pass->root_fd, view->id, &regions) < 0)
        return;
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = view->devices->pdata[i];

        device->facts->reserved_direct = group_has_direct_region(regions) ? TRISTATE_YES : TRISTATE_NO;
    }
}

/* Where the kernel itself chose DMA-FQ it has it. */
static DomainTypeSet types_not_given(const GroupView *view)
{
    for (guint i = 0; i < view->devices->len && view->type != DOMAIN_TYPE_DMA_FQ; i++)
        if (!device_has_dma_fq(view->devices->pdata[i]))
            return DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ);
    return 0;
}

/* Nobody has written before this pass, but perhaps the one of the initramfs, for the same rules. */
static void fill_members(const Pass *pass, const GroupView *view, DecisionMember *members)
{
    const ShownType shown = { .type = view->type, .as_found = true };

    for (guint i = 0; i < view->devices->len; i++) {
        Device *device = view->devices->pdata[i];

        if (forced_type_asks_pasid(device->facts->iommu, view->type)) {
            g_autofree char *syspath = g_strconcat("sys/devices/", device->facts->path, NULL);

            device->pasid = forced_type_read_pasid(pass->root_fd, syspath);
        }
        forced_type_member(pass->host, device, &shown, &members[i]);
        members[i].unbinds = false;
    }
}

/* What the rules want if nothing has to be unbound for it: what has to be is not written. */
static Decision *decide(const Pass *pass, const GroupView *view)
{
    g_autofree DecisionMember *members = g_new0(DecisionMember, MAX(view->devices->len, 1));
    g_autofree char *unsupported = group_view_unsupported(view);
    DecisionInput input = {
        .members = members,
        .n_members = view->devices->len,
        .current = view->type,
        .unsupported = unsupported,
        .not_given = types_not_given(view),
        .call_type = _DOMAIN_TYPE_INVALID,
        .early_only = true,
    };

    read_regions(pass, view);
    fill_members(pass, view, members);
    input.auto_outcome = forced_type_outcome(pass->host, members, input.n_members);
    input.auto_settled = (DOMAIN_TYPE_BIT(view->type) & input.auto_outcome) != 0;
    return decision_make(pass->rules, pass->host->facts, &input);
}

/* --- what is noted */

static char *describe(const EarlyGroup *group)
{
    g_autofree char *place = g_path_get_basename(group->wanted_by);

    return g_strconcat(domain_type_to_string(group->wanted), " by ", place, NULL);
}

static EarlyOutcome conclude(EarlyGroup *group, EarlyOutcome outcome, const char *text)
{
    group->outcome = outcome;
    g_free(group->text);
    if (text) {
        g_autofree char *object = describe(group);

        group->text = g_strconcat(object, ": ", text, NULL);
    } else
        group->text = g_strdup("");
    return outcome;
}

static EarlyOutcome conclude_refusal(EarlyGroup *group, EarlyOutcome outcome, RefusalCode code,
                                     const char *detail)
{
    g_autofree char *object = describe(group), *target = g_strdup_printf("%u", group->id);

    group->outcome = outcome;
    g_free(group->text);
    group->text = refusal_text(code, object, target, detail);
    return outcome;
}

static void take_members(EarlyGroup *group, const GroupView *view)
{
    g_ptr_array_set_size(group->members, 0);
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = view->devices->pdata[i];
        RecordMember *member = record_members_add(group->members);

        member->bus = g_strdup(device->facts->bus);
        member->name = g_strdup(device->facts->name);
        member->inode = device->inode;
    }
}

static void take_decision(EarlyGroup *group, const GroupView *view, const Decision *decision)
{
    take_members(group, view);
    group->from = group->type = view->type;
    group->wanted = decision->wanted;
    g_free(group->wanted_by);
    group->wanted_by = g_strdup(decision->wanted_by);
}

/* --- what stands against it */

static const Device *find_bound(const GroupView *view)
{
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = view->devices->pdata[i];

        if (device->driver && !device->facts->manages_dma)
            return device;
    }
    return NULL;
}

static EarlyOutcome conclude_bound(EarlyGroup *group, const Device *bound)
{
    g_autofree char *text = g_strdup_printf("%s is bound to %s already", bound->facts->name, bound->driver);

    return conclude(group, EARLY_BOUND, text);
}

/* Returns true if WANTED is to be written to the group of VIEW; else GROUP says why not. */
static bool judge(EarlyGroup *group, const GroupView *view, const Decision *decision)
{
    const Device *bound = find_bound(view);
    g_autofree char *text = NULL;

    text = group_view_unsupported(view);
    if (text) {
        conclude_refusal(group, EARLY_REFUSED, REFUSAL_NOT_SUPPORTED, text);
        return false;
    }
    if (decision->settled || decision->wanted == view->type) {
        conclude(group, EARLY_ALREADY, NULL);
        return false;
    }
    if (decision->obstacle != PENDING_NONE) {
        conclude(group, EARLY_REFUSED, decision->obstacle_text);
        return false;
    }
    /* The one switch that the kernel makes with drivers bound. */
    if (bound && !(view->type == DOMAIN_TYPE_DMA && decision->wanted == DOMAIN_TYPE_DMA_FQ)) {
        conclude_bound(group, bound);
        return false;
    }
    return true;
}

static bool has_member(const GPtrArray *members, const RecordMember *wanted)
{
    for (guint i = 0; i < members->len; i++) {
        const RecordMember *member = members->pdata[i];

        if (member->inode == wanted->inode && g_str_equal(member->name, wanted->name) &&
            g_str_equal(member->bus, wanted->bus))
            return true;
    }
    return false;
}

/* What a call has asked for ends with the device: another of its name is not meant. */
static bool is_meant(const CallRecord *call, const EarlyGroup *group)
{
    for (guint i = 0; i < group->members->len; i++)
        if (!has_member(call->members, group->members->pdata[i]))
            return false;
    return call->members->len == group->members->len;
}

/* A call outranks the rules, and an interrupted change has not ended. Returns true if neither is there. */
static bool is_ours(const Pass *pass, EarlyGroup *group, const char *key)
{
    g_autoptr(CallRecord) call = NULL;
    g_autoptr(Record) record = NULL;
    g_autofree char *error = NULL;
    int r = call_record_load(pass->root_fd, key, &call, &error);

    if (r != -ENOENT && (r < 0 || is_meant(call, group))) {
        conclude(group, EARLY_REFUSED, "a call has asked for a type, and iommu-policyd keeps to it");
        return false;
    }
    g_clear_pointer(&error, g_free);
    r = record_load(pass->root_fd, key, &record, &error);
    if (r >= 0 ? !record->lent : r != -ENOENT) {
        conclude(group, EARLY_REFUSED, "an interrupted change is there, which iommu-policyd recovers");
        return false;
    }
    return true;
}

/* --- the write */

/* Brings the old type back where the group has one that nobody asked for and that protects less, is out, or
 * cannot be told. */
static void restore(EarlyGroup *group, int type_fd, DomainTypeSet out)
{
    if (group->type == group->from ||
        (domain_type_tightens(group->from, group->type) && !(DOMAIN_TYPE_BIT(group->type) & out)))
        return;
    (void) group_write_type(type_fd, group->from);
    (void) group_read_open_type(type_fd, &group->type);
}

/* The kernel said ERROR. */
static EarlyOutcome explain(const Pass *pass, EarlyGroup *group, int error)
{
    g_autoptr(GroupView) view = NULL;
    g_autofree char *detail = NULL;
    int r = group_view_read(pass->root_fd, group->id, &view);
    RefusalCode code;

    if (r < 0)
        return conclude_refusal(group, EARLY_FAILED, REFUSAL_DEVICE_CHANGED, g_strerror(-r));
    code = type_error_explain(view, group->wanted, error, &detail);
    return conclude_refusal(group, code == REFUSAL_STILL_BOUND ? EARLY_BOUND : EARLY_FAILED, code, detail);
}

static bool is_wanted(const EarlyGroup *group, DomainTypeSet out)
{
    if (group->wanted == DOMAIN_TYPE_AUTO)
        return domain_type_is_switchable(group->type) && !(DOMAIN_TYPE_BIT(group->type) & out);
    return group->type == group->wanted;
}

static EarlyOutcome write_type(const Pass *pass, EarlyGroup *group, int type_fd, DomainTypeSet out)
{
    int error = group_write_type(type_fd, group->wanted);
    DomainType shown = _DOMAIN_TYPE_INVALID;
    int r = group_read_open_type(type_fd, &shown);

    group->type = shown;
    if (error >= 0 && r >= 0 && is_wanted(group, out))
        return conclude(group, EARLY_SET, NULL);
    restore(group, type_fd, out);
    if (error < 0)
        return explain(pass, group, error);
    return conclude_refusal(group, EARLY_FAILED, REFUSAL_TYPE_NOT_KEPT,
                            r < 0 ? g_strerror(-r) : domain_type_to_string(shown));
}

/* --- one group */

/* With the group's lock held. TYPE_FD was opened before VIEW was read, so that it is no other group's; or it
 * is the error of that. */
static void change_group(const Pass *pass, EarlyGroup *group, const GroupView *view,
                         const Decision *decision, int type_fd)
{
    if (type_fd < 0)
        explain(pass, group, type_fd);
    else if (!group_view_is_current(pass->root_fd, type_fd, view))
        conclude_refusal(group, EARLY_FAILED, REFUSAL_DEVICE_CHANGED, NULL);
    else if (is_ours(pass, group, view->key))
        write_type(pass, group, type_fd, decision->out);
}

static void lock_and_change(const Pass *pass, EarlyGroup *group, const GroupView *view,
                            const Decision *decision, int type_fd)
{
    _cleanup_close_ int lock_fd = record_lock(pass->root_fd, view->key, false);

    if (lock_fd == -EWOULDBLOCK)
        conclude_refusal(group, EARLY_REFUSED, REFUSAL_BUSY, NULL);
    else if (lock_fd < 0)
        conclude_refusal(group, EARLY_FAILED, REFUSAL_RECORD_FAILED, g_strerror(-lock_fd));
    else
        change_group(pass, group, view, decision, type_fd);
}

/* Of all groups, also those for which no rule asks for anything yet: what the next boot's pass will come
 * before is told by what this one does. */
static void note_unbound(EarlyNote *note, const char *driver, uint64_t inode)
{
    if (!driver || driver_manages_dma(driver))
        g_array_append_val(note->unbound, inode);
}

/* The same without a look at more than links, for a group that is not judged. */
static void note_unbound_members(const Pass *pass, unsigned id)
{
    g_auto(GStrv) paths = NULL;

    if (group_list_members(pass->root_fd, id, &paths) < 0)
        return;
    for (char **path = paths; *path; path++) {
        g_autofree char *link = g_strconcat(*path, "/driver", NULL), *driver = NULL;
        int r = sysfs_link_name(pass->root_fd, link, &driver);
        uint64_t inode;

        if ((r >= 0 || r == -ENOENT) && sysfs_inode(pass->root_fd, *path, &inode) >= 0)
            note_unbound(pass->note, driver, inode);
    }
}

static const EarlyGroup *pass_group(const Pass *pass, unsigned id)
{
    _cleanup_close_ int type_fd = group_open_type(pass->root_fd, id);
    g_autoptr(GroupView) view = NULL;
    g_autoptr(Decision) decision = NULL;
    EarlyGroup *group;

    if (group_view_read_opened(pass->root_fd, id, type_fd, &view) < 0 || !view->key)
        return NULL;
    for (guint i = 0; i < view->devices->len; i++) {
        const Device *device = view->devices->pdata[i];

        note_unbound(pass->note, device->driver, device->inode);
    }
    decision = decide(pass, view);
    if (decision->wanted < 0)
        return NULL;
    group = early_note_add_group(pass->note, id);
    take_decision(group, view, decision);
    if (judge(group, view, decision))
        lock_and_change(pass, group, view, decision, type_fd);
    return group;
}

Decision *early_pass_decide(int root_fd, const RuleSet *rules, const Host *host, unsigned id)
{
    const Pass pass = { .root_fd = root_fd, .rules = rules, .host = host };
    g_autoptr(GroupView) view = NULL;

    return group_view_read(root_fd, id, &view) < 0 ? NULL : decide(&pass, view);
}

const EarlyGroup *early_pass_group(int root_fd, const RuleSet *rules, const Host *host, unsigned id,
                                   EarlyNote *note)
{
    const Pass pass = { .root_fd = root_fd, .rules = rules, .host = host, .note = note };

    return pass_group(&pass, id);
}

int early_pass_run(int root_fd, const RuleSet *rules, const Host *host, EarlyNote *note, EarlyTell tell)
{
    const Pass pass = {
        .root_fd = root_fd,
        .rules = rules,
        .host = host,
        .note = note,
        .locks = record_any_locks(root_fd),
    };
    g_autoptr(GArray) ids = NULL;
    int r;

    r = group_list(root_fd, &ids);
    if (r < 0)
        return r;
    for (guint i = 0; i < ids->len; i++) {
        unsigned id = g_array_index(ids, unsigned, i);
        const EarlyGroup *group;

        if (rule_set_rules(rules)->len == 0 || (pass.locks && record_group_is_locked(root_fd, id))) {
            note_unbound_members(&pass, id);
            continue;
        }
        group = pass_group(&pass, id);
        if (group)
            tell(group);
    }
    return 0;
}
