/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "transaction.h"

/*
 * One thing that may block, done in a worker: it can tell its steps, and ends with one answer. Who asks
 * keeps the job and frees it when it has ended, or earlier to forget it (the worker itself goes on).
 */
typedef struct Job Job;

typedef struct JobCallbacks {
    /* A step begins: NAME for people. The job's deadline is already that of the step. May be NULL. */
    void (*step)(Job *job, const char *name, void *userdata);
    /* The deadline passed; the worker goes on and `done` comes when it ends, if ever. May be NULL. */
    void (*late)(Job *job, void *userdata);
    /* It ended: ERROR is 0 with ANSWER (borrowed), or -errno; -ECHILD if the worker ended without an answer.
     */
    void (*done)(Job *job, int error, GVariant *answer, void *userdata);
} JobCallbacks;

/* Each starts a worker and returns 0 with *ret, or -errno. What they are given is only used during the call.
 */

/* transaction_survey(); answer: change_survey_from_variant(). */
int job_survey(sd_event *event, int root_fd, const ChangeRequest *request, const JobCallbacks *callbacks,
               void *userdata, Job **ret);

/* transaction_run(); answer: change_result_from_variant(). */
int job_run(sd_event *event, int root_fd, const ChangeRequest *request, const JobCallbacks *callbacks,
            void *userdata, Job **ret);

/* transaction_recover(); answer: change_result_from_variant(). */
int job_recover(sd_event *event, int root_fd, const char *key, const ChangeLimits *limits,
                const JobCallbacks *callbacks, void *userdata, Job **ret);

/* Waits until nobody holds the lock of the change KEY, with the deadline that job_set_deadline() gives
 * it; answer: nothing of use. */
int job_wait_lock(sd_event *event, int root_fd, const char *key, const JobCallbacks *callbacks,
                  void *userdata, Job **ret);

/* findings_collect() of all kinds for MEMBERS ("sys/devices/..."); answer: findings_from_variant(). */
int job_findings(sd_event *event, int root_fd, char **members, const JobCallbacks *callbacks, void *userdata,
                 Job **ret);

/* features_read(); answer: a{s(bb)}. */
int job_features(sd_event *event, int root_fd, const char *syspath, const JobCallbacks *callbacks,
                 void *userdata, Job **ret);

/* persist_write(); answer: nothing of use. */
int job_persist(sd_event *event, int root_fd, const char *path, const char *text,
                const JobCallbacks *callbacks, void *userdata, Job **ret);

/* The deadline, from now; 0 takes it away. */
void job_set_deadline(Job *job, uint64_t usec);

/* For people: what the negative errno of `done` means. */
const char *job_error_text(int error);

/* Accepts NULL; returns NULL. */
Job *job_free(Job *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Job, job_free)
