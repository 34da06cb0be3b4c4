/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "cleanup.h"
#include "iommu-policy-names.h"
#include "raw-walk.h"
#include "sysfs.h"
#include "tree.h"

/*
 * The shipped daemon on a private bus, in a mount namespace where /sys, /run and /etc are plain trees,
 * against the smallest program that can be written with sd-bus: the same number of objects and properties,
 * and nothing behind them. Both run by turns, pinned to one CPU. polkit is played by this program and
 * answers at once, so that what is measured is what the daemon adds to it.
 */

#define FLOOR_NAME "org.iommupolicy1.floor"
#define FLOOR_PATH "/floor"
#define NOBODY 65534

static const char *daemon_path, *self_path, *bus_address;

static void require(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "bench-service: %s: %s\n", what, strerror(-r));
    exit(EXIT_FAILURE);
}

/* --- the floor: run as `bench-service --floor N` */

static int floor_property(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    return sd_bus_message_append(reply, "s", "DMA-FQ");
}

#define P(name) SD_BUS_PROPERTY(name, "s", floor_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
static const sd_bus_vtable floor_vtable[] = {
    SD_BUS_VTABLE_START(0), P("Type"), P("B"), P("C"), P("D"), P("E"), P("F"), P("G"), P("H"), P("I"),
    P("J"),                 P("K"),    P("L"), P("M"), P("N"), P("O"), P("P"), SD_BUS_VTABLE_END,
};

static int floor_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                      sd_bus_error *error)
{
    *ret_found = userdata;
    return g_str_has_prefix(path, FLOOR_PATH "/");
}

static int floor_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error)
{
    unsigned n = GPOINTER_TO_UINT(userdata);
    char **nodes = calloc(n + 1, sizeof(char *));

    for (unsigned i = 0; i < n; i++)
        if (asprintf(&nodes[i], FLOOR_PATH "/%u", i) < 0)
            return -ENOMEM;
    *ret = nodes;
    return 0;
}

static int run_floor(unsigned n_objects)
{
    sd_bus *bus = NULL;
    sd_event *event = NULL;

    require(sd_event_default(&event), "event");
    require(sd_bus_open_system(&bus), "bus");
    require(sd_bus_attach_event(bus, event, 0), "attach");
    require(sd_bus_add_object_manager(bus, NULL, FLOOR_PATH), "object manager");
    require(sd_bus_add_fallback_vtable(bus, NULL, FLOOR_PATH, FLOOR_NAME, floor_vtable, floor_find,
                                       GUINT_TO_POINTER(n_objects)), "vtable");
    require(sd_bus_add_node_enumerator(bus, NULL, FLOOR_PATH, floor_enumerate, GUINT_TO_POINTER(n_objects)),
            "enumerator");
    require(sd_bus_request_name(bus, FLOOR_NAME, 0), "name");
    return sd_event_loop(event);
}

/* --- a polkit that says yes at once: run as `bench-service --polkit` */

static int check_authorization(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    return sd_bus_reply_method_return(message, "(bba{ss})", 1, 0, 0);
}

static const sd_bus_vtable polkit_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", check_authorization,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static int run_polkit(void)
{
    sd_bus *bus = NULL;
    sd_event *event = NULL;

    require(sd_event_default(&event), "event");
    require(sd_bus_open_system(&bus), "bus");
    require(sd_bus_attach_event(bus, event, 0), "attach");
    require(sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                     "org.freedesktop.PolicyKit1.Authority", polkit_vtable, NULL), "vtable");
    require(sd_bus_request_name(bus, "org.freedesktop.PolicyKit1", 0), "name");
    return sd_event_loop(event);
}

/* --- programs and their names */

static pid_t start(const char *program, const char *argument, const char *value)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(program, program, argument, value, NULL);
    _exit(127);
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    const char *name, *old, *new;
    bool *owned = userdata;

    if (sd_bus_message_read(message, "sss", &name, &old, &new) >= 0)
        *owned = *new != '\0';
    return 0;
}

