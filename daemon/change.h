/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "auth.h"
#include "change-queue.h"
#include "job.h"
#include "journal.h"
#include "notify.h"
#include "refusal.h"
#include "transaction.h"

/*
 * One requested change of one group. A rule's goes straight to the queue. A call's is surveyed first, so
 * that what is asked of polkit is what would be done; then authorised, judged again, and put into the same
 * queue. A recovery repairs what an interrupted change left.
 *
 * A change holds the number of its group and looks the group up after every wait. It belongs to the manager
 * until it ends.
 */
typedef enum ChangeOrigin {
    CHANGE_BY_RULE,
    CHANGE_BY_CALL,
    CHANGE_BY_RECOVERY,
} ChangeOrigin;

typedef struct ChangeOptions {
    bool may_unbind;
    char **allow;   /* finding ids, or NULL */
    bool persist;
    bool wait;
    char *reason;   /* or NULL */
} ChangeOptions;

/* Frees what OPTIONS owns, not OPTIONS. */
void change_options_clear(ChangeOptions *options);

/* What a caller is answered: CODE REFUSAL_NONE with TYPE, else the parts of refusal_text(). */
typedef struct ChangeAnswer {
    RefusalCode code;
    const char *object, *target, *detail;
    DomainType type;
} ChangeAnswer;
typedef void (*ChangeReply)(sd_bus_message *message, const ChangeAnswer *answer);

typedef struct Change {
    QueueItem item;
    Manager *manager;
    ChangeOrigin origin;
    ChangeRequest *request;
    char *record_key;        /* of a recovery */
    unsigned recoveries;     /* how many before this recovery were cut off */
    Job *job;                /* survey, run, recovery or persist: one at a time */
    char *step;              /* what it does now, for a Timeout */
    uint64_t started_at;     /* monotonic µs */
    bool running;            /* its turn has come */

    /* of a call */
    sd_bus_message *message; /* NULL once it is answered */
    ChangeReply reply;
    ChangeOptions options;
    Caller caller;
    CallPlace *place;        /* in the manager's limits */
    AuthQuestion *question;
    ChangeSurvey *survey;
    FindingKindSet accepted; /* disruptive kinds that the call allowed */
} Change;

/* A call of SetType(): MESSAGE of CALLER, which has its PLACE in the manager's limits. */
typedef struct ChangeCall {
    sd_bus_message *message;
    Caller caller;
    CallPlace *place;
    DomainType type;
    ChangeOptions options;
    ChangeReply reply;
} ChangeCall;

/* Answers CALL, for GROUP, through its reply, now or later. Takes its place and its options over. */
void change_new_for_call(Manager *manager, ManagedGroup *group, ChangeCall *call);

/* The change that a rule wants, ready for the queue. REQUEST is taken over. */
Change *change_new_for_rule(Manager *manager, const ManagedGroup *group, ChangeRequest *request);

/* What the record KEY of the group numbered GROUP says is to be repaired; ready for the queue. */
Change *change_new_for_recovery(Manager *manager, unsigned group, const char *key);

/* The change of a queue's item. */
static inline Change *change_from_item(QueueItem *item)
{
    return (Change *) ((char *) item - offsetof(Change, item));
}

/* The caller may have CHANGE, which has been surveyed: judges it once more and puts it into the queue, or
 * answers the caller and frees it. */
void change_authorised(Change *change);

/* Its turn has come, if it still may have it: else it is answered, freed, and false is returned. */
bool change_may_start(Change *change);

/* Its turn has come. Returns 0 or -errno of starting the worker. */
int change_start(Change *change);

/* Answers the caller, if one still waits: the type with REFUSAL_NONE, else the refusal. OBJECT may be NULL
 * (the group), DETAIL too. */
void change_answer(Change *change, RefusalCode code, const char *object, const char *detail);

/* Answers the caller, ends CHANGE and frees it; with REFUSAL_NONE it has succeeded. */
void change_refuse(Change *change, RefusalCode code, const char *detail);

/* Frees CHANGE, which may be NULL, with its worker and its question to polkit; nobody is answered. */
void change_free(Change *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Change, change_free)
