/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The fake kernel against type-cases.txt, and what the list cannot say: inodes, waiting, events of time. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define CARD "sys/devices/pci0000:00/0000:00:06.0"

static Fixture *start(const char *topology, const char *generation)
{
    Fixture *fixture = NULL;
    int r = fixture_new(topology, generation, &fixture);

    ck_assert_msg(r == 0, "%s: %s", topology, strerror(-r));
    return fixture;
}

/* Writes as the kernel's callers do: one write(2). Returns 0 or a negative errno. */
static int put_bytes(int root, const char *path, const char *bytes)
{
    int fd = openat(root, path, O_WRONLY | O_CLOEXEC), r = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, bytes, strlen(bytes)) < 0)
        r = -errno;
    (void) close(fd);
    return r;
}

static char *get_line(int root, const char *path)
{
    char buffer[4096];
    int fd = openat(root, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer) - 1);

    if (fd >= 0)
        (void) close(fd);
    if (n < 0)
        return NULL;
    buffer[n] = '\0';
    buffer[strcspn(buffer, "\n")] = '\0';
    return g_strdup(buffer);
}

static char *driver_of(int root, const char *device)
{
    g_autofree char *path = g_strdup_printf("sys/bus/pci/devices/%s/driver", device);
    char target[4096];
    ssize_t n = readlinkat(root, path, target, sizeof(target) - 1);

    if (n < 0)
        return NULL;
    target[n] = '\0';
    return g_path_get_basename(target);
}

/* A machine in the state that a case starts from. */
typedef struct Bench {
    Fixture *fixture;
    int root;
    const char *boot;                   /* the type that `auto` gives */
    const char *members, *topology, *type_path, *group, *driver;
    const char *const *functions;       /* the members that a case binds and unbinds */
} Bench;

static const char *const card[] = {"0000:00:06.0", NULL};
static const char *const pair[] = {"0000:03:00.0", "0000:03:00.1", NULL};
static const char *const behind[] = {"0000:01:00.0", NULL};
static const char *const outside[] = {"0000:00:07.0", NULL};
static const char *const fixed_drive[] = {"0000:00:04.0", NULL};

static const Bench kinds[] = {
    {NULL, -1, NULL, "1", "one", "sys/kernel/iommu_groups/0/type", "0", "e1000e", card},
    {NULL, -1, NULL, "n", "two", "sys/kernel/iommu_groups/4/type", "4", "e1000e", pair},
    {NULL, -1, NULL, "bridge", "bridge", "sys/kernel/iommu_groups/5/type", "5", "e1000e", behind},
    {NULL, -1, NULL, "untrusted", "machine", "sys/kernel/iommu_groups/7/type", "7", "e1000e", outside},
    {NULL, -1, NULL, "forced", "forced", "sys/kernel/iommu_groups/6/type", "6", "e1000e", card},
    {NULL, -1, NULL, "static", "static", "sys/kernel/iommu_groups/0/type", "0", "nvme", fixed_drive},
    {NULL, -1, NULL, "absent", "absent", NULL, NULL, "nvme", fixed_drive},
};

static Bench *bench_new(const char *members, const char *generation)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (g_str_equal(kinds[i].members, members)) {
            Bench *bench = g_memdup2(&kinds[i], sizeof(kinds[i]));

            bench->fixture = start(bench->topology, generation);
            bench->root = fixture_root_fd(bench->fixture);
            bench->boot = "DMA-FQ";
            return bench;
        }
    ck_abort_msg("no group of kind %s", members);
}

static void bench_free(void *data)
{
    Bench *bench = data;

    fixture_free(bench->fixture);
    g_free(bench);
}

static int put(const Bench *bench, const char *folder, const char *file, const char *value)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);

    return put_bytes(bench->root, path, value);
}

static void unbind(const Bench *bench, const char *device)
{
    g_autofree char *driver = driver_of(bench->root, device), *folder = NULL;

    if (!driver)
        return;
    folder = g_strdup_printf("sys/bus/pci/drivers/%s", driver);
    ck_assert_int_eq(put(bench, folder, "unbind", device), 0);
}

static void bind_to(const Bench *bench, const char *device, const char *driver)
{
    g_autofree char *folder = g_strdup_printf("sys/bus/pci/drivers/%s", driver);
    g_autofree char *override = g_strdup_printf("sys/bus/pci/devices/%s/driver_override", device);

    ck_assert_int_eq(put_bytes(bench->root, override, driver), 0);
    ck_assert_int_eq(put(bench, folder, "bind", device), 0);
    ck_assert_int_eq(put_bytes(bench->root, override, "\n"), 0);
}