static void wait_for(sd_bus *bus, bool *condition, bool value)
{
    while (*condition != value) {
        int r = sd_bus_process(bus, NULL);

        require(r, "process");
        if (r == 0)
            require(sd_bus_wait(bus, UINT64_MAX), "wait");
    }
}

/* From the start of a program until its name was on the bus, and until it answered, in µs. */
typedef struct StartTimes {
    double name, answer;
} StartTimes;

static StartTimes start_and_wait(sd_bus *bus, const char *program, const char *argument, const char *value,
                                 const char *name, pid_t *ret_pid)
{
    StartTimes times;
    g_autofree char *match = g_strdup_printf("type='signal',member='NameOwnerChanged',arg0='%s'", name);
    g_autoptr(sd_bus_slot) slot = NULL;
    bool owned = false;
    double begin;

    require(sd_bus_add_match(bus, &slot, match, on_owner, &owned), "match");
    begin = bench_now();
    *ret_pid = start(program, argument, value);
    wait_for(bus, &owned, true);
    times.name = bench_now() - begin;
    require(sd_bus_call_method(bus, name, "/", "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL),
            "Ping");
    times.answer = bench_now() - begin;
    return times;
}

static void stop(pid_t pid)
{
    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, NULL, 0);
}

/* Its children's pids, which live as long as it does: those that wait for added devices. */
static char **children_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", pid, pid), *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strsplit(g_strchomp(text), " ", -1)
                                                        : g_new0(char *, 1);
}

/* What a forked child shares with its parent is in the Pss of both in part, and once in their sum. */
static double process_megabytes(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/smaps_rollup", pid), *text = NULL;
    double total = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return -1;
    for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (g_str_has_prefix(line, "Private_Clean:") || g_str_has_prefix(line, "Pss_Anon:"))
            total += strtod(strchr(line, ':') + 1, NULL);
    return total / 1024;
}

static double private_megabytes(pid_t pid)
{
    g_auto(GStrv) children = children_of(pid);
    double total = process_megabytes(pid);

    for (char **child = children; *child; child++)
        if (**child)
            total += process_megabytes((pid_t) atoi(*child));
    return total;
}

/* On-CPU time of a process in µs: Documentation/scheduler/sched-stats.rst */
static double cpu_usec(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/schedstat", pid), *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? strtod(text, NULL) / 1000 : 0;
}

/* --- the machine */

static void write_rules(Tree *tree, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("etc/iommu-policy.d/%03u.conf", i);
        g_autofree char *text = g_strdup_printf("[Match]\nId=1234:%04x\n[Policy]\nType=DMA-FQ\n", i);

        tree_write(tree, path, text);
    }
}

static void write_devices(Tree *tree, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("%04x:%02x:%02x.0", i >> 12, (i >> 5) & 0x7f, i & 0x1f);
        g_autofree char *regions = g_strdup_printf("sys/kernel/iommu_groups/%u/reserved_regions", i);

        g_free(tree_add_device(tree, &(TreeDevice){.name = name,
                                                   .vendor = 0x144d,
                                                   .device = 0xa808,
                                                   .subsystem_vendor = 0x144d,
                                                   .subsystem_device = 0xa801,
                                                   .class_code = 0x010802,
                                                   .driver = "nvme",
                                                   .group = (int)i,
                                                   .iommu = "dmar0"}));
        tree_write(tree, regions, "0x00000000fee00000 0x00000000feefffff msi\n");
    }
}

static void show(Tree *tree, const char *name)
{
    g_autofree char *source = g_strdup_printf("%s/%s", tree->path, name),
                    *target = g_strdup_printf("/%s", name);

    require(mount(source, target, NULL, MS_BIND, NULL) < 0 ? -errno : 0, target);
}

static void hide(void)
{
    (void) umount2("/sys", MNT_DETACH);
    (void) umount2("/run", MNT_DETACH);
    (void) umount2("/etc", MNT_DETACH);
}

