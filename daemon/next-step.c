/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "next-step.h"

#include <errno.h>

static NextStep rest_in(GroupState state)
{
    return (NextStep) { .state = state };
}

static NextStep pend(PendingReason reason, NextAction action)
{
    return (NextStep) { .state = GROUP_PENDING, .reason = reason, .action = action };
}

/* A type that could not be read is never written over. */
static NextStep unread(const ManagedGroup *group)
{
    switch (group->read_error) {
    case 0:
        return pend(PENDING_SETTLING, NEXT_NOTHING);
    case -EBUSY:
        return rest_in(GROUP_CHANGING);
    case -ETIMEDOUT:
        return rest_in(GROUP_STUCK);
    default:
        return rest_in(GROUP_UNSUPPORTED);
    }
}

/* What lets the group rest whatever the rules say. */
static bool rests(const Situation *situation, NextStep *ret)
{
    const ManagedGroup *group = situation->group;

    if (situation->disabled)
        *ret = rest_in(GROUP_DISABLED);
    else if (group->stuck)
        *ret = rest_in(GROUP_STUCK);
    else if (group->changing)
        *ret = rest_in(GROUP_CHANGING);
    else if (group->broken)
        *ret = rest_in(GROUP_BROKEN);
    else if (!group->type_known)
        *ret = unread(group);
    else if (group->unsupported || !domain_type_is_switchable(group->type))
        *ret = rest_in(GROUP_UNSUPPORTED);
    else
        return false;
    return true;
}

/* Each member has a driver that would keep the group on a newer kernel: this one (before 6.4) wants it
 * unbound, which is not done to a device that was given to VFIO. Nobody lost a race there. */
static bool stands_for_good(const ManagedGroup *group)
{
    for (guint i = 0; i < group->members->len; i++) {
        const ManagedDevice *managed = group->members->pdata[i];

        if (!managed->device->driver) /* one that is just binding has no link yet */
            return false;
    }
    return !managed_group_unbinds(group);
}

static NextStep after_try(const ManagedGroup *group)
{
    if (group->tried_in_use)
        return pend(PENDING_IN_USE, NEXT_NOTHING);
    if (group->tried_race)
        return pend(stands_for_good(group) ? PENDING_UNBIND_NOT_ALLOWED : PENDING_DRIVER_RACE, NEXT_NOTHING);
    return rest_in(GROUP_FAILED);
}

static NextStep wait_for_end_of_use(void)
{
    NextStep step = pend(PENDING_IN_USE, NEXT_WAIT);

    step.wait_usec = IN_USE_LOOK_USEC;
    return step;
}

/* A disruptive change: only when the members have been without a use for a while, and the last look says so
 * too. */
static NextStep when_idle(const Situation *situation)
{
    const ManagedGroup *group = situation->group;
    bool was_in_use = group->state == GROUP_PENDING && group->reason == PENDING_IN_USE;
    uint64_t idle_since = group->clear_since + situation->settle_usec;
    NextStep step;

    if (!situation->running)
        return pend(PENDING_SETTLING, NEXT_NOTHING);
    switch (group->use) {
    case USE_UNKNOWN:
        return pend(was_in_use ? PENDING_IN_USE : PENDING_SETTLING, NEXT_SURVEY);
    case USE_BUSY:
        return wait_for_end_of_use();
    case USE_CLEAR:
        break;
    }
    if (situation->now < idle_since) {
        step = pend(PENDING_SETTLING, NEXT_WAIT);
        step.wait_usec = idle_since - situation->now;
        return step;
    }
    return pend(PENDING_SETTLING, group->surveyed_at >= idle_since ? NEXT_SUBMIT : NEXT_SURVEY);
}

/* What the daemon can or may do in this boot. */
static NextStep this_boot(const Situation *situation)
{
    const ManagedGroup *group = situation->group;
    const Decision *decision = situation->decision;

    if (decision->settled || decision->wanted < 0)
        return rest_in(group->call_undone ? GROUP_FAILED : GROUP_SETTLED);
    if (decision->obstacle == PENDING_UNBIND_NOT_ALLOWED &&
        (group->driver_was_first || (situation->tried && group->tried_race)))
        return pend(PENDING_DRIVER_RACE, NEXT_NOTHING);
    if (decision->obstacle != PENDING_NONE)
        return pend(decision->obstacle, NEXT_NOTHING);
    if (group->inhibitors->len > 0)
        return pend(PENDING_INHIBITED, NEXT_NOTHING);
    if (situation->tried)
        return after_try(group);
    if (DOMAIN_TYPE_BIT(decision->wanted) & managed_group_live_types(group))
        return group->use == USE_BUSY && group->owned ? wait_for_end_of_use()
                                                      : pend(PENDING_SETTLING, NEXT_SUBMIT);
    if (!decision->may_unbind)
        return pend(PENDING_UNBIND_NOT_ALLOWED, NEXT_NOTHING);
    return when_idle(situation);
}

/* A use that lasts as long as the machine runs. */
#define USES_OF_A_BOOT (FINDING_KIND_BIT(FINDING_ROOT) | FINDING_KIND_BIT(FINDING_INFRASTRUCTURE))

static bool waited_for_boot(const ManagedGroup *group)
{
    return group->state == GROUP_PENDING && (group->kinds_seen & USES_OF_A_BOOT) != 0 &&
        (group->reason == PENDING_NEXT_BOOT || group->reason == PENDING_INITRAMFS_STALE);
}

/* STEP waits for what does not come before the machine is booted again: leave to unbind, or the end of a
 * use. */
static bool waits_for_boot(const ManagedGroup *group, const NextStep *step)
{
    if (step->state != GROUP_PENDING)
        return false;
    switch (step->reason) {
    case PENDING_UNBIND_NOT_ALLOWED:
    case PENDING_UNNAMED_MEMBER:
        return true;
    case PENDING_SETTLING: /* the word stays while it is looked at again */
        return step->action == NEXT_SURVEY && waited_for_boot(group);
    case PENDING_IN_USE:
        return step->action == NEXT_WAIT && (group->kinds_seen & USES_OF_A_BOOT) != 0;
    default:
        return false;
    }
}

NextStep next_step(const Situation *situation)
{
    NextStep step;

    if (rests(situation, &step))
        return step;
    step = this_boot(situation);
    if (situation->next_boot == NEXT_BOOT_NOTHING || !waits_for_boot(situation->group, &step))
        return step;
    return pend(situation->next_boot == NEXT_BOOT_SETS ? PENDING_NEXT_BOOT : PENDING_INITRAMFS_STALE,
                step.action == NEXT_SURVEY ? NEXT_SURVEY : NEXT_NOTHING);
}