/* Every member unbound, the type written, and then the drivers of the state. */
static void bring_to(const Bench *bench, const char *state, const char *from)
{
    const char *driver = g_str_equal(state, "stub") ? "pci-stub"
                         : g_str_has_prefix(state, "vfio") ? "vfio-pci" : bench->driver;

    fixture_command(bench->fixture, "vfio %s none", bench->group);
    for (int i = 0; bench->functions[i]; i++)
        unbind(bench, bench->functions[i]);
    /* Of a static domain nothing can be written. */
    if (!g_str_equal(from, "boot") && !g_str_equal(from, "unknown"))
        fixture_command(bench->fixture, "group %s type=%s", bench->group, from);
    for (int i = 0; bench->functions[i]; i++)
        if (!g_str_equal(state, "unbound") && !(i == 0 && g_str_equal(state, "one-unbound")))
            bind_to(bench, bench->functions[i], driver);
    if (g_str_has_prefix(state, "vfio-"))
        fixture_command(bench->fixture, "vfio %s %s", bench->group, state + 5);
}

static int errno_of(const char *name)
{
    for (int error = 1; error < 134; error++)
        if (g_strcmp0(strerrorname_np(error), name) == 0)
            return -error;
    return 0;
}

static unsigned check_type(const Bench *bench, const char *state, const char *from, const char *value,
                           const char *error, const char *result)
{
    g_autofree char *bytes = g_str_equal(value, "empty") ? g_strdup("") : g_strcompress(value);
    g_autofree char *before = NULL, *after = NULL;
    int r;

    bring_to(bench, state, from);
    before = get_line(bench->root, bench->type_path);
    r = put_bytes(bench->root, bench->type_path, bytes);
    ck_assert_msg(r == errno_of(error), "%s, %s, write '%s': %s, expected %s", state, before, value,
                  strerrorname_np(-r), error);
    after = get_line(bench->root, bench->type_path);
    if (g_str_equal(result, "same"))
        result = before;
    else if (g_str_equal(result, "value"))
        result = value;
    else if (g_str_equal(result, "boot"))
        result = bench->boot;
    ck_assert_msg(g_str_equal(after, result), "%s, %s, write '%s': type is %s, expected %s", state, before,
                  value, after, result);
    return 1;
}

static unsigned check_type_line(const Bench *bench, char **words)
{
    g_auto(GStrv) states = g_strsplit(words[3], ",", -1), froms = g_strsplit(words[4], ",", -1);
    g_auto(GStrv) values = g_strsplit(words[5], ",", -1);
    unsigned cases = 0;

    for (char **state = states; *state; state++)
        for (char **from = froms; *from; from++)
            for (char **value = values; *value; value++)
                cases += check_type(bench, *state, *from, *value, words[6], words[7]);
    return cases;
}

static unsigned check_bind_line(const Bench *bench, char **words)
{
    g_auto(GStrv) files = g_strsplit(words[3], ",", -1), values = g_strsplit(words[4], ",", -1);
    unsigned cases = 0;

    for (char **file = files; *file; file++)
        for (char **value = values; *value; value++, cases++) {
            bool held = g_str_equal(words[2], "held");
            const char *folder = g_str_equal(*file, "drivers_probe") ? "sys/bus/pci"
                                 : g_str_has_prefix(*file, "other/") ? "sys/bus/pci/drivers/pci-stub"
                                                                     : "sys/bus/pci/drivers/e1000e";
            const char *name = g_str_has_prefix(*file, "other/") ? *file + 6 : *file;
            const char *device = g_str_equal(*value, "self")     ? card[0]
                                 : g_str_equal(*value, "nosuch") ? "0000:ff:1f.7" : "garbage";
            g_autofree char *driver = NULL;
            int r;

            ck_assert_int_eq(put(bench, CARD, "driver_override", "\n"), 0);
            bring_to(bench, held ? "unbound" : words[2], "boot");
            ck_assert_int_eq(put(bench, CARD, "driver_override", held ? "none" : "\n"), 0);
            r = put(bench, folder, name, device);
            ck_assert_msg(r == errno_of(words[5]), "%s, %s to %s: %s", words[2], device, *file,
                          strerror(-r));
            driver = driver_of(bench->root, card[0]);
            ck_assert_str_eq(driver ?: "none", g_str_equal(words[6], "own") ? "e1000e" : "none");
        }
    ck_assert_int_eq(put(bench, CARD, "driver_override", "\n"), 0);
    return cases;
}