static Tree *make_machine(unsigned n_devices, unsigned n_rules)
{
    Tree *tree = tree_new();

    tree_mkdir(tree, "etc/iommu-policy.d");
    tree_write(tree, "etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n");
    tree_mkdir(tree, "sys/bus/pci/devices");
    write_devices(tree, n_devices);
    write_rules(tree, n_rules);
    show(tree, "sys");
    show(tree, "run");
    show(tree, "etc");
    return tree;
}

static pid_t start_bus(const char *folder)
{
    g_autofree char *path = g_strdup_printf("%s/bus.conf", folder), *text = NULL;
    g_autofree char *option = g_strdup_printf("--config-file=%s", path);
    char ready[256];
    int fds[2];
    pid_t pid;

    text = g_strdup_printf(
        "<busconfig><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
        "<policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
        "<allow own=\"*\"/><allow user=\"*\"/></policy></busconfig>",
        folder);
    g_file_set_contents(path, text, -1, NULL);
    require(pipe(fds) < 0 ? -errno : 0, "pipe");
    pid = fork();
    if (pid == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) dup2(fds[1], 3);
        /* It complains that it may not raise its limits. */
        (void) dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        execlp("dbus-daemon", "dbus-daemon", option, "--nofork", "--print-address=3", NULL);
        _exit(127);
    }
    (void) close(fds[1]);
    require(read(fds[0], ready, sizeof ready) <= 0 ? -EIO : 0, "dbus-daemon");
    return pid;
}

/* --- the measurements */

static int measure_start(sd_bus *bus)
{
    enum { ROUNDS = 21 };
    g_autoptr(Tree) tree G_GNUC_UNUSED = make_machine(100, 100);
    double names[2][ROUNDS], answers[2][ROUNDS];
    BenchRow name = { .what = "start to bus name, 100 devices, 100 rules", .limit = "2 x the floor",
                      .floor_is = "smallest sd-bus program",
                      .unit = "ms" },
             answer = { .what = "start to first answer, 100 devices, 100 rules", .limit = "none",
                        .floor_is = "smallest sd-bus program", .unit = "ms" },
             memory = { .what = "private memory idle", .limit = "2 MB",
                        .floor_is = "smallest sd-bus program",
                        .unit = "MB", .most = 2 };
    int missed;

    for (unsigned i = 0; i < ROUNDS; i++) {
        StartTimes times;
        pid_t pid;

        times = start_and_wait(bus, self_path, "--floor", "1", FLOOR_NAME, &pid);
        names[0][i] = times.name / 1000;
        answers[0][i] = times.answer / 1000;
        memory.floor = private_megabytes(pid);
        stop(pid);
        times = start_and_wait(bus, daemon_path, NULL, NULL, IOMMU_POLICY_BUS_NAME, &pid);
        names[1][i] = times.name / 1000;
        answers[1][i] = times.answer / 1000;
        memory.ours = private_megabytes(pid);
        stop(pid);
    }
    name.floor = bench_undisturbed(names[0], ROUNDS);
    name.ours = bench_undisturbed(names[1], ROUNDS);
    name.most = 2 * name.floor;
    answer.floor = bench_undisturbed(answers[0], ROUNDS);
    answer.ours = bench_undisturbed(answers[1], ROUNDS);
    missed = bench_print(&name) | bench_print(&answer) | bench_print(&memory);
    hide();
    return missed;
}

static double get_usec(sd_bus *bus, const char *name, const char *path, const char *interface)
{
    enum { CALLS = 2000 };
    double *times = g_new(double, CALLS), result;

    for (unsigned i = 0; i < CALLS; i++) {
        g_autoptr(sd_bus_message) reply = NULL;
        double begin = bench_now();

        require(sd_bus_call_method(bus, name, path, "org.freedesktop.DBus.Properties", "Get", NULL, &reply,
                                   "ss", interface, "Type"),
                "Get");
        times[i] = bench_now() - begin;
    }
    result = bench_undisturbed(times, CALLS);
    g_free(times);
    return result;
}

