/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The change against the fake kernel: how it goes well, how it goes back, and what it leaves alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "change-scene.h"
#include "iommu-policy-names.h"
#include "record.h"
#include "unit.h"

#define CARD "0000:00:06.0"
#define CARD_PATH "sys/devices/pci0000:00/" CARD
#define CARD_KEY "pci:" CARD
#define TYPE_GLOB "path='*/type'"

static const char *const one[] = { CARD, NULL };
static const char *const two[] = { "0000:03:00.0", "0000:03:00.1", NULL };
static const char *const disks[] = { "0000:05:00.0", "0000:05:00.1", NULL };
static const char *const four[] = { "0000:03:00.0", "0000:03:00.1", "0000:03:00.2", "0000:03:00.3", NULL };
static const char *const bridge[] = { "0000:00:05.0", "0000:01:00.0", NULL };
static const char *const vfio[] = { CARD, NULL };

/* What was written to sysfs since the log was cleared: "PATH=TEXT", paths without folders. */
static char *written(const Scene *scene)
{
    g_autoptr(GPtrArray) log = NULL;
    GString *text = g_string_new(NULL);

    ck_assert_int_eq(control_log(fixture_control(scene->fixture), &log), 0);
    for (guint i = 0; i < log->len; i++) {
        const Operation *operation = g_ptr_array_index(log, i);
        g_autofree char *name = g_path_get_basename(operation->path);
        g_autofree char *bytes = g_strescape(operation->bytes, NULL);

        if (g_str_equal(operation->name, "write") && g_str_has_prefix(operation->path, "sys/"))
            g_string_append_printf(text, "%s%s=%s", text->len ? " " : "", name, bytes);
    }
    return g_string_free(text, FALSE);
}

/* Runs the change watched from here, in this process. */
static ChangeResult *watched_change(const Scene *scene, const ChangeRequest *request)
{
    fixture_command(scene->fixture, "watch %d", getpgrp());
    fixture_command(scene->fixture, "log-clear");
    return scene_change(scene, request);
}

static void assert_written(const Scene *scene, const char *expected)
{
    g_autofree char *text = written(scene);

    ck_assert_str_eq(text, expected);
}

static int killed_change(void *data)
{
    const void *const *pair = data;
    g_autoptr(ChangeResult) result = NULL;

    return transaction_run(((const Scene *) pair[0])->root_fd, pair[1], NULL, NULL, &result);
}

/* The change in a child that RULE kills. */
static void kill_change(const Scene *scene, const ChangeRequest *request, const char *rule)
{
    const void *pair[] = { scene, request };
    int status;

    fixture_command(scene->fixture, "rule death %s kill", rule);
    status = fixture_run(scene->fixture, killed_change, pair);
    ck_assert(WIFSIGNALED(status));
    fixture_command(scene->fixture, "rule-remove death");
    fixture_command(scene->fixture, "watch none");
}

START_TEST(same_type_writes_nothing)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, scene->type);
    g_autoptr(ChangeResult) result = watched_change(scene, request);

    ck_assert_int_eq(request->how, CHANGE_NOTHING);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(result->how, CHANGE_NOTHING);
    assert_written(scene, "");
}
END_TEST

START_TEST(live_leaves_driver)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) tighten = scene_authorise(scene, DOMAIN_TYPE_DMA);
    g_autoptr(ChangeResult) tightened = scene_change(scene, tighten);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_DMA_FQ);
    g_autoptr(ChangeResult) result = watched_change(scene, request);

    ck_assert_int_eq(tightened->type, DOMAIN_TYPE_DMA);
    ck_assert_int_eq(request->how, CHANGE_LIVE);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(result->type, DOMAIN_TYPE_DMA_FQ);
    assert_written(scene, "type=DMA-FQ");
}
END_TEST

START_TEST(unbinds_and_binds_in_order)
{
    g_autoptr(Scene) scene = scene_new("two", "6.12", two);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = watched_change(scene, request);

    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(result->type, DOMAIN_TYPE_IDENTITY);
    ck_assert(!result->undone && !result->broken);
    ck_assert_int_gt(result->kernel_usec, 0);
    ck_assert_int_ge(result->total_usec, result->kernel_usec);
    ck_assert(scene_is_bound(scene));
    ck_assert_int_eq(scene_records(scene), 0);
    /* The cheap try; then held, unbound, switched, bound in reverse order, override given back. */
    assert_written(scene,
                   "type=identity "
                   "driver_override=iommu-policy-hold unbind=0000:03:00.1 "
                   "driver_override=iommu-policy-hold unbind=0000:03:00.0 type=identity "
                   "driver_override=e1000e bind=0000:03:00.0 driver_override=e1000e bind=0000:03:00.1 "
                   "driver_override=\\n driver_override=\\n");
}
END_TEST

