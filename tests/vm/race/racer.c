/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The referee of a race between changes and a contender for the same disk. Each round asks the daemon for
 * the other type, DMA and identity in turn, while a contender tries to take the disk over and over; from
 * which moment of the change on differs from round to round, so that it meets all of them. Either the
 * contender got the disk, and the change was refused without having touched it; or the change was done, and
 * the contender was kept out meanwhile: what it had before would not work after, which it tries. In every
 * second round the contender keeps what it gets, in the others it lets go at once.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "cleanup.h"
#include "contender.h"
#include "iommu-policy-names.h"

#define CALL_USEC (240 * G_USEC_PER_SEC)
#define GOLDEN 0.6180339887 /* its multiples fill a span evenly, in whatever number */

typedef struct Race {
    const Way *way;
    const char *address;
    bool at_steps;     /* the worker is stopped at a step while the contender takes what it can */
    unsigned rounds;
    sd_bus *bus;
    char *path;        /* of the group's object */
    pid_t daemon;
    Score *score;
    uint64_t span;     /* how long a change takes that is done */

    /* of this round */
    unsigned round;
    unsigned steps;    /* that the daemon has told of */

    /* of all rounds */
    unsigned changes, contenders, undone, stops;
} Race;

G_NORETURN static void die(const char *what, int error)
{
    fprintf(stderr, "racer: %s: %s\n", what, g_strerror(error));
    exit(EXIT_FAILURE);
}

/* The state of the disk before a change, to see whether it was touched. */
typedef struct Disk {
    Target target;
    char type[16];
    ino_t inode;    /* of its directory: another one after an unbind */
} Disk;

static void read_type(const Race *race, char *type, size_t size)
{
    g_autofree char *path = g_strdup_printf("/sys/bus/pci/devices/%s/iommu_group/type", race->address);
    g_autofree char *text = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL))
        g_strlcpy(type, g_strstrip(text), size);
}

/* "nvme0n1", but none of the paths "nvme0c1n1" to a multipath disk, nor the generic "ng0n1". */
static bool is_disk_name(const char *name)
{
    unsigned subsystem, head;
    int length = 0;

    return sscanf(name, "nvme%un%u%n", &subsystem, &head, &length) == 2 && name[length] == '\0';
}

/* Finds the first disk of the controller at ADDRESS. Returns false if there is none. */
static bool find_disk(const Race *race, Disk *ret)
{
    g_autofree char *path = g_strdup_printf("/sys/bus/pci/devices/%s/nvme", race->address);
    g_autoptr(DIR) controllers = opendir(path);
    struct dirent *controller, *entry;

    while (controllers && (controller = readdir(controllers))) {
        g_autofree char *below = g_build_filename(path, controller->d_name, NULL);
        g_autoptr(DIR) disks = *controller->d_name == '.' ? NULL : opendir(below);

        while (disks && (entry = readdir(disks)))
            if (is_disk_name(entry->d_name)) {
                g_strlcpy(ret->target.disk, entry->d_name, sizeof(ret->target.disk));
                g_strlcpy(ret->target.controller, controller->d_name, sizeof(ret->target.controller));
                ret->inode = entry->d_ino;
                read_type(race, ret->type, sizeof(ret->type));
                return true;
            }
    }
    return false;
}

/* Where udev has not yet said what the disk carries, a call cannot allow it. */
static void await_udev(void)
{
    if (system("udevadm settle --timeout 60") != 0)
        fprintf(stderr, "udevadm settle has failed\n");
}

/* --- stopping the worker */

/* It waits for added devices, and changes nothing here. */
static bool is_resident(const char *pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/comm", pid), *name = NULL;

    return !g_file_get_contents(path, &name, NULL, NULL) || g_str_equal(name, "iommu-add-write\n");
}

/* The one worker that the daemon has now, or 0. */
static pid_t find_worker(const Race *race)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", race->daemon, race->daemon);
    g_autofree char *text = NULL;
    g_auto(GStrv) children = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    children = g_strsplit(g_strchomp(text), " ", -1);
    for (char **child = children; *child; child++)
        if (**child && !is_resident(*child))
            return atoi(*child);
    return 0;
}

static void stop_worker(Race *race)
{
    pid_t worker = find_worker(race);

    if (worker == 0 || kill(worker, SIGSTOP) < 0)
        return;
    race->stops++;
    atomic_store(&race->score->go, true);
    while (!atomic_load(&race->score->arrived))
        g_usleep(100);
    (void) kill(worker, SIGCONT);
}

