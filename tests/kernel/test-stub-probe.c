/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Devices whose groups are made by a driver's probe: the early pass lends them to pci-stub, and is killed
 * before and after everything it writes in /sys and /run. Whoever comes next, another pass or the daemon's
 * recovery, leaves no device with pci-stub and no driver_override set.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "early-groups.h"
#include "early-pass.h"
#include "fixture.h"
#include "record.h"
#include "stub-probe.h"
#include "sysfs.h"
#include "transaction.h"
#include "unit.h"

#define DRIVE "0000:00:02.0"
#define LAZY "0000:00:03.0"
#define UNSERVED "0000:00:04.0"
#define WRITES "op=write,create,rename,unlink,truncate,mkdir path='[sr][yu][sn]/*'"
#define LOAD_NVME "driver pci nvme ids=class=010802"

static Fixture *fixture;
static int root_fd;

static void add_rule(const char *name, const char *text)
{
    fixture_command(fixture, "directory etc/iommu-policy.d");
    fixture_command(fixture, "file etc/iommu-policy.d/%s '%s'", name, text);
}

static void start(const char *generation)
{
    ck_assert_int_eq(fixture_new("late", generation, &fixture), 0);
    root_fd = fixture_root_fd(fixture);
    add_rule("30-drive.conf", "[Match]\\nId=1b36:0010\\nIommu=smmu-v3\\n[Policy]\\nType=identity\\n");
    add_rule("40-lazy.conf", "[Match]\\nId=144d:a808\\n[Policy]\\nType=DMA-FQ\\n");
}

static void on_group(const EarlyGroup *group)
{
}

static void on_text(const char *text)
{
    printf("  %s\n", text);
}

/* As iommu-policy-early does it. */
static int run_early(void *data)
{
    g_autoptr(GPtrArray) diagnostics = NULL, lent = NULL;
    g_autoptr(EarlyNote) note = early_note_new();
    g_autoptr(RuleSet) rules = NULL;
    g_autoptr(Host) host = NULL;

    if (rule_set_load(root_fd, NULL, &rules, &diagnostics) < 0 || host_read(root_fd, &host) < 0)
        return EXIT_FAILURE;
    lent = early_groups_make(root_fd, rules, host, on_text);
    if (early_pass_run(root_fd, rules, host, note, on_group) < 0)
        return EXIT_FAILURE;
    early_groups_end(root_fd, lent, on_text);
    return EXIT_SUCCESS;
}