START_TEST(bridge_stays_bound)
{
    g_autoptr(Scene) scene = scene_new("bridge", "6.12", bridge);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = watched_change(scene, request);

    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert(scene_is_bound(scene));
    assert_written(scene,
                   "type=identity driver_override=iommu-policy-hold unbind=0000:01:00.0 type=identity "
                   "driver_override=e1000e bind=0000:01:00.0 driver_override=\\n");
}
END_TEST

START_TEST(older_kernel_switches_one)
{
    g_autoptr(Scene) scene = scene_new("one", "6.1", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = scene_change(scene, request);

    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_IDENTITY);
    ck_assert(scene_is_bound(scene));
}
END_TEST

START_TEST(older_kernel_refuses_many_untouched)
{
    g_autoptr(Scene) scene = scene_new("two", "6.1", two);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = watched_change(scene, request);

    ck_assert_int_eq(result->code, REFUSAL_MULTIPLE_MEMBERS);
    ck_assert_int_eq(result->error, EINVAL);
    assert_written(scene, "type=identity");
    ck_assert(scene_is_bound(scene));
}
END_TEST

START_TEST(older_kernel_refuses_unopened_vfio)
{
    g_autoptr(Scene) scene = scene_new("vfio", "6.1", vfio);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = watched_change(scene, request);

    ck_assert_int_eq(request->how, CHANGE_UNBOUND);
    ck_assert_int_eq(result->code, REFUSAL_STILL_BOUND);
    ck_assert_str_eq(result->detail, CARD " is bound to vfio-pci");
    assert_written(scene, "type=identity");
}
END_TEST

START_TEST(owned_by_user_is_said)
{
    g_autoptr(Scene) scene = scene_new("vfio", "6.12", vfio);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "vfio %u owned", scene->group);
    result = scene_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_OWNED_BY_USER);
    ck_assert_int_eq(scene_type(scene), scene->type);
}
END_TEST

/* Nobody has it open any more, but the kernel is still at its end. */
START_TEST(owner_that_ends_is_waited_for)
{
    g_autoptr(Scene) scene = scene_new("vfio", "6.12", vfio);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "rule ends op=write " TYPE_GLOB " nth=1 count=2 fail EPERM");
    result = watched_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    assert_written(scene, "type=identity type=identity type=identity");
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_IDENTITY);
}
END_TEST

START_TEST(reset_is_waited_for)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    /* The first write is the cheap try. */
    fixture_command(scene->fixture, "rule reset op=write " TYPE_GLOB " nth=2 count=2 fail EBUSY");
    result = watched_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_IDENTITY);
    ck_assert(scene_is_bound(scene));
}
END_TEST

START_TEST(reset_behind_a_bridge_is_waited_for)
{
    g_autoptr(Scene) scene = scene_new("bridge", "6.12", bridge);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "rule reset op=write " TYPE_GLOB " nth=2 count=2 fail EBUSY");
    result = watched_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_IDENTITY);
    ck_assert(scene_is_bound(scene));
}
END_TEST

START_TEST(failed_probe_is_undone)
{
    g_autoptr(Scene) scene = scene_new("two", "6.12", two);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "probe 0000:03:00.1 ENODEV type=identity");
    result = scene_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_REBIND_FAILED);
    ck_assert_str_eq(result->object, "0000:03:00.1");
    ck_assert_int_eq(result->error, ENODEV);
    ck_assert(result->undone && !result->broken);
    ck_assert_int_eq(result->type, scene->type);
    ck_assert_int_eq(scene_type(scene), scene->type);
    ck_assert(scene_is_bound(scene));
    ck_assert_int_eq(scene_records(scene), 0);
}
END_TEST