static unsigned check_override_line(const Bench *bench, char **words)
{
    g_auto(GStrv) values = g_strsplit(words[3], ",", -1);
    g_autofree char *before = g_strcompress(words[2]);
    unsigned cases = 0;

    for (char **value = values; *value; value++, cases++) {
        g_autofree char *bytes = g_str_equal(*value, "empty") ? g_strdup("") : g_strcompress(*value);
        g_autofree char *text = NULL;

        ck_assert_int_eq(put(bench, CARD, "driver_override", before), 0);
        ck_assert_int_eq(put(bench, CARD, "driver_override", bytes), errno_of(words[4]));
        text = get_line(bench->root, CARD "/driver_override");
        ck_assert_str_eq(text, words[5]);
    }
    ck_assert_int_eq(put(bench, CARD, "driver_override", "\n"), 0);
    return cases;
}

static unsigned check_open_line(const Bench *bench, char **words)
{
    g_autofree char *folder = g_strdup_printf("sys/bus/pci/devices/%s", bench->functions[0]);

    ck_assert_int_eq(put(bench, folder, words[3], "garbage"), errno_of(words[4]));
    return 1;
}

/* One run through a list: its machines, one for each kind of group. */
typedef struct Run {
    const char *generation;
    GHashTable *benches;        /* kind of members -> Bench */
} Run;

static Bench *bench_of(Run *run, const char *members)
{
    Bench *bench = g_hash_table_lookup(run->benches, members);

    if (!bench) {
        bench = bench_new(members, run->generation);
        g_hash_table_insert(run->benches, g_strdup(members), bench);
    }
    return bench;
}

/* The type that the groups of a recorded machine had at boot. What one without types reads is none. */
static void take_boot_line(Bench *bench, const char *type)
{
    if (g_str_equal(type, "unknown"))
        return;
    bench->boot = g_intern_string(type);
    fixture_command(bench->fixture, "boot-default %s", type);
}

static unsigned check_line(Run *run, char **words)
{
    g_auto(GStrv) generations = g_strsplit(words[1], ",", -1), members = g_strsplit(words[2], ",", -1);
    unsigned cases = 0;

    if (!g_strv_contains((const char *const *) generations, run->generation) &&
        !g_str_equal(words[1], "any"))
        return 0;
    if (g_str_equal(words[0], "boot"))
        take_boot_line(bench_of(run, words[2]), words[3]);
    else if (g_str_equal(words[0], "type"))
        for (char **kind = members; *kind; kind++)
            cases += check_type_line(bench_of(run, *kind), words);
    else if (g_str_equal(words[0], "bind"))
        cases += check_bind_line(bench_of(run, "1"), words);
    else if (g_str_equal(words[0], "override"))
        cases += check_override_line(bench_of(run, "1"), words);
    else if (g_str_equal(words[0], "open"))
        cases += check_open_line(bench_of(run, words[2]), words);
    else
        ck_abort_msg("the list has no such line: %s", words[0]);
    return cases;
}

/* Asks a fake kernel of GENERATION all the questions of the list at PATH that are for it. */
static unsigned run_list(const char *path, const char *generation)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    Run run = {
        .generation = generation,
        .benches = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, bench_free),
    };
    unsigned cases = 0;

    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", -1);

        if (words[0] && *words[0] && *words[0] != '#')
            cases += check_line(&run, words);
    }
    g_hash_table_unref(run.benches);
    return cases;
}

static const char *const generations[] = {"6.1", "6.12"};

START_TEST(test_list)
{
    unsigned cases = run_list(TYPE_CASES, generations[_i]);

    ck_assert_uint_gt(cases, 0);
    printf("%s: %u cases\n", generations[_i], cases);
}
END_TEST

/* The generation of a recorded machine without an IOMMU is none. */
static const char *recorded_generation(const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(generations); i++) {
        g_autofree char *boot = g_strdup_printf("boot %s ", generations[i]);

        if (g_str_has_prefix(text, boot) || strstr(text, boot))
            return generations[i];
    }
    return generations[0];
}

