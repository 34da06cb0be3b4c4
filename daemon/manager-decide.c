/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>

#include "decision-trail.h"
#include "forced-type.h"
#include "group-notes.h"
#include "group.h"

static Tristate has_direct_regions(const ManagedGroup *group)
{
    if (!group->type_known)
        return TRISTATE_UNKNOWN;
    return group_has_direct_region(group->reserved) ? TRISTATE_YES : TRISTATE_NO;
}

static void fill_member(DecisionMember *member, const ManagedGroup *group, ManagedDevice *managed)
{
    const ShownType shown = {
        .type = group->type_known ? group->type : _DOMAIN_TYPE_INVALID,
        .as_found = !group->written,
    };

    managed->device->facts->reserved_direct = has_direct_regions(group);
    forced_type_member(group->manager->host, managed->device, &shown, member);
}

/* DMA-FQ on an IOMMU that is not known to flush lazily can end in a NULL call in the kernel; where the
 * kernel itself chose it, it has it. */
DomainTypeSet manager_types_not_given(const ManagedGroup *group)
{
    if (group->type == DOMAIN_TYPE_DMA_FQ)
        return 0;
    for (guint i = 0; i < group->members->len; i++) {
        const ManagedDevice *managed = group->members->pdata[i];

        if (!device_has_dma_fq(managed->device))
            return DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ);
    }
    return 0;
}

static DecisionInput decision_input(Manager *manager, ManagedGroup *group, DecisionMember *members,
                                    bool with_call)
{
    const CallRecord *call = with_call ? call_store_find(manager->calls, group) : NULL;

    for (guint i = 0; i < group->members->len; i++)
        fill_member(&members[i], group, group->members->pdata[i]);
    return (DecisionInput) {
        .members = members,
        .n_members = group->members->len,
        .current = group->type_known ? group->type : manager->host->boot_default,
        .not_given = manager_types_not_given(group),
        .auto_outcome = forced_type_outcome(manager->host, members, group->members->len),
        .auto_settled = group->auto_settled,
        .unsupported = group->unsupported,
        .call_type = call ? call->type : _DOMAIN_TYPE_INVALID,
        .call_origin = call ? call->origin : NULL,
    };
}

DomainTypeSet manager_auto_outcome(Manager *manager, ManagedGroup *group)
{
    g_autofree DecisionMember *members = g_new0(DecisionMember, MAX(group->members->len, 1));

    return decision_input(manager, group, members, false).auto_outcome;
}

Decision *manager_decide(Manager *manager, ManagedGroup *group, bool with_call)
{
    g_autofree DecisionMember *members = g_new0(DecisionMember, MAX(group->members->len, 1));
    DecisionInput input = decision_input(manager, group, members, with_call);

    return decision_make(manager->rules, manager->host->facts, &input);
}

Decision *manager_decide_early(Manager *manager, ManagedGroup *group)
{
    g_autofree DecisionMember *members = g_new0(DecisionMember, MAX(group->members->len, 1));
    DecisionInput input = decision_input(manager, group, members, true);

    return decision_make_early(manager->rules, manager->host->facts, &input);
}

DomainType manager_decide_at_boot(Manager *manager, ManagedGroup *group)
{
    g_autofree DecisionMember *members = g_new0(DecisionMember, MAX(group->members->len, 1));
    DecisionInput input = decision_input(manager, group, members, false);

    return decision_type_at_boot(manager->rules, manager->host->facts, &input, manager->host->boot_default);
}

Decision *manager_explain(Manager *manager, ManagedGroup *group)
{
    g_autofree DecisionMember *members = g_new0(DecisionMember, MAX(group->members->len, 1));
    DecisionInput input = decision_input(manager, group, members, true);
    Decision *decision = decision_make(manager->rules, manager->host->facts, &input);
    char *moment = moment_text(group->moment, group->type, group->moment_usec);

    if (moment)
        trail_add(decision->trail, NULL, g_strdup(group->moment_by), VERDICT_NOTE, moment);
    decision_explain(decision, manager->rules, manager->host->facts, &input);
    group_notes_add(decision, group, manager->host->facts);
    return decision;
}

/* What stands in the way of any change of GROUP at all, whatever type is asked for. */
static RefusalCode judge_group(Manager *manager, const ManagedGroup *group, char **ret_detail)
{
    if (manager->host->disabled) {
        *ret_detail = g_strdup(manager->host->disabled);
        return REFUSAL_DISABLED;
    }
    if (group->stuck || (!group->type_known && group->read_error == -ETIMEDOUT)) {
        *ret_detail = g_strdup(group->step ?: "reading the type");
        return REFUSAL_STUCK;
    }
    if (manager->stopping) {
        *ret_detail = g_strdup("the service is stopping");
        return REFUSAL_BUSY;
    }
    if (group->changing || group->read_error == -EBUSY) {
        *ret_detail = g_strdup(group->step);
        return REFUSAL_BUSY;
    }
    if (group->unsupported) {
        *ret_detail = g_strdup(group->unsupported);
        return REFUSAL_NOT_SUPPORTED;
    }
    return REFUSAL_NONE;
}

RefusalCode manager_judge_call(Manager *manager, ManagedGroup *group, DomainType type, char **ret_detail)
{
    g_autofree DecisionMember *members = g_new0(DecisionMember, MAX(group->members->len, 1));
    g_autofree char *text = NULL, *origin = NULL;
    const QueueItem *waiting = change_queue_waiting(manager->queue, group->id);
    RefusalCode code = judge_group(manager, group, ret_detail);
    DecisionInput input;

    if (code != REFUSAL_NONE)
        return code;
    if (waiting && !waiting->by_rule)
        return REFUSAL_BUSY;
    input = decision_input(manager, group, members, true);
    if (input.not_given & DOMAIN_TYPE_BIT(type)) {
        *ret_detail = g_strdup(domain_type_to_string(type));
        return REFUSAL_TYPE_NOT_GIVEN;
    }
    switch (decision_judge_call(manager->rules, manager->host->facts, &input, type, &text, &origin)) {
    case 0:
        return REFUSAL_NONE;
    case -EPERM:
        *ret_detail = origin ? g_steal_pointer(&origin) : g_steal_pointer(&text);
        return REFUSAL_FORBIDDEN;
    case -EACCES:
        *ret_detail = g_steal_pointer(&text);
        return REFUSAL_UNTRUSTED;
    default:
        *ret_detail = g_steal_pointer(&text);
        return REFUSAL_FORCED;
    }
}
