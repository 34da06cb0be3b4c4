/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recover.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "autoprobe-hold.h"
#include "cleanup.h"
#include "diagnostic.h"
#include "function-types.h"
#include "instance-lock.h"
#include "job.h"
#include "journal.h"
#include "log.h"
#include "record.h"
#include "settings.h"
#include "transaction.h"
#include "worker.h"

/* Shorter than systemd's own limit (TimeoutStopSec=, 90 s): a `bind` that does not return must not keep
 * the unit from being started again. */
#define TOGETHER_USEC (60 * G_USEC_PER_SEC)

/* One record after the other: groups may hang together. Each in a worker, which goes on without us if it
 * has to. */
typedef struct Recovery {
    sd_event *event;
    int root_fd;
    Settings settings;
    Journal *journal;
    char **keys;
    guint next;
    Job *job;       /* at keys[next - 1] */
    Record *record; /* as it was before, or NULL: after a recovery that went well it is gone */
    char *step;     /* of the job, or NULL */
    int lock_fd;    /* no daemon runs that has holds of its own; -EBADF: one does */
    AutoprobeHolds *holds;
    GPtrArray *appeared; /* Appeared, whose types are being written */
    int result;
} Recovery;

static void recovery_clear(Recovery *recovery)
{
    (void) job_free(recovery->job);
    (void) autoprobe_holds_free(recovery->holds);
    g_clear_pointer(&recovery->appeared, g_ptr_array_unref);
    (void) safe_close(recovery->lock_fd);
    (void) journal_free(recovery->journal);
    g_clear_pointer(&recovery->record, record_free);
    g_strfreev(recovery->keys);
    g_free(recovery->step);
    sd_event_unref(recovery->event);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Recovery, recovery_clear)

static void start_next(Recovery *recovery);

static const char *current_key(const Recovery *recovery)
{
    return recovery->keys[recovery->next - 1];
}

static void report(const Recovery *recovery, const ChangeResult *result)
{
    const Record *record = recovery->record;
    const char *key = current_key(recovery);
    bool done = result->code == REFUSAL_NONE;
    JournalEntry *entry = journal_entry_new(done ? JOURNAL_RECOVERED : JOURNAL_BROKEN,
                                            done ? LOG_NOTICE : LOG_ERR);
    g_autofree char *text = NULL;

    if (record) {
        if (!record->lent)
            journal_entry_add_number(entry, "GROUP", record->group);
        for (guint i = 0; i < record->members->len; i++)
            journal_entry_add(entry, "DEVICE", ((const RecordMember *) record->members->pdata[i])->name);
        journal_entry_add(entry, "FROM", record->lent ? NULL : domain_type_to_string(record->old_type));
        journal_entry_add(entry, "TO", domain_type_to_string(record->wanted_type));
    }
    journal_entry_add(entry, "TYPE", domain_type_to_string(result->type));
    journal_entry_add(entry, "RESULT", done ? "done" : refusal_name(result->code));
    for (guint i = 0; i < result->notes->len; i++)
        journal_entry_add(entry, "NOTE", result->notes->pdata[i]);
    if (!done)
        text = refusal_text(result->code, result->object ?: key, NULL, result->detail);
    journal_entry_say(entry, "%s: %s", key, text ?: record && record->lent ? "taken back from pci-stub"
                                                                  : "recovered from an interrupted change");
    journal_write(recovery->journal, entry, NULL);
}

static void on_step(Job *job, const char *name, void *userdata)
{
    Recovery *recovery = userdata;

    g_free(recovery->step);
    recovery->step = g_strdup(name);
}

static void leave_running(Recovery *recovery)
{
    log_error("%s: %s does not return; its worker finishes by itself", current_key(recovery),
              recovery->step ?: "its recovery");
    recovery->result = -EIO;
    recovery->job = job_free(recovery->job);
}

static void on_late(Job *job, void *userdata)
{
    leave_running(userdata);
    start_next(userdata);
}

static void log_unreadable(int root_fd, const char *key)
{
    g_autoptr(Record) record = NULL;
    g_autofree char *text = NULL;

    if (record_load(root_fd, key, &record, &text) < 0)
        log_error("%s: record not recovered: %s", key, text ?: g_strerror(EBADMSG));
}

/* Returns 0 if nothing is left to be done, or somebody else does it. */
static int judge(const Recovery *recovery, int error, const ChangeResult *result)
{
    const char *key = current_key(recovery);

    if (error == -EWOULDBLOCK) {
        log_info("%s: its worker still runs and finishes by itself", key);
        return 0;
    }
    if (error == -ENOENT)
        return 0;
    if (error == -EBADMSG) {
        log_unreadable(recovery->root_fd, key);
        return -EIO;
    }
    if (error < 0 || !result) {
        log_error("%s: record not recovered: %s", key, job_error_text(error));
        return -EIO;
    }
    report(recovery, result);
    return result->code == REFUSAL_NONE ? 0 : -EIO;
}

static void on_done(Job *job, int error, GVariant *answer, void *userdata)
{
    Recovery *recovery = userdata;
    g_autoptr(ChangeResult) result = answer ? change_result_from_variant(answer) : NULL;

    if (judge(recovery, error, result) < 0)
        recovery->result = -EIO;
    recovery->job = job_free(recovery->job);
    start_next(recovery);
}

