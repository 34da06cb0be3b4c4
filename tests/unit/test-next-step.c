/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "next-step.h"
#include "unit.h"

#define SECOND UINT64_C(1000000)
#define NOW (1000 * SECOND)

/* A group with one bound device in DMA, of which a rule wants identity and allows the unbinding; start-up is
 * over. */
typedef struct Scene {
    DeviceFacts facts;
    Device device;
    ManagedDevice managed;
    ManagedGroup group;
    Decision decision;
    Situation situation;
} Scene;

static Scene *scene_new(void)
{
    Scene *scene = g_new0(Scene, 1);

    scene->device.facts = &scene->facts;
    scene->device.driver = (char *) "nvme";
    scene->managed.device = &scene->device;
    scene->group.members = g_ptr_array_new();
    scene->group.inhibitors = g_ptr_array_new();
    g_ptr_array_add(scene->group.members, &scene->managed);
    scene->group.type_known = true;
    scene->group.type = DOMAIN_TYPE_DMA;
    scene->decision.wanted = DOMAIN_TYPE_IDENTITY;
    scene->decision.may_relax = scene->decision.may_unbind = true;
    scene->situation = (Situation) {
        .group = &scene->group,
        .decision = &scene->decision,
        .running = true,
        .now = NOW,
        .settle_usec = 10 * SECOND,
    };
    return scene;
}

static void scene_free(Scene *scene)
{
    g_ptr_array_unref(scene->group.members);
    g_ptr_array_unref(scene->group.inhibitors);
    g_free(scene);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

static void check_step(const Scene *scene, GroupState state, PendingReason reason, NextAction action)
{
    NextStep step = next_step(&scene->situation);

    ck_assert_str_eq(group_state_to_string(step.state), group_state_to_string(state));
    ck_assert_str_eq(pending_reason_to_string(step.reason), pending_reason_to_string(reason));
    ck_assert_int_eq(step.action, action);
}

/* What lets a group rest, each stronger than those after it. */
START_TEST(rest)
{
    g_autoptr(Scene) scene = scene_new();

    scene->group.type = DOMAIN_TYPE_UNKNOWN;
    check_step(scene, GROUP_UNSUPPORTED, PENDING_NONE, NEXT_NOTHING);
    scene->group.type_known = false;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_NOTHING);
    scene->group.read_error = -EBUSY;
    check_step(scene, GROUP_CHANGING, PENDING_NONE, NEXT_NOTHING);
    scene->group.read_error = -ETIMEDOUT;
    check_step(scene, GROUP_STUCK, PENDING_NONE, NEXT_NOTHING);
    scene->group.read_error = -EBADMSG;
    check_step(scene, GROUP_UNSUPPORTED, PENDING_NONE, NEXT_NOTHING);
    scene->group.broken = true;
    check_step(scene, GROUP_BROKEN, PENDING_NONE, NEXT_NOTHING);
    scene->group.changing = true;
    check_step(scene, GROUP_CHANGING, PENDING_NONE, NEXT_NOTHING);
    scene->group.stuck = true;
    check_step(scene, GROUP_STUCK, PENDING_NONE, NEXT_NOTHING);
    scene->situation.disabled = true;
    check_step(scene, GROUP_DISABLED, PENDING_NONE, NEXT_NOTHING);
}
END_TEST

START_TEST(settled_or_hindered)
{
    g_autoptr(Scene) scene = scene_new();
    Inhibitor inhibitor = { 0 };

    g_ptr_array_add(scene->group.inhibitors, &inhibitor);
    check_step(scene, GROUP_PENDING, PENDING_INHIBITED, NEXT_NOTHING);
    scene->decision.obstacle = PENDING_UNDECIDED;
    check_step(scene, GROUP_PENDING, PENDING_UNDECIDED, NEXT_NOTHING);
    scene->decision.settled = true;
    check_step(scene, GROUP_SETTLED, PENDING_NONE, NEXT_NOTHING);
    scene->decision.settled = false;
    scene->decision.wanted = _DOMAIN_TYPE_INVALID;
    check_step(scene, GROUP_SETTLED, PENDING_NONE, NEXT_NOTHING);
}
END_TEST

START_TEST(without_unbinding_at_once)
{
    g_autoptr(Scene) scene = scene_new();

    scene->situation.running = false; /* start-up does not matter then */
    scene->decision.may_unbind = false;
    scene->decision.wanted = DOMAIN_TYPE_DMA_FQ;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SUBMIT);
    scene->decision.wanted = DOMAIN_TYPE_IDENTITY;
    check_step(scene, GROUP_PENDING, PENDING_UNBIND_NOT_ALLOWED, NEXT_NOTHING);
    scene->device.driver = NULL;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SUBMIT);
    scene->device.driver = (char *) "vfio-pci";
    scene->facts.manages_dma = true;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SUBMIT);
}
END_TEST

/* Nothing would be unbound, but the kernel does not write the type under a virtual machine that owns a
 * device of the group. A use that only stands against unbinding is no matter. */