static int run_recovery(void *data)
{
    const ChangeLimits limits = {
        .unbind_usec = G_USEC_PER_SEC,
        .type_usec = G_USEC_PER_SEC,
        .bind_usec = G_USEC_PER_SEC,
        .probe_usec = 2000,
    };
    g_auto(GStrv) keys = NULL;

    record_discard_unfinished(root_fd);
    if (record_list(root_fd, &keys) < 0)
        return EXIT_FAILURE;
    for (char **key = keys; *key; key++) {
        g_autoptr(ChangeResult) result = NULL;

        if (transaction_recover(root_fd, *key, &limits, NULL, NULL, &result) < 0 ||
            result->code != REFUSAL_NONE)
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static void run(FixtureFunction function)
{
    ck_assert_int_eq(fixture_run(fixture, function, NULL), 0);
    fixture_command(fixture, "watch none");
}

static char *attribute(const char *device, const char *name)
{
    g_autofree char *path = g_strdup_printf("sys/bus/pci/devices/%s/%s", device, name);
    char *text;

    return sysfs_read(root_fd, path, &text) < 0 ? g_strdup("") : text;
}

static char *link_of(const char *device, const char *name)
{
    g_autofree char *path = g_strdup_printf("sys/bus/pci/devices/%s/%s", device, name);
    char *text;

    return sysfs_link_name(root_fd, path, &text) < 0 ? g_strdup("") : text;
}

static void check_attribute(const char *device, const char *name, const char *expected, const char *point)
{
    g_autofree char *text = attribute(device, name);

    ck_assert_msg(g_str_equal(text, expected), "%s: %s of %s is '%s', not '%s'", point, name, device, text,
                  expected);
}

static void check_driver(const char *device, const char *expected, const char *point)
{
    g_autofree char *driver = link_of(device, "driver");

    ck_assert_msg(g_str_equal(driver, expected), "%s: %s is bound to '%s', not '%s'", point, device, driver,
                  expected);
}

static void check_nothing_is_left(const char *point)
{
    static const char *const devices[] = {DRIVE, LAZY, UNSERVED};
    g_auto(GStrv) keys = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(devices); i++)
        check_attribute(devices[i], "driver_override", "(null)", point);
    ck_assert_int_eq(record_list(root_fd, &keys), 0);
    ck_assert_msg(g_strv_length(keys) == 0, "%s: a record is left", point);
}

static int count(const char *path)
{
    g_autofree char *arguments = g_strdup_printf("op=write path='%s'", path);

    return control_count(fixture_control(fixture), arguments);
}

static const char *const generations[] = {"6.1", "6.12"};

START_TEST(the_type_is_there_before_the_driver)
{
    start(generations[_i]);
    run(run_early);
    check_attribute(DRIVE, "iommu_group/type", "identity", "after the pass");
    check_driver(DRIVE, "", "after the pass");
    check_nothing_is_left("after the pass");
    fixture_command(fixture, LOAD_NVME);
    check_driver(DRIVE, "nvme", "after its module");
    check_attribute(DRIVE, "iommu_group/type", "identity", "after its module");
}
END_TEST

/* What can be had live later is not worth it, nor is a device that no rule names. */
START_TEST(only_who_needs_it_is_lent)
{
    g_autofree char *group = NULL;

    start(generations[_i]);
    run(run_early);
    group = link_of(LAZY, "iommu_group");
    ck_assert_str_eq(group, "");
    ck_assert_int_eq(count("*" LAZY "*"), 0);
    ck_assert_int_eq(count("*" UNSERVED "*"), 0);
    ck_assert_int_eq(count("*" DRIVE "/driver_override"), 2);
    ck_assert_int_eq(count("*/drivers/pci-stub/unbind"), 1);
    fixture_command(fixture, LOAD_NVME);
    run(run_early);
    check_attribute(LAZY, "iommu_group/type", "DMA-FQ", "live");
}
END_TEST

/* Nothing tells what the kernel gives by itself; it turns out to be the laxer one. */
START_TEST(the_stricter_type_is_there_before_the_driver)
{
    start(generations[_i]);
    fixture_command(fixture, "boot-default DMA-FQ");
    add_rule("20-strict.conf", "[Match]\\nId=144d:a808\\n[Policy]\\nType=DMA\\n");
    run(run_early);
    check_attribute(LAZY, "iommu_group/type", "DMA", "after the pass");
    check_driver(LAZY, "", "after the pass");
    check_nothing_is_left("after the pass");
}
END_TEST

START_TEST(a_second_pass_writes_nothing)
{
    start(generations[_i]);
    run(run_early);
    fixture_command(fixture, "log-clear");
    run(run_early);
    ck_assert_int_eq(control_count(fixture_control(fixture), "op=write,create,rename,unlink path='sys/*'"),
                     0);
}
END_TEST

START_TEST(an_override_of_somebody_else_stays)
{
    g_autofree char *group = NULL;

    start(generations[_i]);
    fixture_command(fixture, "remove " DRIVE);
    fixture_command(fixture,
                    "device pci " DRIVE " group=new at-probe id=1b36:0010 class=010802 override=vfio-pci");
    run(run_early);
    check_attribute(DRIVE, "driver_override", "vfio-pci", "after the pass");
    group = link_of(DRIVE, "iommu_group");
    ck_assert_str_eq(group, "");
    ck_assert_int_eq(control_count(fixture_control(fixture), "op=write path='sys/*'"), 0);
}
END_TEST

START_TEST(no_group_comes)
{
    start(generations[_i]);
    add_rule("20-unserved.conf", "[Match]\\nId=1b36:0011\\n[Policy]\\nType=identity\\n");
    run(run_early);
    check_driver(UNSERVED, "", "after the pass");
    check_nothing_is_left("after the pass");
}
END_TEST

START_TEST(without_pci_stub_nothing_is_touched)
{
    start(generations[_i]);
    fixture_command(fixture, "driver-remove pci pci-stub");
    run(run_early);
    ck_assert_int_eq(control_count(fixture_control(fixture), "op=write path='sys/*'"), 0);
    check_nothing_is_left("after the pass");
}
END_TEST

/* Groups of VT-d are there from the first: a device without one has no IOMMU. */
START_TEST(not_where_groups_come_with_devices)
{
    start(generations[_i]);
    fixture_command(fixture, "unlink sys/class/iommu/smmu3.0x0000000009050000");
    fixture_command(fixture, "iommu dmar0");
    add_rule("20-unserved.conf", "[Match]\\nId=1b36:0011\\n[Policy]\\nType=identity\\n");
    run(run_early);
    ck_assert_int_eq(control_count(fixture_control(fixture), "op=write path='sys/*'"), 0);
}
END_TEST

/* Its module comes while the device is lent, and does not match then. */
START_TEST(a_driver_that_comes_meanwhile_gets_its_device)
{
    start(generations[_i]);
    fixture_command(fixture, "rule come op=write path='*/drivers_probe' nth=1 do '" LOAD_NVME "'");
    run(run_early);
    fixture_command(fixture, "rule-remove come");
    check_driver(DRIVE, "nvme", "after the pass");
    check_attribute(DRIVE, "iommu_group/type", "identity", "after the pass");
    check_driver(LAZY, "nvme", "after the pass");
    check_nothing_is_left("after the pass");
}
END_TEST

/* --- killed */

static void reset(void)
{
    static const char *const folders[] = {"run/iommu-policy/change", "run/iommu-policy"};

    fixture_command(fixture, "remove " DRIVE);
    fixture_command(fixture,
                    "device pci " DRIVE " group=new at-probe id=1b36:0010 class=010802 child=nvme:nvme0");
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_auto(GStrv) names = NULL;

        if (sysfs_list(root_fd, folders[i], &names) < 0)
            continue;
        for (char **name = names; *name; name++) {
            g_autofree char *path = g_strdup_printf("%s/%s", folders[i], *name);

            ck_assert_int_eq(unlinkat(root_fd, path, 0), 0);
        }
        ck_assert_int_eq(unlinkat(root_fd, folders[i], AT_REMOVEDIR), 0);
    }
}