/* Each change of the property `Step` is a moment of the change; a round takes one of them. */
static int on_properties(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    Race *race = userdata;
    const char *name;

    if (sd_bus_message_skip(message, "s") < 0 || sd_bus_message_enter_container(message, 'a', "{sv}") < 0)
        return 0;
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        if (sd_bus_message_read(message, "s", &name) < 0)
            return 0;
        if (g_str_equal(name, "Step") && race->steps++ == race->round / 2 % 7)
            stop_worker(race);
        (void) sd_bus_message_skip(message, "v");
        (void) sd_bus_message_exit_container(message);
    }
    return 0;
}

/* --- one round */

static pid_t start_contender(const Race *race, const Disk *disk, uint64_t start)
{
    pid_t pid;

    atomic_store(&race->score->over, false);
    atomic_store(&race->score->go, false);
    atomic_store(&race->score->arrived, false);
    atomic_store(&race->score->wins, 0);
    pid = fork();
    if (pid != 0)
        return pid;
    contender_run(race->way, &disk->target, start, race->round % 2 == 0, race->score);
    _exit(EXIT_SUCCESS);
}

static sd_bus_message *new_call(const Race *race, const Disk *disk)
{
    g_autofree char *id = g_strdup_printf("signature:%s@%s", race->way->signature, disk->target.disk);
    const char *type = g_str_equal(disk->type, "identity") ? "DMA" : "identity";
    sd_bus_message *call = NULL;
    int r;

    r = sd_bus_message_new_method_call(race->bus, &call, IOMMU_POLICY_BUS_NAME, race->path,
                                       IOMMU_POLICY_GROUP_INTERFACE, "SetType");
    if (r >= 0)
        r = sd_bus_message_append(call, "sa{sv}", type, 1, "allow", "as", 1, id);
    if (r < 0)
        die("SetType", -r);
    return call;
}

typedef struct Reply {
    bool came;
    char error[64];  /* "" : done */
    char text[512];
} Reply;

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *unused)
{
    const sd_bus_error *error = sd_bus_message_get_error(message);
    Reply *reply = userdata;

    reply->came = true;
    if (error) {
        const char *dot = strrchr(error->name, '.');

        g_strlcpy(reply->error, dot ? dot + 1 : error->name, sizeof(reply->error));
        g_strlcpy(reply->text, error->message, sizeof(reply->text));
    }
    return 0;
}

static void call_and_wait(const Race *race, sd_bus_message *call, Reply *reply)
{
    g_autoptr(sd_bus_slot) slot = NULL;
    int r = sd_bus_call_async(race->bus, &slot, call, on_reply, reply, CALL_USEC);

    while (r >= 0 && !reply->came) {
        r = sd_bus_process(race->bus, NULL);
        if (r == 0)
            r = sd_bus_wait(race->bus, UINT64_MAX);
    }
    if (r < 0)
        die("the bus", -r);
}

static void complain(Race *race, const Disk *disk, const Reply *reply, const char *what)
{
    race->score->bad++;
    printf("round %u, %s, %s: %s (%s %s)\n", race->round, disk->target.disk, disk->type, what, reply->error,
           reply->text);
}

/* NoSuchFinding: a disk in use has no finding "signature", which the call allows. */
static bool is_use(const Reply *reply)
{
    static const char *const names[] = { "InUse", "OwnedByUser", "NoSuchFinding", NULL };

    return g_strv_contains(names, reply->error);
}

static void judge(Race *race, const Disk *before, const Reply *reply, uint64_t took)
{
    bool won = atomic_load(&race->score->wins) > 0;
    Disk after = { 0 };

    if (!find_disk(race, &after)) {
        complain(race, before, reply, "the disk is gone");
        return;
    }
    if (!*reply->error) {
        race->changes++;
        race->span = took;
        if (g_str_equal(after.type, before->type))
            complain(race, before, reply, "done, but the type is the old one");
        return;
    }
    if (!is_use(reply)) {
        complain(race, before, reply, "refused otherwise than as in use");
        return;
    }
    race->contenders++;
    race->undone += after.inode != before->inode;
    if (!won)
        complain(race, before, reply, "refused, although the contender has not got the disk");
    if (!g_str_equal(after.type, before->type))
        complain(race, before, reply, "refused, but the type is another one");
    if (race->way->exclusive && after.inode != before->inode)
        complain(race, before, reply, "refused, but the driver was unbound meanwhile");
}

/* The moment from which on the contender tries: it differs by the golden ratio of the span. */
static uint64_t first_try(const Race *race)
{
    double phase = race->round * GOLDEN;

    if (race->at_steps)
        return 0;
    return (uint64_t) g_get_monotonic_time() + (uint64_t) ((phase - (unsigned) phase) * (double) race->span);
}

