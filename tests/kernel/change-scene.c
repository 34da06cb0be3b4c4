/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change-scene.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "findings.h"
#include "group.h"
#include "record.h"
#include "sysfs.h"

/* The fake kernel of a scene sends no events, so a device that shows nothing is waited for until this is
 * over. */
#define SCENE_PROBE_USEC 2000

static char *device_path(const char *device, const char *file)
{
    return g_strdup_printf("sys/bus/pci/devices/%s/%s", device, file);
}

char *scene_driver(const Scene *scene, const char *device)
{
    g_autofree char *path = device_path(device, "driver");
    char *driver;

    return sysfs_link_name(scene->root_fd, path, &driver) < 0 ? g_strdup("") : driver;
}

char *scene_override(const Scene *scene, const char *device)
{
    g_autofree char *path = device_path(device, "driver_override");
    char *override;

    return sysfs_read(scene->root_fd, path, &override) < 0 ? g_strdup("unreadable") : override;
}

DomainType scene_type(const Scene *scene)
{
    DomainType type = _DOMAIN_TYPE_INVALID;

    (void) group_read_type(scene->root_fd, scene->group, &type);
    return type;
}

int scene_write(const Scene *scene, const char *path, const char *text)
{
    return sysfs_write(scene->root_fd, path, text);
}

Scene *scene_new(const char *topology, const char *generation, const char *const *devices)
{
    g_autoptr(GPtrArray) drivers = g_ptr_array_new();
    g_autofree char *link = device_path(devices[0], "iommu_group");
    g_autofree char *group = NULL;
    Scene *scene = g_new0(Scene, 1);
    int r;

    r = fixture_new(topology, generation, &scene->fixture);
    ck_assert_msg(r == 0, "%s: %s", topology, strerror(-r));
    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    scene->root_fd = fixture_root_fd(scene->fixture);
    scene->devices = devices;
    ck_assert_int_eq(sysfs_link_name(scene->root_fd, link, &group), 0);
    scene->group = (unsigned) g_ascii_strtoull(group, NULL, 10);
    scene->type = scene_type(scene);
    for (const char *const *device = devices; *device; device++)
        g_ptr_array_add(drivers, scene_driver(scene, *device));
    g_ptr_array_add(drivers, NULL);
    scene->drivers = (char **) g_ptr_array_steal(drivers, NULL);
    return scene;
}

void scene_free(Scene *scene)
{
    if (!scene)
        return;
    fixture_free(scene->fixture);
    g_strfreev(scene->drivers);
    g_free(scene);
}

ChangeRequest *scene_authorise(const Scene *scene, DomainType type)
{
    g_autoptr(GPtrArray) allow = g_ptr_array_new();
    ChangeRequest *request = change_request_new(scene->group, type);
    ChangeSurvey *survey;

    request->origin = g_strdup("call:uid=0");
    request->may_unbind = true;
    request->limits.probe_usec = SCENE_PROBE_USEC;
    ck_assert_int_eq(transaction_survey(scene->root_fd, request, &survey), 0);
    for (guint i = 0; i < survey->findings->len; i++)
        g_ptr_array_add(allow, g_strdup(((const Finding *) g_ptr_array_index(survey->findings, i))->id));
    g_ptr_array_add(allow, NULL);
    request->allow = (char **) g_ptr_array_steal(allow, NULL);
    request->how = survey->how;
    request->type_from = survey->type_from;
    request->members = g_ptr_array_ref(survey->members);
    change_survey_free(survey);
    return request;
}

ChangeResult *scene_change(const Scene *scene, const ChangeRequest *request)
{
    ChangeResult *result = NULL;

    ck_assert_int_eq(transaction_run(scene->root_fd, request, NULL, NULL, &result), 0);
    return result;
}

unsigned scene_recover(const Scene *scene)
{
    const ChangeLimits limits = {
        .unbind_usec = G_USEC_PER_SEC,
        .type_usec = G_USEC_PER_SEC,
        .bind_usec = G_USEC_PER_SEC,
        .probe_usec = SCENE_PROBE_USEC,
    };
    g_auto(GStrv) keys = NULL;
    unsigned n = 0;

    ck_assert_int_eq(record_list(scene->root_fd, &keys), 0);
    for (; keys[n]; n++) {
        g_autoptr(ChangeResult) result = NULL;
        int r = transaction_recover(scene->root_fd, keys[n], &limits, NULL, NULL, &result);

        ck_assert_msg(r == 0, "%s: %s", keys[n], strerror(-r));
    }
    return n;
}

unsigned scene_records(const Scene *scene)
{
    g_auto(GStrv) keys = NULL;

    ck_assert_int_eq(record_list(scene->root_fd, &keys), 0);
    return g_strv_length(keys);
}

bool scene_is_bound(const Scene *scene)
{
    bool bound = true;

    for (size_t i = 0; scene->devices[i]; i++) {
        g_autofree char *driver = scene_driver(scene, scene->devices[i]);
        g_autofree char *override = scene_override(scene, scene->devices[i]);

        if (g_str_equal(driver, scene->drivers[i]) && g_str_equal(override, "(null)"))
            continue;
        bound = false;
        fprintf(stderr, "%s: driver '%s', not '%s'; override '%s'\n", scene->devices[i], driver,
                scene->drivers[i], override);
    }
    return bound;
}

static void reset_driver(const Scene *scene, size_t i, const char *file)
{
    g_autofree char *path = g_strdup_printf("sys/bus/pci/drivers/%s/%s", scene->drivers[i], file);

    if (*scene->drivers[i] && !g_str_equal(scene->drivers[i], "pcieport"))
        ck_assert_int_eq(scene_write(scene, path, scene->devices[i]), 0);
}

/* Lock, folder and what a killed write may have left of a record: the next change has to make all of it
 * again. */
static void remove_run_folder(const Scene *scene)
{
    static const char *const folders[] = { "run/iommu-policy/change", "run/iommu-policy" };

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_auto(GStrv) names = NULL;

        if (sysfs_list(scene->root_fd, folders[i], &names) < 0)
            continue;
        for (char **name = names; *name; name++) {
            g_autofree char *path = g_strdup_printf("%s/%s", folders[i], *name);

            ck_assert_int_eq(unlinkat(scene->root_fd, path, 0), 0);
        }
        ck_assert_int_eq(unlinkat(scene->root_fd, folders[i], AT_REMOVEDIR), 0);
    }
}

static void write_type(const Scene *scene)
{
    _cleanup_close_ int fd = group_open_type(scene->root_fd, scene->group);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(group_write_type(fd, scene->type), 0);
}

void scene_reset(const Scene *scene)
{
    remove_run_folder(scene);
    if (scene_type(scene) == scene->type)
        return;
    for (size_t i = 0; scene->devices[i]; i++)
        reset_driver(scene, i, "unbind");
    write_type(scene);
    for (size_t i = 0; scene->devices[i]; i++)
        reset_driver(scene, i, "bind");
}
