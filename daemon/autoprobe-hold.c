/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "autoprobe-hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "autoprobe-record.h"
#include "cleanup.h"
#include "log.h"
#include "physical-function.h"
#include "sysfs.h"
#include "worker.h"

/* Somebody keeps the file open, but does nothing: no driver is kept away for longer than that. */
#define OPEN_LIMIT_USEC (10 * G_USEC_PER_SEC)
/* The types of those that have appeared are not settled by then: their drivers are waited for, too. */
#define DECIDE_LIMIT_USEC (30 * G_USEC_PER_SEC)
/* How often a worker is started again that somebody has killed. */
#define TRIES_MAX 3

/* Events of a file are taken before those of workers: what somebody has set since is known before it is
 * set back. */
#define WATCH_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 10)
/* What the kernel has said of new devices is taken before they are decided upon. */
#define DECIDE_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 5)

typedef enum HoldState {
    HOLD_NONE,
    HOLD_OPEN,     /* somebody has sriov_numvfs open */
    HOLD_SETTLING, /* a worker waits until nobody is about to change the number */
    HOLD_DECIDING, /* the types of the new ones are seen to */
    HOLD_PROBING,  /* the setting is what it was; a worker has drivers bound to them */
} HoldState;

/* A physical function whose virtual functions are, or were, to be held. */
typedef struct Hold {
    AutoprobeHolds *holds;
    char *key, *bus, *name;
    uint64_t inode;
    bool wanted;     /* else it goes when the hold has ended */
    int fd;          /* its folder */
    int numvfs_fd;   /* open before it is watched: reading from it is no open of ours to be told of */
    int numvfs_wd;
    int autoprobe_wd; /* only while the setting is ours, and begun after we have written it: what it tells is
                       * never our own write */

    HoldState state;
    unsigned opens;  /* how many have sriov_numvfs open, as far as is known: equal events are told as one */
    unsigned round;
    bool ours;       /* the 0 in sriov_drivers_autoprobe is ours */
    AutoprobeRecord *record; /* as on disk; NULL without hold */
    char **names;    /* for the worker that has drivers bound */
    Worker *worker;
    unsigned tries;
    sd_event_source *timer, *decision;
} Hold;

struct AutoprobeHolds {
    sd_event *event;
    int root_fd;
    char *boot_id;
    AutoprobeCallbacks callbacks;
    void *userdata;
    int inotify_fd;
    sd_event_source *source;
    GHashTable *by_key;   /* key -> Hold, owned */
    GHashTable *by_watch; /* watch descriptor -> Hold */
};

static void settle(Hold *hold);
static void have_drivers_bound(Hold *hold);

/* --- the setting and its record */

static int add_watch(Hold *hold, const char *name, uint32_t mask, int *ret)
{
    _cleanup_close_ int fd = openat(hold->fd, name, O_PATH | O_CLOEXEC);
    char path[64];
    int wd;

    if (fd < 0)
        return -errno;
    g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    wd = inotify_add_watch(hold->holds->inotify_fd, path, mask);
    if (wd < 0)
        return -errno;
    g_hash_table_insert(hold->holds->by_watch, GINT_TO_POINTER(wd), hold);
    *ret = wd;
    return 0;
}

/* Events of it that have not been taken yet are nobody's then: its number is not given again. */
static void remove_watch(const Hold *hold, int *wd)
{
    if (*wd < 0)
        return;
    (void) inotify_rm_watch(hold->holds->inotify_fd, *wd);
    g_hash_table_remove(hold->holds->by_watch, GINT_TO_POINTER(*wd));
    *wd = -1;
}

static void take_over(Hold *hold)
{
    int r = add_watch(hold, PHYSICAL_FUNCTION_AUTOPROBE, IN_MODIFY, &hold->autoprobe_wd);

    hold->ours = true;
    if (r < 0)
        log_warning("%s: what is set meanwhile is not seen: %s", hold->name, g_strerror(-r));
}

static void give_back(Hold *hold)
{
    int r;

    if (!hold->ours)
        return;
    hold->ours = false;
    remove_watch(hold, &hold->autoprobe_wd);
    r = physical_function_set_autoprobe(hold->fd, true);
    if (r < 0 && r != -ENODEV && r != -ENOENT)
        log_error("%s: sriov_drivers_autoprobe cannot be set back to 1: %s", hold->name, g_strerror(-r));
}

