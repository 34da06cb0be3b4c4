/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A member of the group is pulled, or replaced by a device of the same or of another kind, before every
 * operation that the change makes on /sys and /run. After each: the change says DeviceChanged (or is done,
 * if nothing was left to do to the device), nobody has lost a driver, no record and no override is left, and
 * from that operation on nothing of ours was written to the newcomer. What the kernel itself leaves open is
 * one write: `unbind`, `bind` and `type` take a name or a group, so what was opened for the old device and
 * looked at a moment ago may meet the new one; then the newcomer is as whole as its driver makes it.
 *
 * test-transaction-replug GROUP
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "change-scene.h"
#include "refusal.h"
#include "unit.h"

#define PATHS "path='[sr][yu][sn]/*'"
#define OTHER_ID "1b36:1111" /* no driver of the topologies takes it */

enum {
    CHILD_DONE,
    CHILD_DEVICE_CHANGED,
    CHILD_UNDONE,
    CHILD_OTHER,
};

typedef struct Group {
    const char *name, *topology, *generation;
    const char *const *devices;
    size_t victim;     /* which of them is pulled; those that lie below it go with it */
    size_t below;      /* how many that are */
    const char *id;    /* of the victim */
    DomainType from, to;
    const char *refused; /* a device whose first bind fails, so that the change is undone; or NULL */
} Group;

static const char *const one[] = { "0000:00:06.0", NULL };
static const char *const two[] = { "0000:03:00.0", "0000:03:00.1", NULL };
static const char *const four[] = { "0000:03:00.0", "0000:03:00.1", "0000:03:00.2", "0000:03:00.3", NULL };
static const char *const bridge[] = { "0000:00:05.0", "0000:01:00.0", NULL };

#define CARD_ID "8086:10d3"
#define SWITCH DOMAIN_TYPE_DMA_FQ, DOMAIN_TYPE_IDENTITY
#define LIVE DOMAIN_TYPE_DMA, DOMAIN_TYPE_DMA_FQ

static const Group groups[] = {
    { "one", "one", "6.12", one, 0, 0, CARD_ID, SWITCH },
    { "one-older", "one", "6.1", one, 0, 0, CARD_ID, SWITCH },
    { "one-live", "one", "6.12", one, 0, 0, CARD_ID, LIVE },
    { "two-first", "two", "6.12", two, 0, 0, CARD_ID, SWITCH },
    { "two-second", "two", "6.12", two, 1, 0, CARD_ID, SWITCH },
    { "two-live", "two", "6.12", two, 0, 0, CARD_ID, LIVE },
    { "four-driverless", "four", "6.12", four, 2, 0, "1b36:0005", SWITCH },
    { "bridge-card", "bridge", "6.12", bridge, 1, 0, CARD_ID, SWITCH },
    { "bridge-port", "bridge", "6.12", bridge, 0, 1, "1b36:000c", SWITCH },
    { "undone-two-first", "two", "6.12", two, 0, 0, CARD_ID, SWITCH, "0000:03:00.1" },
    { "undone-two-second", "two", "6.12", two, 1, 0, CARD_ID, SWITCH, "0000:03:00.0" },
};
static const Group *group;

typedef enum Event {
    EVENT_PULLED,
    EVENT_SAME,
    EVENT_OTHER,
    _EVENT_MAX,
} Event;
static const char *const event_names[] = { "pulled", "replaced by the same", "replaced by another" };

typedef struct Attempt {
    const Scene *scene;
    const ChangeRequest *request;
} Attempt;

static int run_change(void *data)
{
    const Attempt *attempt = data;
    g_autoptr(ChangeResult) result = NULL;

    if (transaction_run(attempt->scene->root_fd, attempt->request, NULL, NULL, &result) < 0)
        return CHILD_OTHER;
    if (!result->broken && result->code == REFUSAL_NONE)
        return CHILD_DONE;
    if (!result->broken && result->code == REFUSAL_DEVICE_CHANGED)
        return CHILD_DEVICE_CHANGED;
    if (group->refused && result->undone)
        return CHILD_UNDONE;
    fprintf(stderr, "refusal %d%s: %s: %s\n", result->code, result->broken ? " (broken)" : "",
            result->object, result->detail);
    return CHILD_OTHER;
}

