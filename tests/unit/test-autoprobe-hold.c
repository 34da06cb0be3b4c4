/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "autoprobe-hold.h"
#include "autoprobe-record.h"
#include "cleanup.h"
#include "tree.h"
#include "unit.h"

/*
 * A hold against files that say what they were told: whose turn it is, and what is left behind. That the
 * kernel leaves the time for it, the cases vf_* in the virtual machine show.
 */
#define NAME "0000:01:00.0"
#define FUNCTION "0000:01:00.1"
#define KEY "pci:" NAME
#define BOOT_ID "6f1c2a52-3d0e-4c51-9f0b-0a9e5f6f7a11"
#define NUMVFS "/sriov_numvfs"
#define AUTOPROBE "/sriov_drivers_autoprobe"
#define PROBE "sys/bus/pci/drivers_probe"

typedef struct Bench {
    Tree *tree;
    char *syspath, *function;
    Device *device;
    sd_event *event;
    AutoprobeHolds *holds;
    unsigned appeared, idle;
    bool keep;  /* nobody says that the types are settled */
    unsigned round;
} Bench;

static void on_appeared(const char *key, unsigned round, char **names, void *userdata)
{
    Bench *bench = userdata;

    ck_assert_str_eq(key, KEY);
    ck_assert_str_eq(names[0], FUNCTION);
    ck_assert_ptr_null(names[1]);
    bench->appeared++;
    bench->round = round;
    if (!bench->keep)
        autoprobe_holds_release(bench->holds, key, round);
}

static void on_idle(void *userdata)
{
    ((Bench *) userdata)->idle++;
}

static void begin_holds(Bench *bench)
{
    static const AutoprobeCallbacks callbacks = { .appeared = on_appeared, .idle = on_idle };

    ck_assert_int_eq(sd_event_new(&bench->event), 0);
    ck_assert_int_eq(autoprobe_holds_new(bench->event, bench->tree->fd, &callbacks, bench, &bench->holds),
                     0);
}

static void end_holds(Bench *bench)
{
    bench->holds = autoprobe_holds_free(bench->holds);
    bench->event = sd_event_unref(bench->event);
}

static void put(Bench *bench, const char *file, const char *text)
{
    g_autofree char *path = g_strconcat(bench->syspath, file, NULL);

    tree_write(bench->tree, path, text);
}

static void begin(Bench *bench)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &child, NULL), 0);
    bench->tree = tree_new();
    tree_write(bench->tree, "proc/sys/kernel/random/boot_id", BOOT_ID "\n");
    tree_write(bench->tree, PROBE, "");
    bench->syspath = tree_add_device(bench->tree, &(TreeDevice){
        .name = NAME, .vendor = 0x1b36, .device = 0x10, .class_code = 0x010802, .driver = "nvme",
        .group = 7 });
    put(bench, NUMVFS, "0\n");
    put(bench, AUTOPROBE, "1\n");
    ck_assert_int_eq(device_read(bench->tree->fd, bench->syspath, NULL, &bench->device), 0);
    begin_holds(bench);
}

static void begin_watched(Bench *bench)
{
    begin(bench);
    ck_assert_int_eq(autoprobe_holds_watch(bench->holds, bench->syspath, bench->device, true), 0);
}

static void end(Bench *bench)
{
    end_holds(bench);
    device_free(bench->device);
    g_free(bench->syspath);
    g_free(bench->function);
    tree_free(bench->tree);
}

/* Takes everything that can be taken now. */
static void turn(Bench *bench)
{
    while (sd_event_run(bench->event, 0) > 0)
        ;
}

static void until_idle(Bench *bench)
{
    while (!autoprobe_holds_are_idle(bench->holds))
        ck_assert_int_ge(sd_event_run(bench->event, UINT64_MAX), 0);
    turn(bench);
}

static void until_appeared(Bench *bench)
{
    while (bench->appeared == 0)
        ck_assert_int_ge(sd_event_run(bench->event, UINT64_MAX), 0);
}