/* What is there when a hold begins. */
static int make_record(const Hold *hold, AutoprobeRecord **ret)
{
    g_autoptr(AutoprobeRecord) record = autoprobe_record_new();
    g_auto(GStrv) names = NULL;
    int r = physical_function_list(hold->fd, &names);

    if (r < 0)
        return r;
    record->boot_id = g_strdup(hold->holds->boot_id);
    autoprobe_record_add(record, hold->bus, hold->name, hold->inode);
    for (char **name = names; *name; name++) {
        uint64_t inode;

        if (virtual_function_inode(hold->holds->root_fd, *name, &inode) >= 0)
            autoprobe_record_add(record, hold->bus, *name, inode);
    }
    *ret = g_steal_pointer(&record);
    return 0;
}

/* A hold that goes on where another was about to end has the same record. */
static int write_record(Hold *hold)
{
    int r = hold->record ? 0 : make_record(hold, &hold->record);

    return r < 0 ? r : autoprobe_record_write(hold->holds->root_fd, hold->key, hold->record);
}

static void drop_record(Hold *hold)
{
    int r = autoprobe_record_remove(hold->holds->root_fd, hold->key);

    if (r < 0)
        log_warning("%s: the record of its hold cannot be removed: %s", hold->name, g_strerror(-r));
}

/* --- the end */

static void hold_free(void *data)
{
    Hold *hold = data;

    give_back(hold);
    CLEAR_SOURCE(hold->timer);
    CLEAR_SOURCE(hold->decision);
    hold->worker = worker_free(hold->worker);
    remove_watch(hold, &hold->numvfs_wd);
    remove_watch(hold, &hold->autoprobe_wd);
    (void) safe_close(hold->numvfs_fd);
    (void) safe_close(hold->fd);
    g_clear_pointer(&hold->record, autoprobe_record_free);
    g_strfreev(hold->names);
    g_free(hold->key);
    g_free(hold->bus);
    g_free(hold->name);
    g_free(hold);
}

static void tell_if_idle(const AutoprobeHolds *holds)
{
    if (holds->callbacks.idle && autoprobe_holds_are_idle(holds))
        holds->callbacks.idle(holds->userdata);
}

static void finish(Hold *hold)
{
    AutoprobeHolds *holds = hold->holds;

    give_back(hold);
    CLEAR_SOURCE(hold->timer);
    drop_record(hold);
    g_clear_pointer(&hold->record, autoprobe_record_free);
    hold->state = HOLD_NONE;
    log_debug("%s: its virtual functions are held no longer", hold->name);
    if (!hold->wanted)
        g_hash_table_remove(holds->by_key, hold->key);
    tell_if_idle(holds);
}

/* --- time limits */

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
    Hold *hold = userdata;

    CLEAR_SOURCE(hold->timer);
    if (hold->state == HOLD_OPEN) {
        settle(hold);
    } else if (hold->state == HOLD_DECIDING) {
        log_warning("%s: the types of its virtual functions are not settled in time; drivers are let in",
                    hold->name);
        have_drivers_bound(hold);
    }
    return 0;
}

static void set_limit(Hold *hold, uint64_t usec)
{
    CLEAR_SOURCE(hold->timer);
    if (sd_event_add_time_relative(hold->holds->event, &hold->timer, CLOCK_MONOTONIC, usec, 0, on_limit,
                                   hold) < 0)
        log_error("%s: no timer for the hold of its virtual functions", hold->name);
}

/* --- workers */

/* Starts FUNCTION in the state STATE; DONE is called when it has ended. False: it cannot be started. */
static bool start_worker(Hold *hold, HoldState state, int keep_fd, WorkerFunction function, WorkerDone done)
{
    const WorkerCallbacks callbacks = { .done = done };
    int r;

    hold->worker = worker_free(hold->worker);
    if (hold->state != state)
        hold->tries = 0;
    hold->state = state;
    if (hold->tries++ >= TRIES_MAX)
        return false;
    r = worker_start(hold->holds->event, &keep_fd, 1, function, hold, "b", &callbacks, hold, &hold->worker);
    if (r < 0)
        log_error("%s: no worker for its virtual functions: %s", hold->name, g_strerror(-r));
    return r >= 0;
}

static int bind_drivers(int socket_fd, void *userdata)
{
    const Hold *hold = userdata;
    int result = EXIT_SUCCESS;

    for (char **name = hold->names; *name; name++)
        if (virtual_function_probe(hold->holds->root_fd, *name) < 0)
            result = EXIT_FAILURE;
    return result;
}