static const char *victim(void)
{
    return group->devices[group->victim];
}

static bool is_newcomer(const char *device)
{
    for (size_t i = group->victim; i <= group->victim + group->below; i++)
        if (g_str_equal(group->devices[i], device))
            return true;
    return false;
}

static char *command_of(Event event)
{
    if (event == EVENT_PULLED)
        return g_strdup_printf("remove %s", victim());
    return g_strdup_printf("replug %s id=%s", victim(), event == EVENT_SAME ? group->id : OTHER_ID);
}

static bool counts(const Operation *operation)
{
    return (g_str_has_prefix(operation->path, "sys/") || g_str_has_prefix(operation->path, "run/")) &&
        !g_str_equal(operation->name, "read") && !g_str_equal(operation->name, "fsync");
}

static bool ends_with(const Operation *operation, const char *name)
{
    g_autofree char *last = g_path_get_basename(operation->path);

    return g_str_equal(operation->name, "write") && g_str_equal(last, name);
}

static bool is_type_write(const Operation *operation)
{
    return ends_with(operation, "type");
}

/* Written to a newcomer, or for it: what fails with ENODEV was written to what the old device has left. */
static bool meets_newcomer(const Operation *operation)
{
    bool gone = g_str_equal(operation->result, "ENODEV");

    if (ends_with(operation, "unbind") || ends_with(operation, "bind"))
        return is_newcomer(operation->bytes);
    if (is_type_write(operation))
        return !gone;
    if (ends_with(operation, "driver_override") || ends_with(operation, "uevent")) {
        g_autofree char *folder = g_path_get_dirname(operation->path);
        g_autofree char *device = g_path_get_basename(folder);

        return !gone && is_newcomer(device);
    }
    return false;
}

/* From the operation before which the newcomer came. */
static void check_newcomer_untouched(const GPtrArray *log, unsigned n, const char *point)
{
    for (guint i = 0, at = 0; i < log->len; i++) {
        const Operation *operation = g_ptr_array_index(log, i);

        at += counts(operation);
        ck_assert_msg(at <= n || !meets_newcomer(operation),
                      "%s: the newcomer was met by a write of %s to %s", point, operation->bytes,
                      operation->path);
    }
}

/* Done is what all had been written for. */
static void check_was_over(const GPtrArray *log, unsigned n, const char *point)
{
    for (guint i = 0, at = 0; i < log->len; i++) {
        const Operation *operation = g_ptr_array_index(log, i);

        at += counts(operation);
        ck_assert_msg(at < n || !is_type_write(operation) || g_str_equal(operation->result, "ENODEV"),
                      "%s: it was done to other devices than it was for", point);
    }
}

static void check_devices(const Scene *scene, Event event, const char *point)
{
    for (size_t i = 0; scene->devices[i]; i++) {
        const char *device = scene->devices[i];
        g_autofree char *driver = scene_driver(scene, device), *override = NULL;
        bool other = event == EVENT_OTHER && i == group->victim &&
            !g_str_equal(scene->drivers[i], "pcieport");

        if (event == EVENT_PULLED && is_newcomer(device))
            continue;
        override = scene_override(scene, device);
        ck_assert_msg(g_str_equal(driver, other ? "" : scene->drivers[i]), "%s: %s has the driver '%s'",
                      point, device, driver);
        ck_assert_msg(g_str_equal(override, "(null)"), "%s: %s has the override %s", point, device,
                      override);
    }
}

static void spoil_bind(const Scene *scene)
{
    if (group->refused)
        fixture_command(scene->fixture, "probe %s ENODEV count=1", group->refused);
}