/* What real machines answered: the fake kernel answers the same. */
START_TEST(test_recorded)
{
    g_autoptr(GDir) folder = g_dir_open(RECORDED, 0, NULL);
    const char *name;
    unsigned machines = 0;

    ck_assert_ptr_nonnull(folder);
    while ((name = g_dir_read_name(folder))) {
        g_autofree char *path = g_build_filename(RECORDED, name, NULL), *text = NULL;
        unsigned cases;

        ck_assert(g_file_get_contents(path, &text, NULL, NULL));
        printf("%s: ", name);
        fflush(stdout);
        cases = run_list(path, recorded_generation(text));
        ck_assert_msg(cases > 0, "%s has no answers", name);
        printf("%u answers\n", cases);
        machines++;
    }
    ck_assert_uint_gt(machines, 0);
}
END_TEST

START_TEST(test_replug)
{
    Fixture *fixture = start("one", "6.12");
    int root = fixture_root_fd(fixture), old = openat(root, CARD, O_PATH | O_DIRECTORY);
    g_autofree char *type = NULL;
    struct stat first, again, second;

    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/drivers/e1000e/unbind", card[0]), 0);
    ck_assert_int_eq(put_bytes(root, "sys/kernel/iommu_groups/0/type", "identity"), 0);
    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/drivers/e1000e/bind", card[0]), 0);
    ck_assert_int_eq(fstat(old, &first), 0);
    ck_assert_int_eq(fstatat(root, CARD, &again, 0), 0);
    ck_assert_uint_eq(first.st_ino, again.st_ino);

    fixture_command(fixture, "replug %s", card[0]);
    ck_assert_int_eq(fstatat(root, CARD, &second, 0), 0);
    ck_assert_uint_ne(first.st_ino, second.st_ino);
    /* The old directory leads nowhere, the new group has the default again. */
    ck_assert_int_lt(openat(old, "driver_override", O_WRONLY), 0);
    ck_assert_int_eq(errno, ENOENT);
    type = get_line(root, "sys/kernel/iommu_groups/0/type");
    ck_assert_str_eq(type, "DMA-FQ");
    (void) close(old);
    fixture_free(fixture);
}
END_TEST

START_TEST(test_open_attribute_of_removed_device)
{
    Fixture *fixture = start("one", "6.12");
    int fd = openat(fixture_root_fd(fixture), CARD "/driver_override", O_RDWR);
    char byte;

    ck_assert_int_ge(fd, 0);
    fixture_command(fixture, "remove %s", card[0]);
    ck_assert_int_lt(write(fd, "x", 1), 0);
    ck_assert_int_eq(errno, ENODEV);
    ck_assert_int_lt(pread(fd, &byte, 1, 0), 0);
    ck_assert_int_eq(errno, ENODEV);
    ck_assert_int_lt(faccessat(fixture_root_fd(fixture), "sys/kernel/iommu_groups/0", F_OK, 0), 0);
    (void) close(fd);
    fixture_free(fixture);
}
END_TEST

START_TEST(test_remove_and_rescan)
{
    Fixture *fixture = start("bridge", "6.12");
    int root = fixture_root_fd(fixture);
    g_autofree char *driver = NULL;

    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/devices/0000:00:05.0/remove", "1"), 0);
    ck_assert_int_lt(faccessat(root, "sys/bus/pci/devices/0000:01:00.0", F_OK, 0), 0);
    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/rescan", "1"), 0);
    driver = driver_of(root, "0000:01:00.0");
    ck_assert_str_eq(driver, "e1000e");
    fixture_free(fixture);
}
END_TEST

START_TEST(test_child_comes_back_by_another_name)
{
    Fixture *fixture = start("nvme", "6.12");
    int root = fixture_root_fd(fixture);
    const char *drive = "0000:00:04.0";

    ck_assert_int_eq(faccessat(root, "sys/class/block/nvme0n1/dev", F_OK, 0), 0);
    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/drivers/nvme/unbind", drive), 0);
    ck_assert_int_lt(faccessat(root, "sys/block/nvme0n1", F_OK, AT_SYMLINK_NOFOLLOW), 0);
    ck_assert_int_lt(faccessat(root, "sys/dev/block/259:0", F_OK, AT_SYMLINK_NOFOLLOW), 0);
    ck_assert_int_lt(faccessat(root, "dev/nvme0n1", F_OK, AT_SYMLINK_NOFOLLOW), 0);
    fixture_command(fixture, "child %s nvme:nvme2", drive);
    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/drivers/nvme/bind", drive), 0);
    ck_assert_int_eq(faccessat(root, "sys/block/nvme2n1/holders", F_OK, 0), 0);
    ck_assert_int_eq(faccessat(root, "sys/dev/block/259:32", F_OK, 0), 0);
    fixture_free(fixture);
}
END_TEST