START_TEST(without_unbinding_when_nobody_owns_it)
{
    g_autoptr(Scene) scene = scene_new();

    scene->device.driver = (char *) "vfio-pci";
    scene->facts.manages_dma = true;
    scene->group.use = USE_BUSY;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SUBMIT);
    scene->group.owned = true;
    check_step(scene, GROUP_PENDING, PENDING_IN_USE, NEXT_WAIT);
    ck_assert_uint_eq(next_step(&scene->situation).wait_usec, IN_USE_LOOK_USEC);
    /* The look once a minute is another try. */
    scene->group.use = USE_UNKNOWN;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SUBMIT);
}
END_TEST

START_TEST(only_when_idle)
{
    g_autoptr(Scene) scene = scene_new();
    NextStep step;

    scene->situation.running = false;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_NOTHING);
    scene->situation.running = true;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SURVEY);

    scene->group.use = USE_BUSY;
    check_step(scene, GROUP_PENDING, PENDING_IN_USE, NEXT_WAIT);
    ck_assert_uint_eq(next_step(&scene->situation).wait_usec, IN_USE_LOOK_USEC);

    /* The word stays while it is looked at again. */
    scene->group.state = GROUP_PENDING;
    scene->group.reason = PENDING_IN_USE;
    scene->group.use = USE_UNKNOWN;
    check_step(scene, GROUP_PENDING, PENDING_IN_USE, NEXT_SURVEY);

    scene->group.use = USE_CLEAR;
    scene->group.clear_since = scene->group.surveyed_at = NOW - 4 * SECOND;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_WAIT);
    step = next_step(&scene->situation);
    ck_assert_uint_eq(step.wait_usec, 6 * SECOND);

    /* Time alone is not enough: the last look has to be from after it. */
    scene->group.clear_since = scene->group.surveyed_at = NOW - 11 * SECOND;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SURVEY);
    scene->group.surveyed_at = NOW - SECOND;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SUBMIT);
}
END_TEST

START_TEST(what_failed_is_not_tried_again)
{
    g_autoptr(Scene) scene = scene_new();

    scene->situation.tried = true;
    check_step(scene, GROUP_FAILED, PENDING_NONE, NEXT_NOTHING);
    scene->group.tried_in_use = true;
    check_step(scene, GROUP_PENDING, PENDING_IN_USE, NEXT_NOTHING);
    scene->group.tried_in_use = false;
    scene->group.tried_race = true;
    check_step(scene, GROUP_PENDING, PENDING_DRIVER_RACE, NEXT_NOTHING);
    scene->decision.obstacle = PENDING_UNBIND_NOT_ALLOWED;
    check_step(scene, GROUP_PENDING, PENDING_DRIVER_RACE, NEXT_NOTHING);
    scene->situation.tried = false;
    check_step(scene, GROUP_PENDING, PENDING_UNBIND_NOT_ALLOWED, NEXT_NOTHING);
}
END_TEST

/* vfio-pci on a kernel that lets no driver keep the group. */
START_TEST(driver_that_nobody_unbinds)
{
    g_autoptr(Scene) scene = scene_new();

    scene->device.driver = (char *) "vfio-pci";
    scene->facts.manages_dma = true;
    scene->situation.tried = scene->group.tried_race = true;
    check_step(scene, GROUP_PENDING, PENDING_UNBIND_NOT_ALLOWED, NEXT_NOTHING);
    scene->device.driver = NULL; /* one that is just binding has no link yet */
    scene->facts.manages_dma = false;
    check_step(scene, GROUP_PENDING, PENDING_DRIVER_RACE, NEXT_NOTHING);
}
END_TEST

/* The word is for who lost a race, and only as long as that is what stands in the way. */
START_TEST(driver_that_was_first)
{
    g_autoptr(Scene) scene = scene_new();

    scene->group.driver_was_first = true;
    scene->decision.obstacle = PENDING_UNBIND_NOT_ALLOWED;
    check_step(scene, GROUP_PENDING, PENDING_DRIVER_RACE, NEXT_NOTHING);
    scene->decision.obstacle = PENDING_FORBIDDEN_TYPE;
    check_step(scene, GROUP_PENDING, PENDING_FORBIDDEN_TYPE, NEXT_NOTHING);
    scene->decision.obstacle = PENDING_NONE;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SURVEY);
    scene->decision.settled = true;
    check_step(scene, GROUP_SETTLED, PENDING_NONE, NEXT_NOTHING);
}
END_TEST

START_TEST(call_that_was_undone_is_shown)
{
    g_autoptr(Scene) scene = scene_new();

    scene->decision.settled = true;
    scene->group.call_undone = true;
    check_step(scene, GROUP_FAILED, PENDING_NONE, NEXT_NOTHING);
    managed_group_forget_tries(&scene->group);
    check_step(scene, GROUP_SETTLED, PENDING_NONE, NEXT_NOTHING);
}
END_TEST