/* Two disks of which the second does not come back in the new type. No disk of the scene can be opened. */
static ChangeRequest *authorise_disks(const Scene *scene)
{
    static const char *const allow[] = { "signature:ext4@nvme0n1", "signature:ext4@nvme1n1",
                                         "unknown:nvme0n1@nvme0n1", "unknown:nvme1n1@nvme1n1", NULL };
    ChangeRequest *request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);

    g_strfreev(request->allow);
    request->allow = g_strdupv((char **) allow);
    fixture_command(scene->fixture, "probe 0000:05:00.1 ENODEV type=identity");
    return request;
}

static void assert_undone(const Scene *scene, const ChangeResult *result)
{
    ck_assert_msg(result->code == REFUSAL_REBIND_FAILED, "%s", result->detail);
    ck_assert(result->undone && !result->broken);
    ck_assert_int_eq(scene_type(scene), scene->type);
    ck_assert(scene_is_bound(scene));
    ck_assert_int_eq(scene_records(scene), 0);
}

/* The first disk is back, and udev has not looked at it yet: what nobody knows of it must not keep the other
 * from its driver. */
START_TEST(undo_does_not_need_udev)
{
    g_autoptr(Scene) scene = scene_new("two-disks", "6.12", disks);
    g_autoptr(ChangeRequest) request = authorise_disks(scene);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "rule forget op=write path='*/unbind' nth=1 when=after "
                                    "do 'unlink run/udev/data/b259:0'");
    result = watched_change(scene, request);
    assert_undone(scene, result);
}
END_TEST

/* The first disk is back, and udev looks at it in this moment. */
START_TEST(undo_waits_for_udev)
{
    g_autoptr(Scene) scene = scene_new("two-disks", "6.12", disks);
    g_autoptr(ChangeRequest) request = authorise_disks(scene);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "directory proc/812/fd");
    fixture_command(scene->fixture, "rule look op=write path='*/bind' nth=1 when=after "
                                    "do 'link proc/812/fd/3 ../../../dev/nvme0n1'");
    fixture_command(scene->fixture, "rule probe op=write path='*/bind' nth=2 when=before do 'rule end "
                                    "op=opendir path=proc/812/fd nth=2 do \"unlink proc/812/fd/3\"'");
    result = watched_change(scene, request);
    assert_undone(scene, result);
    ck_assert_int_eq(control_count(fixture_control(scene->fixture), "op=write path='*/unbind'"), 3);
}
END_TEST

/* The first disk is back and does not let go again: the type is not taken from under it. */
START_TEST(undo_of_a_bound_device_writes_no_type)
{
    g_autoptr(Scene) scene = scene_new("two-disks", "6.12", disks);
    g_autoptr(ChangeRequest) request = authorise_disks(scene);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "rule stays op=write path='*/unbind' nth=3 fail EIO");
    result = watched_change(scene, request);
    ck_assert(result->broken);
    ck_assert_int_eq(control_count(fixture_control(scene->fixture), "op=write path='*/unbind'"), 3);
    /* the cheap try and the switch */
    ck_assert_int_eq(control_count(fixture_control(scene->fixture), "op=write " TYPE_GLOB), 2);
    ck_assert_int_eq(scene_records(scene), 1);
}
END_TEST

START_TEST(transient_probe_error_is_tried_again)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "probe " CARD " EAGAIN count=3");
    result = scene_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_IDENTITY);
    ck_assert(scene_is_bound(scene));
}
END_TEST

/* An asynchronous probe takes some milliseconds; each question lets the fake kernel go on. */
static void wait_for_interface(const Scene *scene)
{
    g_autofree char *flags = NULL;

    while (!flags)
        flags = control_cat(fixture_control(scene->fixture), CARD_PATH "/net/eth0/flags");
}

/* The driver probes behind the back of `bind`, and lets go of the device when the probe has failed. */
START_TEST(late_probe_failure_is_undone)
{
    g_autoptr(Scene) scene = scene_new("one", "6.1", one);
    g_autoptr(ChangeRequest) request = NULL;
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "driver-remove pci e1000e");
    fixture_command(scene->fixture, "driver pci e1000e ids=8086:10d3 async");
    wait_for_interface(scene);
    request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    request->limits.probe_usec = 200000;
    fixture_command(scene->fixture, "probe " CARD " EIO type=identity");
    result = scene_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_REBIND_FAILED);
    ck_assert_int_eq(result->error, EIO);
    ck_assert(result->undone);
    ck_assert_int_eq(scene_type(scene), scene->type);
    ck_assert(scene_is_bound(scene));
}
END_TEST

