/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "add-writers.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "cleanup.h"
#include "early-pass.h"
#include "group.h"
#include "kernel-events.h"
#include "log.h"
#include "record.h"
#include "sysfs.h"
#include "worker.h"

/* When as many writes hang, the daemon's ordinary way is left for the next device. */
#define WRITERS 4
/* Writers that may end by themselves before that is taken for a trouble that starting them again does not
 * end. */
#define ENDS_MAX 32

/* As ps and /proc/PID/comm show them. */
#define WRITER_NAME "iommu-add-write"

/* syspath, inode, bound, group, outcome, from, wanted, type, wanted by, text, µs */
#define MESSAGE_FORMAT "(stbuiiiisst)"

typedef struct Writer {
    AddWriters *writers;
    Worker *worker; /* NULL: does not run */
} Writer;

struct AddWriters {
    sd_event *event;
    int root_fd;
    int events_fd;
    AddWritersCallback callback;
    void *userdata;
    Writer all[WRITERS];
    unsigned ends; /* since the rules were set */

    /* what a process that is forked now will act for */
    const RuleSet *rules;
    const Host *host;
    GArray *inhibited; /* unsigned */
};

/* --- the child */

static bool is_inhibited(const AddWriters *writers, unsigned id)
{
    for (guint i = 0; writers->inhibited && i < writers->inhibited->len; i++)
        if (g_array_index(writers->inhibited, unsigned, i) == id)
            return true;
    return false;
}

/* A driver that was first, and an obstacle in the rules, the daemon finds by itself. */
static bool was_tried(const EarlyGroup *group)
{
    return group->outcome == EARLY_SET || group->outcome == EARLY_FAILED;
}

static bool has_link(int root_fd, const char *syspath, const char *name)
{
    g_autofree char *path = g_strconcat(syspath, "/", name, NULL), *target = NULL;

    return sysfs_link_name(root_fd, path, &target) >= 0;
}

/* -1: it has none, or is gone. */
static int group_of(int root_fd, const char *syspath)
{
    g_autofree char *path = g_strconcat(syspath, "/iommu_group", NULL), *name = NULL;
    guint64 id;

    if (sysfs_link_name(root_fd, path, &name) < 0 ||
        !g_ascii_string_to_unsigned(name, 10, 0, INT_MAX, &id, NULL))
        return -1;
    return (int) id;
}

static uint64_t inode_of(const EarlyGroup *group, const char *syspath)
{
    g_autofree char *name = g_path_get_basename(syspath);

    for (guint i = 0; i < group->members->len; i++) {
        const RecordMember *member = group->members->pdata[i];

        if (g_str_equal(member->name, name))
            return member->inode;
    }
    return 0;
}

static int take_device(const AddWriters *writers, int socket_fd, const char *syspath)
{
    uint64_t begin = (uint64_t) g_get_monotonic_time();
    g_autoptr(EarlyNote) note = early_note_new();
    int id = group_of(writers->root_fd, syspath);
    const EarlyGroup *group;
    bool bound;

    if (id < 0 || is_inhibited(writers, (unsigned) id))
        return 0;
    bound = has_link(writers->root_fd, syspath, "driver");
    group = early_pass_group(writers->root_fd, writers->rules, writers->host, (unsigned) id, note);
    if (!group || !was_tried(group))
        return 0;
    return worker_send(socket_fd,
                       g_variant_new(MESSAGE_FORMAT, syspath, inode_of(group, syspath), bound, group->id,
                                     (gint32) group->outcome, (gint32) group->from, (gint32) group->wanted,
                                     (gint32) group->type, group->wanted_by, group->text,
                                     (guint64) g_get_monotonic_time() - begin));
}

/* The first time costs more than every other, for pages that are copied and symbols that are looked up; and
 * of a machine's hot-plugs most are a first. So it is tried on a group that is there. */
static void warm_up(const AddWriters *writers)
{
    g_autoptr(Decision) decision = NULL;
    g_autoptr(GArray) ids = NULL;

    if (group_list(writers->root_fd, &ids) >= 0 && ids->len > 0 &&
        !record_group_is_locked(writers->root_fd, g_array_index(ids, unsigned, 0)))
        decision = early_pass_decide(writers->root_fd, writers->rules, writers->host,
                                     g_array_index(ids, unsigned, 0));
}