static int measure_thousand(sd_bus *bus)
{
    g_autoptr(Tree) tree G_GNUC_UNUSED = make_machine(1000, 100);
    BenchRow memory = { .what = "private memory, 1 000 groups", .limit = "4 MB",
                        .floor_is = "smallest sd-bus program", .unit = "MB", .most = 4 },
             get = { .what = "property Get", .limit = "1.1 x the floor",
                     .floor_is = "smallest sd-bus program",
                     .unit = "us" };
    pid_t floor_pid, pid;
    int missed;

    (void) start_and_wait(bus, self_path, "--floor", "1", FLOOR_NAME, &floor_pid);
    (void) start_and_wait(bus, daemon_path, NULL, NULL, IOMMU_POLICY_BUS_NAME, &pid);
    memory.floor = private_megabytes(floor_pid);
    memory.ours = private_megabytes(pid);
    get.floor = get_usec(bus, FLOOR_NAME, FLOOR_PATH "/0", FLOOR_NAME);
    get.ours =
        get_usec(bus, IOMMU_POLICY_BUS_NAME, IOMMU_POLICY_GROUP_PREFIX "/7", IOMMU_POLICY_GROUP_INTERFACE);
    get.most = 1.1 * get.floor;
    missed = bench_print(&memory) | bench_print(&get);
    stop(pid);
    stop(floor_pid);
    hide();
    return missed;
}

static double objects_cpu(sd_bus *bus, pid_t pid, const char *name, const char *path)
{
    enum { ROUNDS = 9 };
    double times[ROUNDS];

    for (unsigned i = 0; i < ROUNDS; i++) {
        g_autoptr(sd_bus_message) reply = NULL;
        double begin = cpu_usec(pid);

        require(sd_bus_call_method(bus, name, path, "org.freedesktop.DBus.ObjectManager",
                                   "GetManagedObjects", NULL, &reply, NULL),
                "GetManagedObjects");
        times[i] = cpu_usec(pid) - begin;
    }
    return bench_undisturbed(times, ROUNDS) / 1000;
}

static int measure_objects(sd_bus *bus)
{
    g_autoptr(Tree) tree G_GNUC_UNUSED = make_machine(5000, 0);
    BenchRow row = { .what = "GetManagedObjects, 10 000 objects", .limit = "1.5 x the floor",
                     .floor_is = "smallest sd-bus program", .unit = "ms CPU" };
    pid_t floor_pid, pid;
    int missed;

    (void) start_and_wait(bus, self_path, "--floor", "10000", FLOOR_NAME, &floor_pid);
    (void) start_and_wait(bus, daemon_path, NULL, NULL, IOMMU_POLICY_BUS_NAME, &pid);
    row.floor = objects_cpu(bus, floor_pid, FLOOR_NAME, FLOOR_PATH);
    row.ours = objects_cpu(bus, pid, IOMMU_POLICY_BUS_NAME, IOMMU_POLICY_ROOT_PATH);
    row.most = 1.5 * row.floor;
    missed = bench_print(&row);
    stop(pid);
    stop(floor_pid);
    hide();
    return missed;
}

static double ask_polkit_usec(sd_bus *bus)
{
    double begin = bench_now();

    require(sd_bus_call_method(bus, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                               "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization", NULL, NULL,
                               "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", ":1.0", "a.b", 0, 0,
                               ""),
            "CheckAuthorization");
    return bench_now() - begin;
}

static double reload_usec(sd_bus *bus)
{
    double begin = bench_now();

    require(sd_bus_call_method(bus, IOMMU_POLICY_BUS_NAME, IOMMU_POLICY_ROOT_PATH,
                               IOMMU_POLICY_MANAGER_INTERFACE, "Reload", NULL, NULL, NULL),
            "Reload");
    return bench_now() - begin;
}