START_TEST(lost_device_keeps_its_record)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeRequest) again = NULL;
    g_autoptr(ChangeResult) result = NULL, in_place = NULL;
    g_autofree char *override = NULL;

    fixture_command(scene->fixture, "probe " CARD " ENODEV");
    result = scene_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_DEVICE_LOST);
    ck_assert_str_eq(result->object, CARD);
    ck_assert(result->broken && !result->undone);
    ck_assert_int_eq(scene_records(scene), 1);
    override = scene_override(scene, CARD);
    ck_assert_str_eq(override, "(null)");
    ck_assert_int_eq(scene_recover(scene), 1);
    ck_assert_int_eq(scene_records(scene), 1);

    /* The type alone may still be changed, and the device comes back with it. */
    fixture_command(scene->fixture, "probe " CARD " ok");
    fixture_command(scene->fixture, "probe " CARD " ENODEV type=%s", domain_type_to_string(scene->type));
    again = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    ck_assert_int_eq(again->how, CHANGE_UNBOUND);
    in_place = scene_change(scene, again);
    ck_assert_int_eq(in_place->code, REFUSAL_NONE);
    ck_assert(scene_is_bound(scene));
    ck_assert_int_eq(scene_records(scene), 0);
}
END_TEST

START_TEST(removed_module_is_loaded_again)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "rule gone op=write path='*/unbind' nth=1 when=after "
                                    "do 'driver-remove pci e1000e autoload'");
    result = watched_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_IDENTITY);
    ck_assert(scene_is_bound(scene));
}
END_TEST

START_TEST(replugged_device_is_left_alone)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture,
                    "rule replug op=write path='*/unbind' nth=1 when=after do 'replug " CARD "'");
    result = watched_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_DEVICE_CHANGED);
    ck_assert(!result->broken);
    ck_assert(scene_is_bound(scene));
    ck_assert_int_eq(scene_records(scene), 0);
}
END_TEST

START_TEST(override_of_others_stays)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) busy = NULL, same = NULL;
    g_autofree char *override = NULL;

    ck_assert_int_eq(scene_write(scene, CARD_PATH "/driver_override", "vfio-pci"), 0);
    busy = watched_change(scene, request);
    ck_assert_int_eq(busy->code, REFUSAL_BUSY);
    assert_written(scene, "");

    ck_assert_int_eq(scene_write(scene, CARD_PATH "/driver_override", "e1000e"), 0);
    same = watched_change(scene, request);
    ck_assert_int_eq(same->code, REFUSAL_NONE);
    assert_written(scene, "type=identity unbind=" CARD " type=identity bind=" CARD);
    override = scene_override(scene, CARD);
    ck_assert_str_eq(override, "e1000e");
}
END_TEST

static int changed_in_child(void *data)
{
    const void *const *pair = data;
    g_autoptr(ChangeResult) result = scene_change(pair[0], pair[1]);

    return result->broken ? 100 : (int) result->code;
}

/*
 * The change in a child, which stands still after the first write to the file NAME of a device or driver;
 * somebody else meanwhile takes the card from its driver, writes vfio-pci to driver_override, and has it
 * probed if PROBES. He gets what he has asked for.
 */
static void interrupt_change(const char *name, bool probes)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autofree char *driver = NULL, *override = NULL;
    const void *pair[] = { scene, request };
    int status;
    pid_t pid;

    fixture_command(scene->fixture, "rule pause op=write path='*/%s' nth=1 when=after block", name);
    pid = fixture_start(scene->fixture, changed_in_child, pair);
    fixture_command(scene->fixture, "wait-blocked pause");
    (void) scene_write(scene, "sys/bus/pci/drivers/e1000e/unbind", CARD);
    ck_assert_int_eq(scene_write(scene, CARD_PATH "/driver_override", "vfio-pci"), 0);
    if (probes)
        ck_assert_int_eq(scene_write(scene, "sys/bus/pci/drivers_probe", CARD), 0);
    fixture_command(scene->fixture, "release pause");
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);

    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), REFUSAL_DEVICE_CHANGED);
    driver = scene_driver(scene, CARD);
    ck_assert_str_eq(driver, "vfio-pci");
    override = scene_override(scene, CARD);
    ck_assert_str_eq(override, "vfio-pci");
    ck_assert_int_eq(scene_records(scene), 0);
}

START_TEST(driver_of_others_is_not_unbound)
{
    interrupt_change("driver_override", true);
}
END_TEST