static void read_record(Recovery *recovery)
{
    g_autofree char *error = NULL;

    g_clear_pointer(&recovery->record, record_free);
    /* What is wrong with it, the recovery says. */
    (void) record_load(recovery->root_fd, recovery->keys[recovery->next], &recovery->record, &error);
}

/* Changes one after the other, holds beside them. */
static void end_if_done(const Recovery *recovery)
{
    if (!recovery->job && !recovery->keys[recovery->next] &&
        (!recovery->holds || autoprobe_holds_are_idle(recovery->holds)))
        (void) sd_event_exit(recovery->event, 0);
}

static void on_holds_ended(void *userdata)
{
    end_if_done(userdata);
}

static void start_next(Recovery *recovery)
{
    static const JobCallbacks callbacks = { .step = on_step, .late = on_late, .done = on_done };
    int r;

    g_clear_pointer(&recovery->step, g_free);
    for (; recovery->keys[recovery->next]; recovery->next++) {
        read_record(recovery);
        r = job_recover(recovery->event, recovery->root_fd, recovery->keys[recovery->next],
                        &recovery->settings.limits, &callbacks, recovery, &recovery->job);
        if (r >= 0) {
            recovery->next++;
            return;
        }
        log_error("%s: record not recovered: %s", recovery->keys[recovery->next], g_strerror(-r));
        recovery->result = -EIO;
    }
    end_if_done(recovery);
}

static int on_time_is_over(sd_event_source *source, uint64_t usec, void *userdata)
{
    Recovery *recovery = userdata;

    if (recovery->job)
        leave_running(recovery);
    else
        recovery->result = -EIO;
    return sd_event_exit(recovery->event, 0);
}

/* Virtual functions without a driver, of one physical function. */
typedef struct Appeared {
    Recovery *recovery;
    char *key;
    unsigned round;
    char **names;
    Worker *worker;
} Appeared;

static void appeared_free(void *data)
{
    Appeared *appeared = data;

    (void) worker_free(appeared->worker);
    g_strfreev(appeared->names);
    g_free(appeared->key);
    g_free(appeared);
}

static int write_types(int socket_fd, void *userdata)
{
    const Appeared *appeared = userdata;
    int r = function_types_write(appeared->recovery->root_fd, appeared->names);

    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void on_types_written(Worker *worker, int status, void *userdata)
{
    Appeared *appeared = userdata;
    Recovery *recovery = appeared->recovery;

    autoprobe_holds_release(recovery->holds, appeared->key, appeared->round);
    g_ptr_array_remove(recovery->appeared, appeared);
}

static void on_appeared(const char *key, unsigned round, char **names, void *userdata)
{
    static const WorkerCallbacks callbacks = { .done = on_types_written };
    Recovery *recovery = userdata;
    Appeared *appeared = g_new0(Appeared, 1);
    int r;

    appeared->recovery = recovery;
    appeared->key = g_strdup(key);
    appeared->round = round;
    appeared->names = g_strdupv(names);
    g_ptr_array_add(recovery->appeared, appeared);
    r = worker_start(recovery->event, &recovery->root_fd, 1, write_types, appeared, "b", &callbacks,
                     appeared, &appeared->worker);
    if (r >= 0)
        return;
    log_error("%s: the types of its virtual functions are not written: %s", key, g_strerror(-r));
    on_types_written(NULL, EXIT_FAILURE, appeared);
}

/* What drivers were kept from. */
static void recover_holds(Recovery *recovery)
{
    static const AutoprobeCallbacks callbacks = { .appeared = on_appeared, .idle = on_holds_ended };
    int r;

    recovery->lock_fd = r = instance_lock(recovery->root_fd);
    if (r >= 0)
        r = autoprobe_holds_new(recovery->event, recovery->root_fd, &callbacks, recovery, &recovery->holds);
    if (r >= 0)
        r = autoprobe_holds_recover(recovery->holds);
    if (r >= 0 || r == -EINTR)
        return;
    log_error("held virtual functions cannot be looked for: %s", g_strerror(-r));
    recovery->result = -EIO;
}

static int recovery_init(Recovery *recovery, int root_fd)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    sigset_t child;
    int r;

    recovery->root_fd = root_fd;
    recovery->appeared = g_ptr_array_new_with_free_func(appeared_free);
    record_discard_unfinished(root_fd);
    recovery->journal = journal_new(NULL);
    settings_set_defaults(&recovery->settings);
    /* What is wrong in it, the daemon has said. */
    (void) settings_load(root_fd, &recovery->settings, diagnostics);
    (void) sigemptyset(&child);
    (void) sigaddset(&child, SIGCHLD);
    (void) sigprocmask(SIG_BLOCK, &child, NULL);
    r = sd_event_new(&recovery->event);
    if (r >= 0)
        r = sd_event_add_time_relative(recovery->event, NULL, CLOCK_MONOTONIC, TOGETHER_USEC, 0,
                                       on_time_is_over, recovery);
    if (r >= 0)
        r = record_list(root_fd, &recovery->keys);
    if (r >= 0)
        recover_holds(recovery);
    return r;
}

int recover_all(int root_fd)
{
    g_auto(Recovery) recovery = { .lock_fd = -EBADF };
    int r = recovery_init(&recovery, root_fd);

    if (r < 0)
        return r;
    start_next(&recovery);
    r = sd_event_loop(recovery.event);
    return r < 0 ? r : recovery.result;
}
