/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "device-features.h"
#include "findings.h"
#include "persist.h"
#include "record.h"
#include "worker.h"

/* step, its limit in µs, and "" · "", -errno or 0, and the answer */
#define MESSAGE_FORMAT "(sxv)"
/* The kernel's MAX_ERRNO (include/linux/err.h). */
#define ERRNO_MAX 4095
#define READ_DEADLINE_USEC (30 * G_GUINT64_CONSTANT(1000000))

struct Job {
    Worker *worker;
    JobCallbacks callbacks;
    void *userdata;
    int error;
    GVariant *answer;
};

/* What the child is to do. It is only read there, in the copy of the memory that fork() made. */
typedef struct Task {
    int (*perform)(const struct Task *task, int socket_fd, GVariant **ret_answer);
    int root_fd;
    bool only_reads;
    const ChangeRequest *request;
    const ChangeLimits *limits;
    const char *name; /* key of a record, path of a device or of a file */
    const char *text; /* of the file */
    char **members;
} Task;

static int perform(int socket_fd, void *userdata)
{
    const Task *task = userdata;
    GVariant *answer = NULL;
    int r;

    if (task->only_reads)
        worker_end_with_daemon();
    r = task->perform(task, socket_fd, &answer);
    if (!answer)
        answer = g_variant_new_boolean(FALSE);
    r = worker_send(socket_fd, g_variant_new("(sxv)", "", (gint64) MIN(r, 0), answer));
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void send_step(const char *step, uint64_t limit_usec, void *userdata)
{
    const int *socket_fd = userdata;

    (void) worker_send(*socket_fd,
                      g_variant_new("(sxv)", step, (gint64)limit_usec, g_variant_new_boolean(FALSE)));
}

static int perform_survey(const Task *task, int socket_fd, GVariant **ret_answer)
{
    g_autoptr(ChangeSurvey) survey = NULL;
    int r = transaction_survey(task->root_fd, task->request, &survey);

    if (r >= 0)
        *ret_answer = change_survey_to_variant(survey);
    return r;
}

static int perform_run(const Task *task, int socket_fd, GVariant **ret_answer)
{
    g_autoptr(ChangeResult) result = NULL;
    int r = transaction_run(task->root_fd, task->request, send_step, &socket_fd, &result);

    if (r >= 0)
        *ret_answer = change_result_to_variant(result);
    return r;
}

static int perform_recover(const Task *task, int socket_fd, GVariant **ret_answer)
{
    g_autoptr(ChangeResult) result = NULL;
    int r = transaction_recover(task->root_fd, task->name, task->limits, send_step, &socket_fd, &result);

    if (r >= 0)
        *ret_answer = change_result_to_variant(result);
    return r;
}

static int perform_wait_lock(const Task *task, int socket_fd, GVariant **ret_answer)
{
    int fd = record_lock(task->root_fd, task->name, true);

    if (fd < 0)
        return fd;
    (void) close(fd);
    return 0;
}

static int perform_findings(const Task *task, int socket_fd, GVariant **ret_answer)
{
    g_autoptr(GPtrArray) findings = NULL;
    int r = findings_collect(task->root_fd, task->members, FINDINGS_ALL, &findings);

    if (r >= 0)
        *ret_answer = findings_to_variant(findings);
    return r;
}

static int perform_features(const Task *task, int socket_fd, GVariant **ret_answer)
{
    return features_read(task->root_fd, task->name, ret_answer);
}

static int perform_persist(const Task *task, int socket_fd, GVariant **ret_answer)
{
    return persist_write(task->root_fd, task->name, task->text);
}

static void on_message(Worker *worker, GVariant *message, void *userdata)
{
    Job *job = userdata;
    g_autoptr(GVariant) answer = NULL;
    const char *step;
    gint64 number;

    g_variant_get(message, "(&sxv)", &step, &number, &answer);
    if (!*step) {
        job->error = (int) CLAMP(number, -ERRNO_MAX, 0);
        g_clear_pointer(&job->answer, g_variant_unref);
        job->answer = g_steal_pointer(&answer);
        return;
    }
    (void) worker_set_deadline(worker, (uint64_t) MAX(number, 0));
    if (job->callbacks.step)
        job->callbacks.step(job, step, job->userdata);
}

static void on_late(Worker *worker, void *userdata)
{
    Job *job = userdata;

    if (job->callbacks.late)
        job->callbacks.late(job, job->userdata);
}

static void on_done(Worker *worker, int status, void *userdata)
{
    Job *job = userdata;
    g_autoptr(GVariant) answer = g_steal_pointer(&job->answer);

    job->callbacks.done(job, job->error, job->error < 0 ? NULL : answer, job->userdata);
}

static int job_start(sd_event *event, Task *task, uint64_t deadline_usec, const JobCallbacks *callbacks,
                     void *userdata, Job **ret)
{
    static const WorkerCallbacks worker_callbacks = {
        .message = on_message, .done = on_done, .late = on_late};
    g_autoptr(Job) job = g_new0(Job, 1);
    int r;

    job->callbacks = *callbacks;
    job->userdata = userdata;
    job->error = -ECHILD;
    r = worker_start(event, &task->root_fd, 1, perform, task, MESSAGE_FORMAT, &worker_callbacks, job,
                     &job->worker);
    if (r < 0)
        return r;
    if (deadline_usec > 0)
        (void) worker_set_deadline(job->worker, deadline_usec);
    *ret = g_steal_pointer(&job);
    return 0;
}

int job_survey(sd_event *event, int root_fd, const ChangeRequest *request, const JobCallbacks *callbacks,
               void *userdata, Job **ret)
{
    Task task = { .perform = perform_survey, .only_reads = true, .root_fd = root_fd, .request = request };

    return job_start(event, &task, READ_DEADLINE_USEC, callbacks, userdata, ret);
}

int job_run(sd_event *event, int root_fd, const ChangeRequest *request, const JobCallbacks *callbacks,
            void *userdata, Job **ret)
{
    Task task = { .perform = perform_run, .root_fd = root_fd, .request = request };

    /* Before its first step a change only reads, and probes disks. */
    return job_start(event, &task, READ_DEADLINE_USEC, callbacks, userdata, ret);
}

int job_recover(sd_event *event, int root_fd, const char *key, const ChangeLimits *limits,
                const JobCallbacks *callbacks, void *userdata, Job **ret)
{
    Task task = { .perform = perform_recover, .root_fd = root_fd, .name = key, .limits = limits };

    return job_start(event, &task, READ_DEADLINE_USEC, callbacks, userdata, ret);
}

int job_wait_lock(sd_event *event, int root_fd, const char *key, const JobCallbacks *callbacks,
                  void *userdata, Job **ret)
{
    Task task = { .perform = perform_wait_lock, .only_reads = true, .root_fd = root_fd, .name = key };

    return job_start(event, &task, 0, callbacks, userdata, ret);
}

int job_findings(sd_event *event, int root_fd, char **members, const JobCallbacks *callbacks, void *userdata,
                 Job **ret)
{
    Task task = { .perform = perform_findings, .only_reads = true, .root_fd = root_fd, .members = members };

    return job_start(event, &task, READ_DEADLINE_USEC, callbacks, userdata, ret);
}

int job_features(sd_event *event, int root_fd, const char *syspath, const JobCallbacks *callbacks,
                 void *userdata, Job **ret)
{
    Task task = { .perform = perform_features, .only_reads = true, .root_fd = root_fd, .name = syspath };

    return job_start(event, &task, READ_DEADLINE_USEC, callbacks, userdata, ret);
}

int job_persist(sd_event *event, int root_fd, const char *path, const char *text,
                const JobCallbacks *callbacks, void *userdata, Job **ret)
{
    Task task = { .perform = perform_persist, .root_fd = root_fd, .name = path, .text = text };

    return job_start(event, &task, READ_DEADLINE_USEC, callbacks, userdata, ret);
}

void job_set_deadline(Job *job, uint64_t usec)
{
    (void) worker_set_deadline(job->worker, usec);
}

const char *job_error_text(int error)
{
    switch (error) {
    case -ECHILD:
        return "the process that looked was ended before it had answered";
    case 0:
        return "the process that looked gave no answer that can be understood";
    default:
        return g_strerror(-error);
    }
}

Job *job_free(Job *job)
{
    if (!job)
        return NULL;
    job->worker = worker_free(job->worker);
    g_clear_pointer(&job->answer, g_variant_unref);
    g_free(job);
    return NULL;
}