START_TEST(test_probe_that_fails)
{
    Fixture *fixture = start("one", "6.12");
    int root = fixture_root_fd(fixture);
    const char *bind = "sys/bus/pci/drivers/e1000e/bind";

    fixture_command(fixture, "probe %s EIO type=identity", card[0]);
    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/drivers/e1000e/unbind", card[0]), 0);
    ck_assert_int_eq(put_bytes(root, "sys/kernel/iommu_groups/0/type", "identity"), 0);
    ck_assert_int_eq(put_bytes(root, bind, card[0]), -EIO);
    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/drivers_probe", card[0]), 0);
    ck_assert_ptr_null(driver_of(root, card[0]));
    ck_assert_int_eq(put_bytes(root, "sys/kernel/iommu_groups/0/type", "DMA"), 0);
    ck_assert_int_eq(put_bytes(root, bind, card[0]), 0);
    fixture_free(fixture);
}
END_TEST

START_TEST(test_probe_that_fails_late)
{
    Fixture *fixture = start("nvme", "6.1");
    int root = fixture_root_fd(fixture);
    const char *drive = "0000:00:04.0", *bind = "sys/bus/pci/drivers/nvme/bind";

    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/drivers/nvme/unbind", drive), 0);
    fixture_command(fixture, "probe %s EIO count=1", drive);
    ck_assert_int_eq(put_bytes(root, bind, drive), 0);
    fixture_command(fixture, "wait-no-path sys/devices/pci0000:00/0000:00:04.0/driver");
    ck_assert_int_eq(put_bytes(root, bind, drive), 0);
    fixture_command(fixture, "wait-path sys/block/nvme0n1");
    fixture_free(fixture);
}
END_TEST

static int unbind_vfio(void *data)
{
    return put_bytes(fixture_root_fd(data), "sys/bus/pci/drivers/vfio-pci/unbind", card[0]) == 0 ? 0 : 1;
}

START_TEST(test_unbind_waits_for_the_user)
{
    Fixture *fixture = start("vfio", "6.12");
    int root = fixture_root_fd(fixture), status;
    pid_t pid;

    fixture_command(fixture, "vfio 7 open");
    pid = fixture_start(fixture, unbind_vfio, fixture);
    ck_assert_int_gt(pid, 0);
    fixture_command(fixture, "wait-no-path " CARD "/driver");
    /* Everything else answers, but for what needs the device's lock. */
    ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
    ck_assert_int_eq(put_bytes(root, "sys/kernel/iommu_groups/7/type", "identity"), 0);
    fixture_command(fixture, "vfio 7 none");
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    fixture_free(fixture);
}
END_TEST

static int make_file(void *data)
{
    int root = fixture_root_fd(data), fd = openat(root, "run/new", O_CREAT | O_EXCL | O_WRONLY, 0600);

    if (fd < 0 || write(fd, "abc", 3) != 3)
        return errno;
    (void) close(fd);
    if (renameat(root, "run/new", root, "run/file") < 0 || unlinkat(root, "run/file", 0) < 0)
        return errno;
    return 0;
}

START_TEST(test_fail_at_each_operation)
{
    static const char *const names[] = {"create", "write", "rename", "unlink"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        Fixture *fixture = start("one", "6.12");
        g_autoptr(GPtrArray) log = NULL;
        Operation *last;
        int status;

        fixture_command(fixture, "rule fault nth=%u fail ENOSPC", i + 1);
        status = fixture_run(fixture, make_file, fixture);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), ENOSPC);
        ck_assert_int_eq(control_log(fixture_control(fixture), &log), 0);
        ck_assert_uint_eq(log->len, i + 1);
        last = g_ptr_array_index(log, i);
        ck_assert_str_eq(last->name, names[i]);
        ck_assert_str_eq(last->result, "ENOSPC");
        fixture_free(fixture);
    }
}
END_TEST

START_TEST(test_kill_before_and_after)
{
    static const struct {
        const char *when, *new_file;
    } cases[] = {{"before", NULL}, {"after", "abc"}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Fixture *fixture = start("one", "6.12");
        g_autofree char *text = NULL, *renamed = NULL;
        int status;

        fixture_command(fixture, "rule fault nth=3 when=%s kill", cases[i].when);
        status = fixture_run(fixture, make_file, fixture);
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), SIGKILL);
        text = control_cat(fixture_control(fixture), "run/new");
        renamed = control_cat(fixture_control(fixture), "run/file");
        ck_assert(!text == (cases[i].new_file != NULL));
        ck_assert(!renamed == (cases[i].new_file == NULL));
        ck_assert_int_eq(control_count(fixture_control(fixture), ""), 3);
        fixture_free(fixture);
    }
}
END_TEST