START_TEST(driver_bound_by_others_after_the_unbind_stays)
{
    interrupt_change("unbind", true);
}
END_TEST

/* Their own probe came to nothing, as the unbind was still going on: the device is not left without a
 * driver. */
START_TEST(override_by_others_is_followed)
{
    interrupt_change("unbind", false);
}
END_TEST

START_TEST(authorised_facts_are_compared)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) less_severe = NULL, from = NULL, replugged = NULL;

    request->how = CHANGE_UNBOUND;
    less_severe = watched_change(scene, request);
    ck_assert_int_eq(less_severe->code, REFUSAL_DEVICE_CHANGED);
    request->how = CHANGE_DISRUPTIVE;

    request->type_from = DOMAIN_TYPE_DMA;
    from = scene_change(scene, request);
    ck_assert_int_eq(from->code, REFUSAL_DEVICE_CHANGED);
    request->type_from = scene->type;

    fixture_command(scene->fixture, "replug " CARD);
    replugged = scene_change(scene, request);
    ck_assert_int_eq(replugged->code, REFUSAL_DEVICE_CHANGED);
    ck_assert_str_eq(replugged->object, CARD);
    assert_written(scene, "");
}
END_TEST

START_TEST(new_finding_refuses)
{
    g_autoptr(Scene) scene = scene_new("four", "6.12", four);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    ck_assert_int_gt(g_strv_length(request->allow), 0);
    g_clear_pointer(&request->allow, g_strfreev);
    result = watched_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_IN_USE);
    ck_assert_int_gt(result->findings->len, 0);
    assert_written(scene, "");
}
END_TEST

/* A bond takes the interface while the cheap try waits for whoever has the group. */
START_TEST(finding_during_the_first_write_refuses)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "rule busy op=open " TYPE_GLOB " delay 600");
    fixture_command(scene->fixture, "rule bond op=write " TYPE_GLOB " nth=1 when=after "
                                    "do 'directory " CARD_PATH "/net/eth0/upper_bond0'");
    result = watched_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_IN_USE);
    assert_written(scene, "type=identity");
    ck_assert_int_eq(scene_records(scene), 0);
}
END_TEST

START_TEST(lock_of_others_is_busy)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL, recovered = NULL;
    int lock;

    kill_change(scene, request, "op=write path='*/bind' nth=1 when=before");
    lock = record_lock(scene->root_fd, CARD_KEY, false);
    ck_assert_int_ge(lock, 0);
    result = scene_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_BUSY);
    ck_assert_int_eq(transaction_recover(scene->root_fd, CARD_KEY, &request->limits, NULL, NULL, &recovered),
                     -EWOULDBLOCK);
    (void) close(lock);
    ck_assert_int_eq(scene_recover(scene), 1);
    ck_assert(scene_is_bound(scene));
}
END_TEST

START_TEST(leftover_is_recovered_before_a_change)
{
    g_autoptr(Scene) scene = scene_new("two", "6.12", two);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    kill_change(scene, request, "op=write path='*/unbind' nth=2 when=after");
    ck_assert_int_eq(scene_records(scene), 1);
    result = scene_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_IDENTITY);
    ck_assert(scene_is_bound(scene));
    ck_assert_int_eq(scene_records(scene), 0);
}
END_TEST

START_TEST(recovery_waits_for_owned_neighbour)
{
    g_autoptr(Scene) scene = scene_new("two", "6.12", two);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autofree char *driver = NULL;

    kill_change(scene, request, "op=write path='*/bind' nth=1 when=before");
    ck_assert_int_eq(scene_write(scene, "sys/bus/pci/devices/0000:03:00.1/driver_override", "vfio-pci"), 0);
    ck_assert_int_eq(scene_write(scene, "sys/bus/pci/drivers/vfio-pci/bind", "0000:03:00.1"), 0);
    fixture_command(scene->fixture, "vfio %u owned", scene->group);
    fixture_command(scene->fixture, "directory proc/77/fd");
    fixture_command(scene->fixture, "link proc/77/fd/5 /dev/vfio/%u", scene->group);
    ck_assert_int_eq(scene_recover(scene), 1);
    driver = scene_driver(scene, "0000:03:00.0");
    ck_assert_str_eq(driver, "");
    ck_assert_int_eq(scene_records(scene), 1);

    fixture_command(scene->fixture, "vfio %u none", scene->group);
    fixture_command(scene->fixture, "unlink proc/77/fd/5");
    ck_assert_int_eq(scene_write(scene, "sys/bus/pci/drivers/vfio-pci/unbind", "0000:03:00.1"), 0);
    ck_assert_int_eq(scene_write(scene, "sys/bus/pci/devices/0000:03:00.1/driver_override", "\n"), 0);
    ck_assert_int_eq(scene_recover(scene), 1);
    ck_assert(scene_is_bound(scene));
    ck_assert_int_eq(scene_records(scene), 0);
}
END_TEST