/* Reload() with no rule does next to nothing but ask. The caller is not root, who would not be asked for. */
static int measure_authorised(sd_bus *bus)
{
    enum { ROUNDS = 301 };
    g_autoptr(Tree) tree G_GNUC_UNUSED = make_machine(1, 0);
    BenchRow row = { .what = "authorised call", .limit = "the floor + 200 us",
                     .floor_is = "a polkit that answers at once", .unit = "us" };
    double floor[ROUNDS], ours[ROUNDS];
    pid_t pid, polkit_pid;
    sd_bus *nobody = NULL;

    (void) start_and_wait(bus, self_path, "--polkit", NULL, "org.freedesktop.PolicyKit1", &polkit_pid);
    (void) start_and_wait(bus, daemon_path, NULL, NULL, IOMMU_POLICY_BUS_NAME, &pid);
    require(seteuid(NOBODY) < 0 ? -errno : 0, "seteuid");
    require(sd_bus_open_system(&nobody), "bus as nobody");
    require(seteuid(0) < 0 ? -errno : 0, "seteuid");
    for (unsigned i = 0; i < ROUNDS; i++) {
        floor[i] = ask_polkit_usec(nobody);
        ours[i] = reload_usec(nobody);
    }
    row.floor = bench_undisturbed(floor, ROUNDS);
    row.ours = bench_undisturbed(ours, ROUNDS);
    row.most = row.floor + 200;
    (void) sd_bus_flush_close_unref(nobody);
    stop(pid);
    stop(polkit_pid);
    hide();
    return bench_print(&row);
}

/* What is waited for is seen when it happens: this process runs as soon as it can, not when the one that was
 * started has used up its turn of the CPU that they share. */
static void run_first(void)
{
    const struct sched_param lowest = { .sched_priority = 1 };

    (void) sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest);
}

/* --- a storm of added devices */

/* One `add` as the kernel sends it: what a process with the right sends to port 0 goes to everybody who
 * listens (lib/kobject_uevent.c, uevent_net_rcv_skb()). */
static void send_add(int fd, const char *devpath)
{
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    struct nlmsghdr header = { .nlmsg_type = NLMSG_MIN_TYPE, .nlmsg_flags = NLM_F_REQUEST };
    char text[512];
    int size = snprintf(text, sizeof text, "add@%s%cACTION=add%cDEVPATH=%s%cSUBSYSTEM=pci", devpath, 0, 0,
                        devpath, 0) + 1;
    struct iovec parts[] = { { &header, sizeof header }, { text, (size_t) size } };
    struct msghdr message = { .msg_name = &kernel, .msg_namelen = sizeof kernel, .msg_iov = parts,
                              .msg_iovlen = 2 };

    header.nlmsg_len = sizeof header + (uint32_t) size;
    require(sendmsg(fd, &message, 0) < 0 ? -errno : 0, "uevent");
}

/* CPU time of the daemon, its children, and the workers it has reaped, in µs; the last in clock ticks. */
static double cpu_with_workers(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid), *text = NULL;
    g_auto(GStrv) children = children_of(pid);
    long user = 0, system = 0;
    double living = cpu_usec(pid);
    const char *rest;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !(rest = strrchr(text, ')')) ||
        sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %ld %ld", &user, &system) != 2)
        exit(EXIT_FAILURE);
    for (char **child = children; *child; child++)
        if (**child)
            living += cpu_usec((pid_t) atoi(*child));
    return living + (double) (user + system) * 1e6 / (double) sysconf(_SC_CLK_TCK);
}

/* Groups that the daemon knows with their type. */
static unsigned groups_known(sd_bus *bus)
{
    g_autoptr(sd_bus_message) reply = NULL;
    unsigned known = 0;
    const char *type;

    require(sd_bus_call_method(bus, IOMMU_POLICY_BUS_NAME, IOMMU_POLICY_ROOT_PATH,
                               IOMMU_POLICY_MANAGER_INTERFACE, "ListGroups", NULL, &reply, NULL),
            "ListGroups");
    require(sd_bus_message_enter_container(reply, 'a', "(usssso)"), "ListGroups");
    while (sd_bus_message_read(reply, "(usssso)", NULL, &type, NULL, NULL, NULL, NULL) > 0)
        known += g_str_equal(type, "DMA");
    return known;
}