START_TEST(test_blocked_write_leaves_the_rest_answering)
{
    Fixture *fixture = start("one", "6.12");
    int root = fixture_root_fd(fixture), status;
    g_autofree char *type = NULL;
    pid_t pid;

    fixture_command(fixture, "rule stuck op=write path=run/new block");
    pid = fixture_start(fixture, make_file, fixture);
    fixture_command(fixture, "wait-blocked stuck");
    type = get_line(root, "sys/kernel/iommu_groups/0/type");
    ck_assert_str_eq(type, "DMA-FQ");
    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/drivers/e1000e/unbind", card[0]), 0);
    ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
    fixture_command(fixture, "release stuck");
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    fixture_free(fixture);
}
END_TEST

START_TEST(test_locks_hold_between_processes)
{
    Fixture *fixture = start("one", "6.12");
    int root = fixture_root_fd(fixture), fd = openat(root, "run/lock", O_CREAT | O_RDWR, 0600), other;

    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    other = openat(root, "run/lock", O_RDWR);
    ck_assert_int_lt(flock(other, LOCK_EX | LOCK_NB), 0);
    ck_assert_int_eq(errno, EWOULDBLOCK);
    (void) close(fd);
    ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
    (void) close(other);
    fixture_free(fixture);
}
END_TEST

START_TEST(test_nobody_makes_files_in_sysfs)
{
    Fixture *fixture = start("one", "6.12");
    int root = fixture_root_fd(fixture);

    ck_assert_int_lt(openat(root, CARD "/new", O_CREAT | O_WRONLY, 0600), 0);
    ck_assert_int_eq(errno, EACCES);
    ck_assert_int_lt(mkdirat(root, "sys/kernel/iommu_groups/99", 0755), 0);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_lt(unlinkat(root, CARD "/class", 0), 0);
    ck_assert_int_eq(errno, EPERM);
    fixture_free(fixture);
}
END_TEST

START_TEST(test_driver_that_is_loaded_by_an_event)
{
    Fixture *fixture = start("one", "6.12");
    int root = fixture_root_fd(fixture);
    g_autofree char *driver = NULL;

    fixture_command(fixture, "driver-remove pci e1000e autoload");
    ck_assert_ptr_null(driver_of(root, card[0]));
    ck_assert_int_eq(put_bytes(root, "sys/bus/pci/drivers/e1000e/bind", card[0]), -ENOENT);
    ck_assert_int_eq(put_bytes(root, CARD "/uevent", "add"), 0);
    driver = driver_of(root, card[0]);
    ck_assert_str_eq(driver, "e1000e");
    fixture_free(fixture);
}
END_TEST

static Suite *fake_kernel_suite(void)
{
    Suite *suite = suite_create("fake-kernel");
    TCase *list = tcase_create("list"), *device = tcase_create("device"), *fault = tcase_create("fault");

    tcase_set_timeout(list, 120);
    tcase_add_loop_test(list, test_list, 0, G_N_ELEMENTS(generations));
    tcase_add_test(list, test_recorded);
    suite_add_tcase(suite, list);

    tcase_set_timeout(device, 30);
    tcase_add_test(device, test_replug);
    tcase_add_test(device, test_open_attribute_of_removed_device);
    tcase_add_test(device, test_remove_and_rescan);
    tcase_add_test(device, test_child_comes_back_by_another_name);
    tcase_add_test(device, test_probe_that_fails);
    tcase_add_test(device, test_probe_that_fails_late);
    tcase_add_test(device, test_unbind_waits_for_the_user);
    tcase_add_test(device, test_nobody_makes_files_in_sysfs);
    tcase_add_test(device, test_driver_that_is_loaded_by_an_event);
    suite_add_tcase(suite, device);

    tcase_set_timeout(fault, 30);
    tcase_add_test(fault, test_fail_at_each_operation);
    tcase_add_test(fault, test_kill_before_and_after);
    tcase_add_test(fault, test_blocked_write_leaves_the_rest_answering);
    tcase_add_test(fault, test_locks_hold_between_processes);
    suite_add_tcase(suite, fault);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(fake_kernel_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