static int open_number(const Bench *bench, int flags)
{
    g_autofree char *path = g_strconcat(bench->syspath, NUMVFS, NULL);
    int fd = openat(bench->tree->fd, path, flags | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static void make_function(Bench *bench, const char *driver)
{
    g_autofree char *link = g_strconcat(bench->syspath, "/virtfn0", NULL);

    bench->function = tree_add_device(bench->tree, &(TreeDevice){
        .name = FUNCTION, .vendor = 0x1b36, .device = 0x10, .class_code = 0x010802, .driver = driver,
        .group = 8, .physfn = bench->syspath });
    tree_link(bench->tree, link, bench->function);
}

static void expect_setting(const Bench *bench, const char *value)
{
    g_autofree char *path = g_strconcat(bench->syspath, AUTOPROBE, NULL);
    g_autofree char *text = tree_read(bench->tree, path);

    ck_assert_int_eq(text[0], value[0]);
}

static void expect_probed(const Bench *bench, const char *name)
{
    g_autofree char *text = tree_read(bench->tree, PROBE);

    ck_assert_str_eq(text, name);
}

static void expect_record(const Bench *bench, bool there)
{
    g_auto(GStrv) keys = NULL;

    ck_assert_int_eq(autoprobe_record_list(bench->tree->fd, &keys), 0);
    ck_assert_uint_eq(g_strv_length(keys), there ? 1 : 0);
}

/* What an administrator does: the function appears while the file is open. */
static void create(Bench *bench, const char *driver)
{
    int fd = open_number(bench, O_WRONLY);

    turn(bench);
    make_function(bench, driver);
    close(fd);
}

START_TEST(held_until_its_type_is_settled)
{
    Bench bench = { .keep = true };
    int fd;

    begin_watched(&bench);
    fd = open_number(&bench, O_WRONLY);
    turn(&bench);
    expect_setting(&bench, "0");
    expect_record(&bench, true);
    make_function(&bench, NULL);
    close(fd);
    until_appeared(&bench);
    expect_setting(&bench, "0");
    expect_probed(&bench, "");
    autoprobe_holds_release(bench.holds, KEY, bench.round + 1);
    expect_setting(&bench, "0");
    autoprobe_holds_release(bench.holds, KEY, bench.round);
    expect_setting(&bench, "1");
    until_idle(&bench);
    expect_probed(&bench, FUNCTION);
    expect_record(&bench, false);
    ck_assert_uint_eq(bench.idle, 1);
    end(&bench);
}
END_TEST

/* The way back has the same ends as the way there. */
START_TEST(held_again_and_again)
{
    Bench bench = {};

    begin_watched(&bench);
    for (unsigned i = 0; i < 20; i++) {
        g_autofree char *link = g_strconcat(bench.syspath, "/virtfn0", NULL);

        create(&bench, NULL);
        until_idle(&bench);
        expect_setting(&bench, "1");
        expect_record(&bench, false);
        tree_remove(bench.tree, link);
        tree_remove(bench.tree, bench.function);
        g_clear_pointer(&bench.function, g_free);
    }
    ck_assert_uint_eq(bench.appeared, 20);
    end(&bench);
}
END_TEST

START_TEST(own_setting_of_0_holds_nothing)
{
    Bench bench = {};

    begin_watched(&bench);
    put(&bench, AUTOPROBE, "0\n");
    turn(&bench);
    create(&bench, NULL);
    turn(&bench);
    until_idle(&bench);
    expect_setting(&bench, "0");
    expect_probed(&bench, "");
    expect_record(&bench, false);
    end(&bench);
}
END_TEST

START_TEST(bus_that_does_not_probe_holds_nothing)
{
    Bench bench = {};

    begin_watched(&bench);
    tree_write(bench.tree, "sys/bus/pci/drivers_autoprobe", "0\n");
    create(&bench, NULL);
    turn(&bench);
    ck_assert(autoprobe_holds_are_idle(bench.holds));
    expect_setting(&bench, "1");
    expect_probed(&bench, "");
    end(&bench);
}
END_TEST

/* What was there before is none of ours, whoever has unbound it. */
START_TEST(reader_changes_nothing)
{
    Bench bench = {};

    begin(&bench);
    make_function(&bench, NULL);
    ck_assert_int_eq(autoprobe_holds_watch(bench.holds, bench.syspath, bench.device, true), 0);
    for (unsigned i = 0; i < 10; i++) {
        close(open_number(&bench, O_RDONLY));
        turn(&bench);
    }
    until_idle(&bench);
    expect_setting(&bench, "1");
    expect_probed(&bench, "");
    expect_record(&bench, false);
    ck_assert_uint_eq(bench.appeared, 0);
    end(&bench);
}
END_TEST

START_TEST(two_have_it_open)
{
    Bench bench = {};
    int reader, writer;

    begin_watched(&bench);
    writer = open_number(&bench, O_WRONLY);
    turn(&bench);
    reader = open_number(&bench, O_RDONLY);
    turn(&bench);
    close(reader);
    turn(&bench);
    expect_setting(&bench, "0");
    make_function(&bench, NULL);
    close(writer);
    until_idle(&bench);
    expect_setting(&bench, "1");
    expect_probed(&bench, FUNCTION);
    end(&bench);
}
END_TEST

/* The types of the first are still seen to when the file is opened again. */
START_TEST(opened_again_before_the_end)
{
    Bench bench = { .keep = true };
    unsigned first;
    int fd;

    begin_watched(&bench);
    create(&bench, NULL);
    until_appeared(&bench);
    first = bench.round;
    fd = open_number(&bench, O_WRONLY);
    turn(&bench);
    autoprobe_holds_release(bench.holds, KEY, first);
    expect_setting(&bench, "0");
    bench.keep = false;
    close(fd);
    until_idle(&bench);
    ck_assert_uint_eq(bench.appeared, 2);
    expect_setting(&bench, "1");
    expect_probed(&bench, FUNCTION);
    expect_record(&bench, false);
    end(&bench);
}
END_TEST

START_TEST(setting_made_meanwhile_stays)
{
    static const char *const settings[] = { "0\n", "1\n" };

    for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
        Bench bench = {};
        int fd;

        begin_watched(&bench);
        fd = open_number(&bench, O_WRONLY);
        turn(&bench);
        put(&bench, AUTOPROBE, settings[i]);
        turn(&bench);
        expect_record(&bench, settings[i][0] == '1');
        make_function(&bench, NULL);
        close(fd);
        until_idle(&bench);
        expect_setting(&bench, settings[i]);
        expect_probed(&bench, settings[i][0] == '1' ? FUNCTION : "");
        expect_record(&bench, false);
        end(&bench);
    }
}
END_TEST

/* What was written before the hold began is told after it, and is not what is set meanwhile; nor is our
 * own 0. */
START_TEST(setting_made_just_before)
{
    Bench bench = {};
    int fd;

    begin_watched(&bench);
    for (unsigned i = 0; i < 3; i++) {
        fd = open_number(&bench, O_WRONLY);
        put(&bench, AUTOPROBE, "1\n");
        close(open_number(&bench, O_RDONLY));
        if (i > 0)
            turn(&bench);
        close(fd);
        turn(&bench);
        until_idle(&bench);
        expect_setting(&bench, "1");
        expect_record(&bench, false);
    }
    end(&bench);
}
END_TEST

START_TEST(what_has_a_driver_or_an_override_is_left)
{
    Bench bench = { .keep = true };
    g_autofree char *override = NULL;

    begin_watched(&bench);
    create(&bench, NULL);
    override = g_strconcat(bench.function, "/driver_override", NULL);
    tree_write(bench.tree, override, "vfio-pci\n");
    until_appeared(&bench);
    autoprobe_holds_release(bench.holds, KEY, bench.round);
    until_idle(&bench);
    expect_probed(&bench, "");
    end(&bench);

    bench = (Bench){};
    begin_watched(&bench);
    create(&bench, "nvme");
    until_idle(&bench);
    expect_probed(&bench, "");
    expect_setting(&bench, "1");
    end(&bench);
}
END_TEST

START_TEST(no_longer_wanted)
{
    Bench bench = {};
    int fd;

    begin_watched(&bench);
    fd = open_number(&bench, O_WRONLY);
    turn(&bench);
    ck_assert_int_eq(autoprobe_holds_watch(bench.holds, bench.syspath, bench.device, false), 0);
    expect_setting(&bench, "0");
    close(fd);
    until_idle(&bench);
    expect_setting(&bench, "1");
    close(open_number(&bench, O_WRONLY));
    turn(&bench);
    ck_assert(autoprobe_holds_are_idle(bench.holds));
    end(&bench);
}
END_TEST

START_TEST(physical_function_goes)
{
    Bench bench = {};
    int fd;

    begin_watched(&bench);
    fd = open_number(&bench, O_WRONLY);
    turn(&bench);
    tree_remove(bench.tree, bench.syspath);
    autoprobe_holds_forget(bench.holds, KEY);
    expect_record(&bench, false);
    ck_assert(autoprobe_holds_are_idle(bench.holds));
    close(fd);
    turn(&bench);
    end(&bench);
}
END_TEST

/* An orderly end, and the next start. */
START_TEST(next_one_brings_it_to_its_end)
{
    Bench bench = { .keep = true };

    begin_watched(&bench);
    create(&bench, NULL);
    until_appeared(&bench);
    end_holds(&bench);
    expect_setting(&bench, "1");
    expect_record(&bench, true);
    expect_probed(&bench, "");

    bench.keep = false;
    begin_holds(&bench);
    ck_assert_int_eq(autoprobe_holds_recover(bench.holds), 0);
    until_idle(&bench);
    expect_setting(&bench, "1");
    expect_probed(&bench, FUNCTION);
    expect_record(&bench, false);
    end(&bench);
}
END_TEST

/* --- killed */

typedef enum KillPoint {
    KILL_HELD,    /* the file is open */
    KILL_APPEARED, /* the types are seen to */
    KILL_PROBING, /* a worker has drivers bound, and is killed as well */
    _KILL_POINT_MAX,
} KillPoint;

static bool is_recorded(const Bench *bench)
{
    g_auto(GStrv) keys = NULL;

    return autoprobe_record_list(bench->tree->fd, &keys) >= 0 && *keys;
}

/* The child: a daemon that says by a byte that it watches, that it holds, and that functions have
 * appeared. It goes no further, but to the drivers if POINT is there. */
static void hold_until(Bench *bench, KillPoint point, int ready)
{
    bench->keep = true;
    ck_assert_int_eq(autoprobe_holds_watch(bench->holds, bench->syspath, bench->device, true), 0);
    (void) !write(ready, "", 1);
    while (!is_recorded(bench))
        sd_event_run(bench->event, UINT64_MAX);
    (void) !write(ready, "", 1);
    while (bench->appeared == 0)
        sd_event_run(bench->event, UINT64_MAX);
    if (point == KILL_PROBING)
        autoprobe_holds_release(bench->holds, KEY, bench->round);
    (void) !write(ready, "", 1);
    pause();
}

static void wait_for(int ready)
{
    char byte;

    ck_assert_int_eq(read(ready, &byte, 1), 1);
}

START_TEST(killed)
{
    KillPoint point = (KillPoint) _i;
    Bench bench = {};
    int pipes[2], fd;
    pid_t pid;

    begin(&bench);
    end_holds(&bench);
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        begin_holds(&bench);
        hold_until(&bench, point, pipes[1]);
    }
    wait_for(pipes[0]);
    fd = open_number(&bench, O_WRONLY);
    wait_for(pipes[0]);
    if (point != KILL_HELD) {
        make_function(&bench, NULL);
        close(fd);
        wait_for(pipes[0]);
    }
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    expect_setting(&bench, point == KILL_PROBING ? "1" : "0");
    if (point == KILL_HELD) {
        make_function(&bench, NULL);
        close(fd);
    }
    for (unsigned i = 0; i < 2; i++) { /* the second finds nothing to do */
        begin_holds(&bench);
        ck_assert_int_eq(autoprobe_holds_recover(bench.holds), 0);
        until_idle(&bench);
        end_holds(&bench);
        expect_setting(&bench, "1");
        expect_probed(&bench, FUNCTION);
        expect_record(&bench, false);
    }
    close(pipes[0]);
    close(pipes[1]);
    end(&bench);
}
END_TEST