START_TEST(record_of_another_boot_is_removed)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;
    g_autofree char *driver = NULL;

    kill_change(scene, request, "op=write path='*/bind' nth=1 when=before");
    fixture_command(scene->fixture,
                    "file proc/sys/kernel/random/boot_id 11111111-2222-3333-4444-555555555555\\n");
    ck_assert_int_eq(transaction_recover(scene->root_fd, CARD_KEY, &request->limits, NULL, NULL, &result),
                     0);
    ck_assert_int_eq(result->notes->len, 1);
    ck_assert_int_eq(scene_records(scene), 0);
    driver = scene_driver(scene, CARD);
    ck_assert_str_eq(driver, "");
}
END_TEST

/* The group works, and still a record stays until driver_override is as it was: by the change it is a note,
 * by a recovery, which has nothing else to do, a failure that says what to look at. */
START_TEST(override_that_is_not_given_back_is_told)
{
    static const char note[] = "driver_override of " CARD " could not be given back: Input/output error";
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) done = NULL, recovered = NULL;

    /* The first write holds the device, the second names the driver. */
    fixture_command(scene->fixture, "rule fault op=write path='*/driver_override' nth=3 count=100 fail EIO");
    done = watched_change(scene, request);
    ck_assert_int_eq(done->code, REFUSAL_NONE);
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_IDENTITY);
    ck_assert_int_eq(done->notes->len, 1);
    ck_assert_str_eq(done->notes->pdata[0], note);
    ck_assert_int_eq(scene_records(scene), 1);

    ck_assert_int_eq(transaction_recover(scene->root_fd, CARD_KEY, &request->limits, NULL, NULL, &recovered),
                     0);
    ck_assert_int_eq(recovered->code, REFUSAL_INTERNAL);
    ck_assert(recovered->broken);
    ck_assert_str_eq(recovered->detail, "driver_override of a member still says what the interrupted change "
                                        "wrote; its record stays");
    ck_assert_int_eq(recovered->notes->len, 1);
    ck_assert_str_eq(recovered->notes->pdata[0], note);
    ck_assert_int_eq(scene_records(scene), 1);

    fixture_command(scene->fixture, "rule-remove fault");
    ck_assert_int_eq(scene_recover(scene), 1);
    ck_assert(scene_is_bound(scene));
    ck_assert_int_eq(scene_records(scene), 0);
}
END_TEST

/* The record is named after a device that is not there any more, and is still about the other one. */
START_TEST(record_of_a_pulled_first_member_is_recovered)
{
    g_autoptr(Scene) scene = scene_new("two", "6.12", two);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY), rest = NULL;
    g_autoptr(ChangeResult) busy = NULL, result = NULL;
    g_autofree char *driver = NULL;
    int lock;

    kill_change(scene, request, "op=write path='*/type' nth=2 when=before");
    fixture_command(scene->fixture, "remove 0000:03:00.0");
    rest = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);

    lock = record_lock(scene->root_fd, "pci:0000:03:00.0", false);
    ck_assert_int_ge(lock, 0);
    busy = watched_change(scene, rest);
    ck_assert_int_eq(busy->code, REFUSAL_BUSY);
    assert_written(scene, "");

    ck_assert_int_eq(close(lock), 0);
    result = scene_change(scene, rest);
    ck_assert_int_eq(result->code, REFUSAL_DEVICE_CHANGED);
    driver = scene_driver(scene, "0000:03:00.1");
    ck_assert_str_eq(driver, "e1000e");
    ck_assert_int_eq(scene_records(scene), 0);
}
END_TEST

/* A bus whose drivers do not claim their group: the kernel would switch under one that is bound
 * meanwhile. */