static void run_round(Race *race)
{
    g_autoptr(sd_bus_message) call = NULL;
    Reply reply = { 0 };
    Disk disk = { 0 };
    uint64_t start;
    pid_t contender;

    await_udev();
    if (!find_disk(race, &disk)) {
        complain(race, &disk, &reply, "there is no disk");
        return;
    }
    race->steps = 0;
    call = new_call(race, &disk);
    contender = start_contender(race, &disk, first_try(race));
    start = (uint64_t) g_get_monotonic_time();
    call_and_wait(race, call, &reply);
    start = (uint64_t) g_get_monotonic_time() - start;
    atomic_store(&race->score->over, true);
    (void) waitpid(contender, NULL, 0);
    judge(race, &disk, &reply, start);
    if (*race->score->complaint) {
        printf("round %u, %s, %s: %s\n", race->round, disk.target.disk, disk.type, race->score->complaint);
        *race->score->complaint = '\0';
    }
}

/* --- all rounds */

static void connect_to(Race *race)
{
    g_autofree char *link_path = g_strdup_printf("/sys/bus/pci/devices/%s/iommu_group", race->address);
    g_autofree char *link = g_file_read_link(link_path, NULL), *number = NULL;
    sd_bus_creds *creds = NULL;
    int r;

    if (!link)
        die(link_path, ENOENT);
    number = g_path_get_basename(link);
    race->path = g_strdup_printf("%s/%s", IOMMU_POLICY_GROUP_PREFIX, number);
    r = sd_bus_open_system(&race->bus);
    if (r >= 0)
        r = sd_bus_get_name_creds(race->bus, IOMMU_POLICY_BUS_NAME, SD_BUS_CREDS_PID, &creds);
    if (r >= 0)
        r = sd_bus_creds_get_pid(creds, &race->daemon);
    if (r >= 0 && race->at_steps)
        r = sd_bus_match_signal(race->bus, NULL, IOMMU_POLICY_BUS_NAME, race->path,
                                "org.freedesktop.DBus.Properties", "PropertiesChanged", on_properties, race);
    if (r < 0)
        die(IOMMU_POLICY_BUS_NAME, -r);
    sd_bus_creds_unref(creds);
}

static void report(const Race *race)
{
    printf("figure: %s: %u rounds, the change won %u, the contender %u", race->way->name, race->rounds,
           race->changes, race->contenders);
    if (race->undone > 0)
        printf(" (of these taken back after the unbind: %u)", race->undone);
    if (race->at_steps)
        printf("; worker stopped %u times", race->stops);
    printf("; a change takes %u ms; refused tries:", (unsigned) (race->span / 1000));
    for (unsigned i = 0; i < CONTENDER_ERRORS; i++)
        if (race->score->errors[i] > 0)
            printf(" %u %s", race->score->errors[i], strerrorname_np((int) i) ?: "other");
    printf("; faults: %u\n", race->score->bad);
}

/* For the log of a long run that is cut off. */
static void report_progress(const Race *race)
{
    if (race->round % 100 != 99)
        return;
    printf("after %u rounds: changes %u, contenders %u, faults %u\n", race->round + 1, race->changes,
           race->contenders, race->score->bad);
    (void) fflush(stdout);
}

static int usage(void)
{
    fprintf(stderr, "Usage: racer [--at-steps] ADDRESS WAY ROUNDS\nWAY: %s\n", contender_ways());
    return 2;
}

int main(int argc, char *argv[])
{
    bool at_steps = argc > 1 && g_str_equal(argv[1], "--at-steps");
    Race race = { .at_steps = at_steps, .span = G_USEC_PER_SEC / 2 };

    argv += at_steps;
    if (argc - at_steps != 4)
        return usage();
    race.way = contender_way(argv[2]);
    race.rounds = (unsigned) atoi(argv[3]);
    if (!race.way || race.rounds == 0)
        return usage();
    race.address = argv[1];
    race.score = mmap(NULL, sizeof(Score), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (race.score == MAP_FAILED)
        return EXIT_FAILURE;
    connect_to(&race);
    for (race.round = 0; race.round < race.rounds; race.round++) {
        run_round(&race);
        report_progress(&race);
    }
    report(&race);
    g_free(race.path);
    sd_bus_flush_close_unref(race.bus);
    if (race.changes == 0 || race.contenders == 0) {
        printf("one of the two has never won\n");
        return EXIT_FAILURE;
    }
    return race.score->bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