static int write_added(int socket_fd, void *userdata)
{
    const AddWriters *writers = userdata;
    int r = 0;

    (void) prctl(PR_SET_NAME, WRITER_NAME);
    worker_end_with_daemon();
    warm_up(writers);
    while (r >= 0 || r == -ENOBUFS) {
        g_autofree char *syspath = NULL;

        /* What was lost the daemon has lost, too, and looks at everything. */
        r = kernel_events_next_add(writers->events_fd, &syspath);
        if (r >= 0)
            r = take_device(writers, socket_fd, syspath);
    }
    return EXIT_FAILURE;
}

/* --- the daemon */

static void on_message(Worker *worker, GVariant *message, void *userdata)
{
    const AddWriters *writers = ((const Writer *) userdata)->writers;
    EarlyGroup group = { 0 };
    AddedDevice added = { .group = &group };
    gint32 outcome, from, wanted, type;
    guint64 inode, usec;
    gboolean bound;

    g_variant_get(message, "(&stbuiiii&s&st)", &added.syspath, &inode, &bound, &group.id, &outcome, &from,
                  &wanted, &type, &group.wanted_by, &group.text, &usec);
    if (outcome < 0 || outcome >= _EARLY_OUTCOME_MAX || !domain_type_to_string(from) ||
        !domain_type_to_string(wanted) || type >= _DOMAIN_TYPE_MAX)
        return;
    added.inode = inode;
    added.bound = bound;
    added.usec = usec;
    group.outcome = outcome;
    group.from = from;
    group.wanted = wanted;
    group.type = type;
    writers->callback(&added, writers->userdata);
}

static void start(Writer *writer);

/* Somebody has killed it. */
static void on_done(Worker *worker, int status, void *userdata)
{
    Writer *writer = userdata;

    writer->worker = worker_free(writer->worker);
    if (++writer->writers->ends < ENDS_MAX)
        start(writer);
    else if (writer->writers->ends == ENDS_MAX)
        log_error("the processes that wait for added devices end again and again: until the next reload "
                  "such devices are dealt with more slowly");
}

static void start(Writer *writer)
{
    static const WorkerCallbacks callbacks = { .message = on_message, .done = on_done };
    AddWriters *writers = writer->writers;
    int keep[] = { writers->root_fd, writers->events_fd };
    int r = worker_start(writers->event, keep, G_N_ELEMENTS(keep), write_added, writers, MESSAGE_FORMAT,
                         &callbacks, writer, &writer->worker);

    if (r < 0)
        log_error("no process waits for added devices: %s", g_strerror(-r));
}

/* One that writes ends when the kernel lets it go, and has unbound nothing. */
static void end(Writer *writer)
{
    if (writer->worker)
        (void) kill(worker_pid(writer->worker), SIGKILL);
    writer->worker = worker_free(writer->worker);
}

static void end_all(AddWriters *writers)
{
    for (size_t i = 0; i < G_N_ELEMENTS(writers->all); i++)
        end(&writers->all[i]);
}

/* The socket stays open while they are exchanged: what comes meanwhile waits in it. */
void add_writers_set(AddWriters *writers, const RuleSet *rules, const Host *host, GArray *inhibited)
{
    end_all(writers);
    g_clear_pointer(&writers->inhibited, g_array_unref);
    writers->inhibited = inhibited;
    writers->rules = rules;
    writers->host = host;
    writers->ends = 0;
    if (!rules || rule_set_rules(rules)->len == 0) {
        writers->events_fd = safe_close(writers->events_fd);
        return;
    }
    if (writers->events_fd < 0)
        writers->events_fd = kernel_events_open_adds();
    if (writers->events_fd < 0) {
        log_error("no process waits for added devices: %s", g_strerror(-writers->events_fd));
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(writers->all); i++)
        start(&writers->all[i]);
}

AddWriters *add_writers_new(sd_event *event, int root_fd, AddWritersCallback callback, void *userdata)
{
    AddWriters *writers = g_new0(AddWriters, 1);

    writers->event = sd_event_ref(event);
    writers->root_fd = root_fd;
    writers->events_fd = -EBADF;
    writers->callback = callback;
    writers->userdata = userdata;
    for (size_t i = 0; i < G_N_ELEMENTS(writers->all); i++)
        writers->all[i].writers = writers;
    return writers;
}

AddWriters *add_writers_free(AddWriters *writers)
{
    if (!writers)
        return NULL;
    end_all(writers);
    writers->events_fd = safe_close(writers->events_fd);
    g_clear_pointer(&writers->inhibited, g_array_unref);
    sd_event_unref(writers->event);
    g_free(writers);
    return NULL;
}