START_TEST(driver_bound_by_others_is_seen)
{
    g_autoptr(Scene) scene = g_new0(Scene, 1);
    g_autoptr(ChangeRequest) request = NULL;
    g_autoptr(ChangeResult) result = NULL;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("topology-XXXXXX", &path, NULL);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(dprintf(fd, "iommu dmar0\nbus vmbus\ndriver vmbus hv_card ids=any managed-dma\n"
                                 "device vmbus card group=0\ndevice vmbus other group=0\n"),
                     0);
    (void) close(fd);
    ck_assert_int_eq(fixture_new(path, "6.12", &scene->fixture), 0);
    (void) unlink(path);
    scene->root_fd = fixture_root_fd(scene->fixture);
    request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    /* The only driver that the device takes which is held by then; the next one is just being unbound. */
    fixture_command(scene->fixture, "rule other op=write path='*/unbind' nth=2 when=before do 'driver vmbus "
                                    IOMMU_POLICY_OVERRIDE_TOKEN " managed-dma'");
    result = watched_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_DEVICE_CHANGED);
    ck_assert_int_eq(control_count(fixture_control(scene->fixture), "op=write path='*/type'"), 0);
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_DMA_FQ);
}
END_TEST

START_TEST(fallback_to_stricter_is_told)
{
    g_autoptr(Scene) scene = NULL;
    g_autoptr(ChangeRequest) request = NULL;
    g_autoptr(ChangeResult) result = NULL;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("topology-XXXXXX", &path, NULL);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(dprintf(fd,
                             "boot-default identity\niommu dmar0 no-fq\ndriver pci e1000e ids=8086:10d3\n"
                             "device pci " CARD " group=new id=8086:10d3 class=020000 child=net:eth0\n"),
                     0);
    (void) close(fd);
    scene = scene_new(path, "6.12", one);
    (void) unlink(path);
    request = scene_authorise(scene, DOMAIN_TYPE_DMA_FQ);
    result = scene_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(result->type, DOMAIN_TYPE_DMA);
    ck_assert_int_eq(result->notes->len, 1);
    ck_assert(scene_is_bound(scene));
}
END_TEST

START_TEST(other_name_is_told)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = NULL;

    fixture_command(scene->fixture, "child " CARD " net:eth7");
    result = scene_change(scene, request);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    ck_assert_int_eq(result->notes->len, 1);
    ck_assert_str_eq(g_ptr_array_index(result->notes, 0), "interface eth0 came back as eth7");
}
END_TEST

static void run(const char *command)
{
    int status = system(command);

    ck_assert_msg(status == 0, "%s: %d", command, status);
}

/* What the kernel does to an interface, which the fake one does not have: it goes with the driver, and
 * comes back as nobody has set it up. */
static void remake_interface(const char *step, uint64_t limit_usec, void *userdata)
{
    if (g_str_has_prefix(step, "unbind "))
        run("ip link delete eth0");
    else if (g_str_has_prefix(step, "bind "))
        run("ip link add eth0 type dummy || ip link add eth0 type ifb");
}

START_TEST(lost_addresses_are_told)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = NULL;
    g_autoptr(ChangeResult) result = NULL;
    g_autofree char *notes = NULL;

    run("ip link add eth0 type dummy || ip link add eth0 type ifb");
    run("ip address add 192.0.2.5/24 dev eth0 && ip link set eth0 up");
    fixture_command(scene->fixture, "attribute " CARD_PATH "/net/eth0/flags 0x1003");
    request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    ck_assert_int_eq(transaction_run(scene->root_fd, request, remake_interface, NULL, &result), 0);
    ck_assert_int_eq(result->code, REFUSAL_NONE);
    g_ptr_array_add(result->notes, NULL);
    notes = g_strjoinv("; ", (char **) result->notes->pdata);
    g_ptr_array_set_size(result->notes, (int) result->notes->len - 1);
    ck_assert_str_eq(notes,
                     "interface eth0 was up and is down; address 192.0.2.5 of interface eth0 is gone");
}
END_TEST

START_TEST(steps_add_up)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = scene_change(scene, request);
    g_autoptr(GString) names = g_string_new(NULL);
    uint64_t sum = 0;

    for (guint i = 0; i < result->steps->len; i++) {
        const ChangeStepTime *step = g_ptr_array_index(result->steps, i);

        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", step->name);
        sum += step->usec;
    }
    /* A probe that has not ended yet is a step more. */
    ck_assert_msg(g_str_has_prefix(names->str, "look, write type identity, unbind " CARD
                                               ", write type identity, bind " CARD), "%s", names->str);
    ck_assert_uint_le(sum, result->total_usec);
    ck_assert_uint_le(result->kernel_usec, sum);
}
END_TEST