static void kill_at(unsigned n, const char *when, const char *point)
{
    int status;

    fixture_command(fixture, "rule point " WRITES " nth=%u when=%s kill", n, when);
    status = fixture_run(fixture, run_early, NULL);
    fixture_command(fixture, "rule-remove point");
    fixture_command(fixture, "watch none");
    ck_assert_msg(status >= 0 && WIFSIGNALED(status), "%s: it was not killed", point);
}

static void try_kill(unsigned n, const char *when, FixtureFunction next, const char *driver)
{
    g_autofree char *point = g_strdup_printf("operation %u, killed %s it", n, when);

    kill_at(n, when, point);
    if (*driver)
        fixture_command(fixture, LOAD_NVME);
    run(next);
    check_nothing_is_left(point);
    check_driver(DRIVE, driver, point);
    if (next == run_early && !*driver)
        check_attribute(DRIVE, "iommu_group/type", "identity", point);

    fixture_command(fixture, "log-clear");
    run(run_recovery);
    ck_assert_msg(control_count(fixture_control(fixture), WRITES) == 0, "%s: a recovery afterwards writes",
                  point);
    if (*driver)
        fixture_command(fixture, "driver-remove pci nvme");
    reset();
}

static void try_kills(const char *generation, FixtureFunction next, const char *driver)
{
    static const char *const when[] = {"before", "after"};
    int n;

    start(generation);
    run(run_early);
    n = control_count(fixture_control(fixture), WRITES);
    ck_assert_int_gt(n, 0);
    reset();
    for (size_t i = 0; i < G_N_ELEMENTS(when); i++)
        for (int k = 1; k <= n; k++)
            try_kill((unsigned) k, when[i], next, driver);
    printf("killed: %d operations, %d points tried\n", n, 2 * n);
}

START_TEST(killed_and_run_again)
{
    try_kills(generations[_i], run_early, "");
}
END_TEST

START_TEST(killed_and_recovered)
{
    try_kills(generations[_i], run_recovery, "");
}
END_TEST

/* The device's module is loaded after the kill and before anybody takes it back. */
START_TEST(killed_and_the_driver_comes)
{
    try_kills(generations[_i], _i == 0 ? run_recovery : run_early, "nvme");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_type_is_there_before_the_driver,
        only_who_needs_it_is_lent,
        the_stricter_type_is_there_before_the_driver,
        a_second_pass_writes_nothing,
        an_override_of_somebody_else_stays,
        no_group_comes,
        without_pci_stub_nothing_is_touched,
        not_where_groups_come_with_devices,
        a_driver_that_comes_meanwhile_gets_its_device,
        killed_and_run_again,
        killed_and_recovered,
        killed_and_the_driver_comes,
    };
    TCase *cases = tcase_create("stub-probe");

    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        tcase_add_loop_test(cases, tests[i], 0, G_N_ELEMENTS(generations));
    tcase_set_timeout(cases, 300);
    return unit_run("stub-probe", cases);
}