/* --- what is found */

static void leave_record(Bench *bench, const char *boot_id, uint64_t inode)
{
    g_autoptr(AutoprobeRecord) record = autoprobe_record_new();

    record->boot_id = g_strdup(boot_id);
    autoprobe_record_add(record, "pci", NAME, inode);
    ck_assert_int_eq(autoprobe_record_write(bench->tree->fd, KEY, record), 0);
    put(bench, AUTOPROBE, "0\n");
}

START_TEST(records_of_others_are_dropped)
{
    Bench bench = {};

    begin(&bench);
    leave_record(&bench, BOOT_ID, bench.device->inode + 1);
    ck_assert_int_eq(autoprobe_holds_recover(bench.holds), 0);
    expect_record(&bench, false);
    leave_record(&bench, "00000000-3d0e-4c51-9f0b-0a9e5f6f7a11", bench.device->inode);
    ck_assert_int_eq(autoprobe_holds_recover(bench.holds), 0);
    expect_record(&bench, false);
    until_idle(&bench);
    expect_setting(&bench, "0");
    end(&bench);
}
END_TEST

START_TEST(what_is_no_record_is_left)
{
    Bench bench = {};

    begin(&bench);
    put(&bench, AUTOPROBE, "0\n");
    tree_write(bench.tree, "run/iommu-policy/autoprobe/" KEY, "iommu-policy-autoprobe=1\nend\n");
    ck_assert_int_eq(autoprobe_holds_recover(bench.holds), 0);
    until_idle(&bench);
    expect_setting(&bench, "0");
    expect_record(&bench, true);
    end(&bench);
}
END_TEST

