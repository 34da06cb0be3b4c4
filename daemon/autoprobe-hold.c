/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "autoprobe-hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "autoprobe-setting.h"
#include "cleanup.h"
#include "file-watch.h"
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
    AutoprobeSetting setting;
    const char *key, *name; /* the setting's */
    bool wanted;     /* else it goes when the hold has ended */
    int numvfs_fd;   /* open before it is watched: reading from it is no open of ours to be told of */
    int numvfs_watch;

    HoldState state;
    unsigned opens;  /* how many have sriov_numvfs open, as far as is known: equal events are told as one */
    unsigned round;
    char **names;    /* for the worker that has drivers bound */
    Worker *worker;
    unsigned tries;
    sd_event_source *timer, *decision;
} Hold;

struct AutoprobeHolds {
    sd_event *event;
    int root_fd;
    AutoprobeCallbacks callbacks;
    void *userdata;
    FileWatch *files;
    GHashTable *by_key;   /* key -> Hold, owned */
};

static void settle(Hold *hold);
static void have_drivers_bound(Hold *hold);

/* --- the end */

static void hold_free(void *data)
{
    Hold *hold = data;

    CLEAR_SOURCE(hold->timer);
    CLEAR_SOURCE(hold->decision);
    hold->worker = worker_free(hold->worker);
    file_watch_remove(hold->holds->files, hold->numvfs_watch);
    (void) safe_close(hold->numvfs_fd);
    autoprobe_setting_close(&hold->setting);
    g_strfreev(hold->names);
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

    autoprobe_setting_give_back(&hold->setting);
    CLEAR_SOURCE(hold->timer);
    autoprobe_setting_forget(&hold->setting);
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

/* The setting is the administrator's again: as it was, or as he has set it since. */
static void have_drivers_bound(Hold *hold)
{
    CLEAR_SOURCE(hold->timer);
    CLEAR_SOURCE(hold->decision);
    autoprobe_setting_give_back(&hold->setting);
    g_strfreev(hold->names);
    hold->names = autoprobe_setting_list_new(&hold->setting);
    if (!*hold->names || physical_function_autoprobe(hold->setting.fd) != 1) {
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
    g_auto(GStrv) names = autoprobe_setting_list_new(&hold->setting);
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

    if (physical_function_autoprobe(hold->setting.fd) != 1 || !bus_probes(hold->holds))
        return;
    r = autoprobe_setting_take(&hold->setting);
    if (r >= 0) {
        log_debug("%s: virtual functions that appear are held", hold->name);
        return;
    }
    log_warning("%s: its virtual functions cannot be held: %s", hold->name, g_strerror(-r));
    if (hold->state == HOLD_NONE)
        autoprobe_setting_forget(&hold->setting);
}

/* What was to end goes on. Those that a worker had still to give to their driver are among the new ones
 * then. */
static void on_opened(Hold *hold)
{
    hold->opens++;
    if (!hold->wanted)
        return;
    if (!hold->setting.ours)
        begin(hold);
    if (!hold->setting.ours)
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

static void on_events_lost(Hold *hold)
{
    hold->opens = 0;
    if (hold->state == HOLD_OPEN)
        set_limit(hold, 0);
}

static void on_file_event(void *file, uint32_t mask, void *userdata)
{
    Hold *hold = file;

    if (mask & IN_Q_OVERFLOW)
        on_events_lost(hold);
    else if (mask & IN_MODIFY)
        autoprobe_setting_written(&hold->setting);
    else if (mask & IN_OPEN)
        on_opened(hold);
    else
        on_closed(hold);
}

/* --- which physical functions */

static int add_hold(AutoprobeHolds *holds, const char *syspath, const Device *device, Hold **ret)
{
    Hold *hold = g_new0(Hold, 1);
    int r;

    hold->holds = holds;
    hold->numvfs_fd = hold->numvfs_watch = -1;
    r = autoprobe_setting_open(&hold->setting, holds->root_fd, syspath, device, holds->files, hold);
    if (r >= 0) {
        hold->key = hold->setting.key;
        hold->name = hold->setting.name;
        r = hold->numvfs_fd = openat(hold->setting.fd, PHYSICAL_FUNCTION_NUMVFS, O_RDONLY | O_CLOEXEC);
        if (r < 0)
            r = -errno;
    }
    if (r >= 0)
        r = hold->numvfs_watch = file_watch_add(holds->files, hold->setting.fd, PHYSICAL_FUNCTION_NUMVFS,
                                                IN_OPEN | IN_CLOSE, hold);
    if (r < 0) {
        hold_free(hold);
        return r;
    }
    g_hash_table_replace(holds->by_key, hold->setting.key, hold);
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
    autoprobe_setting_gone(&hold->setting);
    g_hash_table_remove(holds->by_key, key);
    tell_if_idle(holds);
}

/* --- what an earlier daemon has left */

/* Its physical function, if it is still that. */
static int find_recorded(const AutoprobeHolds *holds, const AutoprobeRecord *record, char **ret_syspath,
                         Device **ret)
{
    const RecordMember *member = record->members->pdata[0];
    g_autofree char *boot_id = NULL, *syspath = NULL;
    g_autoptr(Device) device = NULL;
    int r;

    r = record_boot_id(holds->root_fd, &boot_id);
    if (r < 0)
        return r;
    if (!g_str_equal(record->boot_id, boot_id))
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
    autoprobe_setting_inherit(&hold->setting, g_steal_pointer(&record));
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
    holds->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, hold_free);
    r = file_watch_new(event, WATCH_PRIORITY, on_file_event, holds, &holds->files);
    if (r < 0)
        return r;
    *ret = g_steal_pointer(&holds);
    return 0;
}

AutoprobeHolds *autoprobe_holds_free(AutoprobeHolds *holds)
{
    if (!holds)
        return NULL;
    g_hash_table_unref(holds->by_key);
    holds->files = file_watch_free(holds->files);
    sd_event_unref(holds->event);
    g_free(holds);
    return NULL;
}