static void on_drivers_bound(Worker *worker, int status, void *userdata)
{
    Hold *hold = userdata;

    hold->worker = worker_free(hold->worker);
    if (status < 0) {
        have_drivers_bound(hold);
        return;
    }
    if (status != EXIT_SUCCESS)
        log_warning("%s: some of its new virtual functions cannot be given to their driver", hold->name);
    finish(hold);
}

/* Names of those that have appeared since the hold began. */
static char **list_new(const Hold *hold)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_auto(GStrv) all = NULL;

    (void) physical_function_list(hold->fd, &all);
    for (char **name = all; name && *name; name++) {
        uint64_t inode;

        if (virtual_function_inode(hold->holds->root_fd, *name, &inode) >= 0 &&
            !autoprobe_record_knows(hold->record, *name, inode))
            g_ptr_array_add(names, g_strdup(*name));
    }
    g_ptr_array_add(names, NULL);
    return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

/* The setting is the administrator's again: as it was, or as he has set it since. */
static void have_drivers_bound(Hold *hold)
{
    CLEAR_SOURCE(hold->timer);
    CLEAR_SOURCE(hold->decision);
    give_back(hold);
    g_strfreev(hold->names);
    hold->names = list_new(hold);
    if (!*hold->names || physical_function_autoprobe(hold->fd) != 1) {
        finish(hold);
        return;
    }
    if (!start_worker(hold, HOLD_PROBING, hold->holds->root_fd, bind_drivers, on_drivers_bound)) {
        log_error("%s: its new virtual functions are without a driver; to look for one: echo NAME > "
                  "/sys/bus/pci/drivers_probe", hold->name);
        finish(hold);
    }
}

static int on_decision(sd_event_source *source, void *userdata)
{
    Hold *hold = userdata;
    g_auto(GStrv) names = list_new(hold);
    const AutoprobeHolds *holds = hold->holds;

    CLEAR_SOURCE(hold->decision);
    if (!*names) {
        finish(hold);
        return 0;
    }
    log_info("%s: %u virtual functions have appeared", hold->name, g_strv_length(names));
    if (holds->callbacks.appeared)
        holds->callbacks.appeared(hold->key, hold->round, names, holds->userdata);
    else
        have_drivers_bound(hold);
    return 0;
}

static void decide(Hold *hold)
{
    hold->state = HOLD_DECIDING;
    hold->round++;
    set_limit(hold, DECIDE_LIMIT_USEC);
    if (sd_event_add_defer(hold->holds->event, &hold->decision, on_decision, hold) >= 0)
        (void) sd_event_source_set_priority(hold->decision, DECIDE_PRIORITY);
}

static int wait_for_writers(int socket_fd, void *userdata)
{
    const Hold *hold = userdata;

    worker_end_with_daemon();
    return physical_function_settle(hold->numvfs_fd) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void on_no_writer(Worker *worker, int status, void *userdata)
{
    Hold *hold = userdata;

    hold->worker = worker_free(hold->worker);
    if (status < 0)
        settle(hold);
    else
        decide(hold);
}

static void settle(Hold *hold)
{
    CLEAR_SOURCE(hold->timer);
    if (!start_worker(hold, HOLD_SETTLING, hold->numvfs_fd, wait_for_writers, on_no_writer))
        decide(hold);
}

/* --- what happens to the files */

/* The administrator may keep drivers from all hot-plugged devices of the bus. */
static bool bus_probes(const AutoprobeHolds *holds)
{
    uint64_t value;

    return sysfs_read_u64(holds->root_fd, "sys/bus/pci/drivers_autoprobe", 10, &value) < 0 || value != 0;
}

static void begin(Hold *hold)
{
    int r;

    if (physical_function_autoprobe(hold->fd) != 1 || !bus_probes(hold->holds))
        return;
    r = write_record(hold);
    if (r >= 0)
        r = physical_function_set_autoprobe(hold->fd, false);
    if (r >= 0) {
        take_over(hold);
        log_debug("%s: virtual functions that appear are held", hold->name);
        return;
    }
    log_warning("%s: its virtual functions cannot be held: %s", hold->name, g_strerror(-r));
    if (hold->state == HOLD_NONE) {
        drop_record(hold);
        g_clear_pointer(&hold->record, autoprobe_record_free);
    }
}

/* What was to end goes on. Those that a worker had still to give to their driver are among the new ones
 * then. */
static void on_opened(Hold *hold)
{
    hold->opens++;
    if (!hold->wanted)
        return;
    if (!hold->ours)
        begin(hold);
    if (!hold->ours)
        return;
    hold->worker = worker_free(hold->worker);
    CLEAR_SOURCE(hold->decision);
    hold->state = HOLD_OPEN;
    set_limit(hold, OPEN_LIMIT_USEC);
}

static void on_closed(Hold *hold)
{
    if (hold->opens > 0)
        hold->opens--;
    if (hold->opens == 0 && hold->state == HOLD_OPEN)
        settle(hold);
}

/* What the administrator writes is what is left behind. An open that truncates is told as a write, too;
 * nobody opens this file for that alone. */
static void on_autoprobe_written(Hold *hold)
{
    hold->ours = false;
    remove_watch(hold, &hold->autoprobe_wd);
    if (physical_function_autoprobe(hold->fd) != 1)
        drop_record(hold);
}

static void on_overflow(const AutoprobeHolds *holds)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, holds->by_key);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Hold *hold = value;

        hold->opens = 0;
        if (hold->state == HOLD_OPEN)
            set_limit(hold, 0);
    }
}