START_TEST(text_is_as_documented)
{
    static const char expected[] = "iommu-policy-autoprobe=1\nboot-id=" BOOT_ID "\ndrivers-autoprobe=1\n"
                                   "bus=pci\nname=" NAME "\ninode=12\n"
                                   "bus=pci\nname=" FUNCTION "\ninode=13\nend\n";
    g_autoptr(AutoprobeRecord) record = autoprobe_record_new(), read_back = NULL;
    g_autofree char *text = NULL, *error = NULL;

    record->boot_id = g_strdup(BOOT_ID);
    autoprobe_record_add(record, "pci", NAME, 12);
    autoprobe_record_add(record, "pci", FUNCTION, 13);
    text = autoprobe_record_to_text(record);
    ck_assert_str_eq(text, expected);
    ck_assert_int_eq(autoprobe_record_from_text(text, strlen(text), &read_back, &error), 0);
    ck_assert(autoprobe_record_knows(read_back, FUNCTION, 13));
    ck_assert(!autoprobe_record_knows(read_back, FUNCTION, 14));
    ck_assert(!autoprobe_record_knows(read_back, NAME, 12));
    ck_assert_int_eq(autoprobe_record_from_text(text, strlen(text) - 1, &read_back, &error), -EBADMSG);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("autoprobe-hold");

    tcase_add_test(cases, held_until_its_type_is_settled);
    tcase_add_test(cases, held_again_and_again);
    tcase_add_test(cases, own_setting_of_0_holds_nothing);
    tcase_add_test(cases, bus_that_does_not_probe_holds_nothing);
    tcase_add_test(cases, reader_changes_nothing);
    tcase_add_test(cases, two_have_it_open);
    tcase_add_test(cases, opened_again_before_the_end);
    tcase_add_test(cases, setting_made_meanwhile_stays);
    tcase_add_test(cases, setting_made_just_before);
    tcase_add_test(cases, what_has_a_driver_or_an_override_is_left);
    tcase_add_test(cases, no_longer_wanted);
    tcase_add_test(cases, physical_function_goes);
    tcase_add_test(cases, next_one_brings_it_to_its_end);
    tcase_add_loop_test(cases, killed, 0, _KILL_POINT_MAX);
    tcase_add_test(cases, records_of_others_are_dropped);
    tcase_add_test(cases, what_is_no_record_is_left);
    tcase_add_test(cases, text_is_as_documented);
    return unit_run("autoprobe-hold", cases);
}