START_TEST(live_is_one_way)
{
    g_autoptr(Scene) scene = scene_new();
    const DomainTypeSet dma = DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA), dma_fq = DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ);
    const DomainTypeSet automatic = DOMAIN_TYPE_BIT(DOMAIN_TYPE_AUTO);

    ck_assert_uint_eq(managed_group_live_types(&scene->group), dma_fq);
    scene->group.not_given = dma_fq;
    ck_assert_uint_eq(managed_group_live_types(&scene->group), 0);
    scene->group.not_given = 0;
    scene->group.type = DOMAIN_TYPE_DMA_FQ;
    ck_assert_uint_eq(managed_group_live_types(&scene->group), 0);
    scene->group.type = DOMAIN_TYPE_IDENTITY;
    ck_assert_uint_eq(managed_group_live_types(&scene->group), 0);
    scene->device.driver = NULL;
    ck_assert_uint_eq(managed_group_live_types(&scene->group), dma | dma_fq | automatic);
}
END_TEST

/* What this boot cannot have is left to the next one only where it waits for nothing else. */
START_TEST(left_to_the_next_boot)
{
    static const struct {
        PendingReason obstacle;
        bool waits; /* for what does not come in this boot */
    } rows[] = {
        { PENDING_UNBIND_NOT_ALLOWED, true }, { PENDING_UNNAMED_MEMBER, true }, { PENDING_UNDECIDED, false },
        { PENDING_FORBIDDEN_TYPE, false },    { PENDING_CONFLICT, false },      { PENDING_FROZEN, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene = scene_new();

        scene->decision.obstacle = rows[i].obstacle;
        check_step(scene, GROUP_PENDING, rows[i].obstacle, NEXT_NOTHING);
        scene->situation.next_boot = NEXT_BOOT_SETS;
        check_step(scene, GROUP_PENDING, rows[i].waits ? PENDING_NEXT_BOOT : rows[i].obstacle, NEXT_NOTHING);
        scene->situation.next_boot = NEXT_BOOT_STALE;
        check_step(scene, GROUP_PENDING, rows[i].waits ? PENDING_INITRAMFS_STALE : rows[i].obstacle,
                   NEXT_NOTHING);
        scene->decision.settled = true;
        check_step(scene, GROUP_SETTLED, PENDING_NONE, NEXT_NOTHING);
    }
}
END_TEST

START_TEST(a_use_as_long_as_the_machine_runs)
{
    g_autoptr(Scene) scene = scene_new();

    scene->situation.next_boot = NEXT_BOOT_SETS;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SURVEY);
    scene->group.use = USE_BUSY;
    scene->group.kinds_seen = FINDING_KIND_BIT(FINDING_MOUNT);
    check_step(scene, GROUP_PENDING, PENDING_IN_USE, NEXT_WAIT);
    scene->group.kinds_seen |= FINDING_KIND_BIT(FINDING_ROOT);
    check_step(scene, GROUP_PENDING, PENDING_NEXT_BOOT, NEXT_NOTHING);

    /* The word stays while it is looked at again, and while start-up or somebody keeps the rules away it
     * is not said. */
    scene->group.state = GROUP_PENDING;
    scene->group.reason = PENDING_NEXT_BOOT;
    scene->group.use = USE_UNKNOWN;
    check_step(scene, GROUP_PENDING, PENDING_NEXT_BOOT, NEXT_SURVEY);
    scene->situation.running = false;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_NOTHING);

    scene->situation.running = true;
    scene->situation.next_boot = NEXT_BOOT_NOTHING;
    scene->group.use = USE_BUSY;
    check_step(scene, GROUP_PENDING, PENDING_IN_USE, NEXT_WAIT);
}
END_TEST

/* What can be had at once is not put off. */
START_TEST(the_next_boot_is_the_last_resort)
{
    g_autoptr(Scene) scene = scene_new();

    scene->situation.next_boot = NEXT_BOOT_SETS;
    scene->group.use = USE_CLEAR;
    scene->group.clear_since = NOW - 11 * SECOND;
    scene->group.surveyed_at = NOW - SECOND;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SUBMIT);
    scene->situation.tried = true;
    check_step(scene, GROUP_FAILED, PENDING_NONE, NEXT_NOTHING);
    scene->group.tried_race = true;
    check_step(scene, GROUP_PENDING, PENDING_DRIVER_RACE, NEXT_NOTHING);
    scene->situation.tried = scene->decision.may_unbind = false;
    scene->decision.wanted = DOMAIN_TYPE_DMA_FQ;
    check_step(scene, GROUP_PENDING, PENDING_SETTLING, NEXT_SUBMIT);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("next-step");

    tcase_add_test(cases, rest);
    tcase_add_test(cases, settled_or_hindered);
    tcase_add_test(cases, without_unbinding_at_once);
    tcase_add_test(cases, without_unbinding_when_nobody_owns_it);
    tcase_add_test(cases, only_when_idle);
    tcase_add_test(cases, what_failed_is_not_tried_again);
    tcase_add_test(cases, driver_that_nobody_unbinds);
    tcase_add_test(cases, driver_that_was_first);
    tcase_add_test(cases, left_to_the_next_boot);
    tcase_add_test(cases, a_use_as_long_as_the_machine_runs);
    tcase_add_test(cases, the_next_boot_is_the_last_resort);
    tcase_add_test(cases, call_that_was_undone_is_shown);
    tcase_add_test(cases, live_is_one_way);
    return unit_run("next-step", cases);
}