static void dispatch(AutoprobeHolds *holds, const struct inotify_event *event)
{
    Hold *hold = g_hash_table_lookup(holds->by_watch, GINT_TO_POINTER(event->wd));

    if (event->mask & IN_Q_OVERFLOW) {
        on_overflow(holds);
        return;
    }
    if (!hold || event->mask & IN_IGNORED)
        return;
    if (event->wd == hold->autoprobe_wd)
        on_autoprobe_written(hold);
    else if (event->mask & IN_OPEN)
        on_opened(hold);
    else
        on_closed(hold);
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t size = read(fd, buffer, sizeof buffer);

    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const struct inotify_event *) (buffer + at);

        dispatch(userdata, event);
        at += sizeof *event + event->len;
    }
    return 0;
}

/* --- which physical functions */

static int hold_open(Hold *hold, const char *syspath, const Device *device)
{
    int r = physical_function_open(hold->holds->root_fd, syspath, device);

    if (r < 0)
        return r;
    hold->fd = r;
    hold->numvfs_fd = openat(hold->fd, PHYSICAL_FUNCTION_NUMVFS, O_RDONLY | O_CLOEXEC);
    if (hold->numvfs_fd < 0)
        return -errno;
    return add_watch(hold, PHYSICAL_FUNCTION_NUMVFS, IN_OPEN | IN_CLOSE, &hold->numvfs_wd);
}

static int add_hold(AutoprobeHolds *holds, const char *syspath, const Device *device, Hold **ret)
{
    Hold *hold = g_new0(Hold, 1);
    int r;

    hold->holds = holds;
    hold->fd = hold->numvfs_fd = hold->numvfs_wd = hold->autoprobe_wd = -1;
    hold->key = record_key(device->facts->bus, device->facts->name);
    hold->bus = g_strdup(device->facts->bus);
    hold->name = g_strdup(device->facts->name);
    hold->inode = device->inode;
    r = hold_open(hold, syspath, device);
    if (r < 0) {
        hold_free(hold);
        return r;
    }
    g_hash_table_replace(holds->by_key, hold->key, hold);
    *ret = hold;
    return 0;
}

int autoprobe_holds_watch(AutoprobeHolds *holds, const char *syspath, const Device *device, bool wanted)
{
    g_autofree char *key = record_key(device->facts->bus, device->facts->name);
    Hold *hold = g_hash_table_lookup(holds->by_key, key);

    if (!hold && wanted) {
        int r = add_hold(holds, syspath, device, &hold);

        if (r < 0)
            return r;
    }
    if (!hold)
        return 0;
    hold->wanted = wanted;
    if (!wanted && hold->state == HOLD_NONE)
        g_hash_table_remove(holds->by_key, key);
    return 0;
}

void autoprobe_holds_forget(AutoprobeHolds *holds, const char *key)
{
    Hold *hold = g_hash_table_lookup(holds->by_key, key);

    if (!hold)
        return;
    if (hold->record)
        drop_record(hold);
    hold->ours = false;
    g_hash_table_remove(holds->by_key, key);
    tell_if_idle(holds);
}

/* --- what an earlier daemon has left */