/* The device that was there at first, in a group of the type that was there at first. */
static void bring_back(const Scene *scene, Event event)
{
    if (group->refused)
        fixture_command(scene->fixture, "probe %s ok", group->refused);
    if (event == EVENT_PULLED)
        fixture_command(scene->fixture, "rescan");
    else if (event == EVENT_OTHER)
        fixture_command(scene->fixture, "replug %s id=%s", victim(), group->id);
    scene_reset(scene);
}

static int run_point(const Scene *scene, Event event, unsigned n, const char *point)
{
    g_autofree char *command = command_of(event);
    g_autoptr(ChangeRequest) request = scene_authorise(scene, group->to);
    const Attempt attempt = { .scene = scene, .request = request };
    g_autoptr(GPtrArray) log = NULL;
    int status;

    spoil_bind(scene);
    fixture_command(scene->fixture, "log-clear");
    fixture_command(scene->fixture, "rule event " PATHS " nth=%u do '%s'", n, command);
    status = fixture_run(scene->fixture, run_change, (void *) &attempt);
    fixture_command(scene->fixture, "rule-remove event");
    fixture_command(scene->fixture, "watch none");
    ck_assert_msg(status >= 0 && WIFEXITED(status), "%s: it was killed", point);
    ck_assert_msg(WEXITSTATUS(status) != CHILD_OTHER, "%s: neither done nor DeviceChanged", point);
    ck_assert_int_eq(control_log(fixture_control(scene->fixture), &log), 0);
    if (event != EVENT_PULLED)
        check_newcomer_untouched(log, n, point);
    if (WEXITSTATUS(status) == CHILD_DONE)
        check_was_over(log, n + 1, point);
    check_devices(scene, event, point);
    ck_assert_msg(scene_records(scene) == 0, "%s: a record is left", point);
    bring_back(scene, event);
    return WEXITSTATUS(status);
}

/* How many operations the change makes that nobody disturbs. */
static unsigned count_operations(const Scene *scene)
{
    g_autoptr(ChangeRequest) request = scene_authorise(scene, group->to);
    const Attempt attempt = { .scene = scene, .request = request };
    int status, n;

    spoil_bind(scene);
    status = fixture_run(scene->fixture, run_change, (void *) &attempt);
    ck_assert_int_ge(status, 0);
    ck_assert_int_eq(WEXITSTATUS(status), group->refused ? CHILD_UNDONE : CHILD_DONE);
    fixture_command(scene->fixture, "watch none");
    n = control_count(fixture_control(scene->fixture), PATHS);
    ck_assert_int_gt(n, 0);
    scene_reset(scene);
    return (unsigned) n;
}

START_TEST(every_point)
{
    g_autoptr(Scene) scene = scene_new(group->topology, group->generation, group->devices);
    unsigned n_operations, tried = 0, outcomes[CHILD_OTHER] = { 0 };

    fixture_command(scene->fixture, "boot-default %s", domain_type_to_string(group->from));
    fixture_command(scene->fixture, "group %u type=%s", scene->group, domain_type_to_string(group->from));
    scene->type = group->from;
    n_operations = count_operations(scene);
    for (Event event = 0; event < _EVENT_MAX; event++)
        for (unsigned n = 1; n <= n_operations; n++, tried++) {
            g_autofree char *point =
                g_strdup_printf("%s, %s before operation %u", group->name, event_names[event], n);

            outcomes[run_point(scene, event, n, point)]++;
        }
    printf("%s, replugged: %u operations, %u points tried (%u DeviceChanged, %u were done, %u undone)\n",
           group->name, n_operations, tried, outcomes[CHILD_DEVICE_CHANGED], outcomes[CHILD_DONE],
           outcomes[CHILD_UNDONE]);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tcase = tcase_create("points");

    for (size_t i = 0; argc == 2 && i < G_N_ELEMENTS(groups); i++)
        if (g_str_equal(groups[i].name, argv[1]))
            group = &groups[i];
    if (!group) {
        fprintf(stderr, "usage: %s GROUP\n", argv[0]);
        return EXIT_FAILURE;
    }
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, every_point);
    return unit_run("re-plug", tcase);
}