START_TEST(driver_without_unbind_is_left)
{
    static const char *const devices[] = { "0000:00:1f.0", NULL };
    g_autoptr(Scene) scene = scene_new("machine", "6.12", devices);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeResult) result = watched_change(scene, request);

    ck_assert_int_eq(request->how, CHANGE_REFUSED);
    ck_assert_int_eq(result->code, REFUSAL_NOT_SUPPORTED);
    ck_assert_str_eq(result->object, "0000:00:1f.0");
    assert_written(scene, "");
}
END_TEST

START_TEST(forbidden_outcome_is_undone)
{
    g_autoptr(Scene) scene = scene_new("one", "6.12", one);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, DOMAIN_TYPE_IDENTITY);
    g_autoptr(ChangeRequest) automatic = NULL;
    g_autoptr(ChangeResult) result = scene_change(scene, request), undone = NULL;

    ck_assert_int_eq(result->code, REFUSAL_NONE);
    automatic = scene_authorise(scene, DOMAIN_TYPE_AUTO); /* ends as DMA-FQ */
    automatic->out = DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ);
    undone = scene_change(scene, automatic);
    ck_assert_int_eq(undone->code, REFUSAL_TYPE_NOT_KEPT);
    ck_assert(undone->undone);
    ck_assert_int_eq(scene_type(scene), DOMAIN_TYPE_IDENTITY);
    ck_assert(scene_is_bound(scene));
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("fake kernel");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, same_type_writes_nothing);
    tcase_add_test(tcase, live_leaves_driver);
    tcase_add_test(tcase, unbinds_and_binds_in_order);
    tcase_add_test(tcase, bridge_stays_bound);
    tcase_add_test(tcase, older_kernel_switches_one);
    tcase_add_test(tcase, older_kernel_refuses_many_untouched);
    tcase_add_test(tcase, older_kernel_refuses_unopened_vfio);
    tcase_add_test(tcase, owned_by_user_is_said);
    tcase_add_test(tcase, owner_that_ends_is_waited_for);
    tcase_add_test(tcase, reset_is_waited_for);
    tcase_add_test(tcase, reset_behind_a_bridge_is_waited_for);
    tcase_add_test(tcase, failed_probe_is_undone);
    tcase_add_test(tcase, undo_does_not_need_udev);
    tcase_add_test(tcase, undo_waits_for_udev);
    tcase_add_test(tcase, undo_of_a_bound_device_writes_no_type);
    tcase_add_test(tcase, transient_probe_error_is_tried_again);
    tcase_add_test(tcase, late_probe_failure_is_undone);
    tcase_add_test(tcase, lost_device_keeps_its_record);
    tcase_add_test(tcase, removed_module_is_loaded_again);
    tcase_add_test(tcase, replugged_device_is_left_alone);
    tcase_add_test(tcase, override_of_others_stays);
    tcase_add_test(tcase, driver_of_others_is_not_unbound);
    tcase_add_test(tcase, driver_bound_by_others_after_the_unbind_stays);
    tcase_add_test(tcase, override_by_others_is_followed);
    tcase_add_test(tcase, authorised_facts_are_compared);
    tcase_add_test(tcase, new_finding_refuses);
    tcase_add_test(tcase, finding_during_the_first_write_refuses);
    tcase_add_test(tcase, lock_of_others_is_busy);
    tcase_add_test(tcase, leftover_is_recovered_before_a_change);
    tcase_add_test(tcase, recovery_waits_for_owned_neighbour);
    tcase_add_test(tcase, record_of_another_boot_is_removed);
    tcase_add_test(tcase, override_that_is_not_given_back_is_told);
    tcase_add_test(tcase, record_of_a_pulled_first_member_is_recovered);
    tcase_add_test(tcase, driver_bound_by_others_is_seen);
    tcase_add_test(tcase, fallback_to_stricter_is_told);
    tcase_add_test(tcase, forbidden_outcome_is_undone);
    tcase_add_test(tcase, other_name_is_told);
    tcase_add_test(tcase, lost_addresses_are_told);
    tcase_add_test(tcase, steps_add_up);
    tcase_add_test(tcase, driver_without_unbind_is_left);
    return unit_run("transaction", tcase);
}