/* Its physical function, if it is still that. */
static int find_recorded(const AutoprobeHolds *holds, const AutoprobeRecord *record, char **ret_syspath,
                         Device **ret)
{
    const RecordMember *member = record->members->pdata[0];
    g_autofree char *syspath = NULL;
    g_autoptr(Device) device = NULL;
    int r;

    if (!g_str_equal(record->boot_id, holds->boot_id))
        return -ENODEV;
    r = device_find(holds->root_fd, member->bus, member->name, &syspath);
    if (r >= 0)
        r = device_read(holds->root_fd, syspath, NULL, &device);
    if (r < 0)
        return r;
    if (device->inode != member->inode)
        return -ENODEV;
    *ret_syspath = g_steal_pointer(&syspath);
    *ret = g_steal_pointer(&device);
    return 0;
}

static int recover(AutoprobeHolds *holds, const char *key, char **ret_error)
{
    g_autoptr(AutoprobeRecord) record = NULL;
    g_autoptr(Device) device = NULL;
    g_autofree char *syspath = NULL;
    Hold *hold;
    int r = autoprobe_record_load(holds->root_fd, key, &record, ret_error);

    if (r < 0)
        return r;
    r = find_recorded(holds, record, &syspath, &device);
    hold = g_hash_table_lookup(holds->by_key, key);
    if (r >= 0 && !hold)
        r = add_hold(holds, syspath, device, &hold);
    if (r == -ENODEV)
        return autoprobe_record_remove(holds->root_fd, key);
    if (r < 0)
        return r;
    hold->record = g_steal_pointer(&record);
    if (physical_function_autoprobe(hold->fd) == 0)
        take_over(hold);
    log_notice("%s: brings an interrupted hold of its virtual functions to its end", hold->name);
    settle(hold);
    return 0;
}

int autoprobe_holds_recover(AutoprobeHolds *holds)
{
    g_auto(GStrv) keys = NULL;
    int r = autoprobe_record_list(holds->root_fd, &keys);

    if (r < 0)
        return r;
    for (char **key = keys; *key; key++) {
        g_autofree char *error = NULL;

        r = recover(holds, *key, &error);
        if (r < 0)
            log_error("%s: record of held virtual functions not recovered: %s", *key,
                      error ?: g_strerror(-r));
    }
    return 0;
}

/* --- life */

void autoprobe_holds_release(AutoprobeHolds *holds, const char *key, unsigned round)
{
    Hold *hold = g_hash_table_lookup(holds->by_key, key);

    if (hold && hold->state == HOLD_DECIDING && hold->round == round)
        have_drivers_bound(hold);
}

bool autoprobe_holds_are_idle(const AutoprobeHolds *holds)
{
    GHashTableIter iter;
    gpointer hold;

    g_hash_table_iter_init(&iter, holds->by_key);
    while (g_hash_table_iter_next(&iter, NULL, &hold))
        if (((const Hold *) hold)->state != HOLD_NONE)
            return false;
    return true;
}

int autoprobe_holds_new(sd_event *event, int root_fd, const AutoprobeCallbacks *callbacks, void *userdata,
                        AutoprobeHolds **ret)
{
    g_autoptr(AutoprobeHolds) holds = g_new0(AutoprobeHolds, 1);
    int r;

    holds->event = sd_event_ref(event);
    holds->root_fd = root_fd;
    holds->callbacks = *callbacks;
    holds->userdata = userdata;
    holds->by_watch = g_hash_table_new(NULL, NULL);
    holds->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, hold_free);
    holds->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (holds->inotify_fd < 0)
        return -errno;
    r = record_boot_id(root_fd, &holds->boot_id);
    if (r >= 0)
        r = sd_event_add_io(event, &holds->source, holds->inotify_fd, EPOLLIN, on_readable, holds);
    if (r >= 0)
        r = sd_event_source_set_priority(holds->source, WATCH_PRIORITY);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&holds);
    return 0;
}

AutoprobeHolds *autoprobe_holds_free(AutoprobeHolds *holds)
{
    if (!holds)
        return NULL;
    CLEAR_SOURCE(holds->source);
    g_hash_table_unref(holds->by_key);
    g_hash_table_unref(holds->by_watch);
    (void) safe_close(holds->inotify_fd);
    g_free(holds->boot_id);
    sd_event_unref(holds->event);
    g_free(holds);
    return NULL;
}