/* Until the daemon has slept for half a second: it has done what there was to do. */
static void wait_until_idle(pid_t pid)
{
    double before = -1, now;

    while ((now = cpu_with_workers(pid)) != before) {
        before = now;
        (void) usleep(500000);
    }
}

static int measure_storm(sd_bus *bus)
{
    enum { DEVICES = 4096 };
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    g_autoptr(Tree) tree = make_machine(0, 100);
    BenchRow row = { .what = "storm of 4 096 added devices", .limit = "2 x the floor",
                     .floor_is = "raw walk", .unit = "ms CPU",
                     .reason = "the walk keeps nothing and tells nobody: ours takes an event, keeps "
                               "the device and sends signals for it and for its group" };
    double begin;
    pid_t pid;

    (void) start_and_wait(bus, daemon_path, NULL, NULL, IOMMU_POLICY_BUS_NAME, &pid);
    write_devices(tree, DEVICES);
    begin = bench_cpu();
    if (raw_walk(tree->fd) != DEVICES)
        exit(EXIT_FAILURE);
    row.floor = (bench_cpu() - begin) / 1000;
    wait_until_idle(pid);
    begin = cpu_with_workers(pid);
    for (unsigned i = 0; i < DEVICES; i++) {
        g_autofree char *link = g_strdup_printf("sys/bus/pci/devices/%04x:%02x:%02x.0", i >> 12,
                                                (i >> 5) & 0x7f, i & 0x1f),
                        *devpath = NULL;

        require(sysfs_link_target(tree->fd, link, &devpath), link);
        send_add(fd, devpath + strlen("sys"));
    }
    wait_until_idle(pid);
    row.ours = (cpu_with_workers(pid) - begin) / 1000;
    row.most = 2 * row.floor;
    if (groups_known(bus) != DEVICES) {
        fprintf(stderr, "bench-service: of %u added devices the daemon knows %u\n", DEVICES,
                groups_known(bus));
        exit(EXIT_FAILURE);
    }
    stop(pid);
    hide();
    return bench_print(&row);
}

static int measure(void)
{
    g_autofree char *folder = g_dir_make_tmp("bench-service-XXXXXX", NULL);
    g_autofree char *remove = NULL, *address = g_strdup_printf("unix:path=%s/bus", folder);
    sd_bus *bus = NULL;
    pid_t bus_pid;
    int missed;

    bench_pin();
    run_first();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        perror("bench-service: namespaces of its own");
        return EXIT_FAILURE;
    }
    (void) chmod(folder, 0755);
    bus_address = address;
    (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", bus_address, 1);
    /* For libudev, whose /sys is not the kernel's here. */
    (void) setenv("SYSTEMD_DEVICE_VERIFY_SYSFS", "0", 1);
    bus_pid = start_bus(folder);
    require(sd_bus_open_system(&bus), "bus");

    missed = measure_start(bus) | measure_thousand(bus) | measure_objects(bus) | measure_authorised(bus) |
             measure_storm(bus);

    (void) sd_bus_flush_close_unref(bus);
    stop(bus_pid);
    remove = g_strdup_printf("rm -rf '%s'", folder);
    return system(remove) == 0 ? missed : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    self_path = "/proc/self/exe";
    if (argc == 3 && g_str_equal(argv[1], "--floor"))
        return run_floor((unsigned) strtoul(argv[2], NULL, 10));
    if (argc == 2 && g_str_equal(argv[1], "--polkit"))
        return run_polkit();
    if (argc != 2) {
        fprintf(stderr, "bench-service DAEMON\n");
        return 2;
    }
    daemon_path = realpath(argv[1], NULL);
    /* /sys is in memory, too; GLib looks for the folder once. */
    (void) setenv("TMPDIR", "/dev/shm", 0);
    return measure();
}
