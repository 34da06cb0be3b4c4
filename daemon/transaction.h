/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "domain-type.h"
#include "finding-kind.h"
#include "group-view.h"
#include "refusal.h"

/*
 * One change of one group: the locked sequence of unbind, switch, rebind, and the way back. Knows no bus and
 * no loop; everything here may block and runs in a worker process. Rules and calls use the same road.
 *
 *   survey   read the group afresh, plan, gather passive findings: changes nothing
 *   run      the change
 *   recover  what a change left behind that was killed
 */

typedef enum ChangeHow {
    CHANGE_NOTHING,    /* the type is already there */
    CHANGE_LIVE,       /* DMA to DMA-FQ with the drivers bound */
    CHANGE_UNBOUND,    /* nothing needs to be unbound */
    CHANGE_DISRUPTIVE, /* unbind, switch, rebind */
    CHANGE_REFUSED,
    _CHANGE_HOW_MAX,
    _CHANGE_HOW_INVALID = -EINVAL,
} ChangeHow;
/* "nothing" "live" "unbound" "disruptive" "refused" */
const char *change_how_to_string(ChangeHow how);

/* A member as it was when the change was authorised or planned. */
typedef struct ChangeMember {
    char *bus, *name, *syspath;
    uint64_t inode;
    char *driver;      /* or NULL */
    bool unbinds;      /* this plan unbinds it */
} ChangeMember;

/* Both copy what they are given; free() accepts NULL. */
ChangeMember *change_member_new(const char *bus, const char *name, const char *syspath);
void change_member_free(ChangeMember *member);

typedef struct ChangeLimits {
    uint64_t unbind_usec;  /* default 30 s */
    uint64_t type_usec;    /* default 30 s */
    uint64_t bind_usec;    /* default 180 s */
    uint64_t probe_usec;   /* default 90 s: how long a probe may still fail after bind returned */
} ChangeLimits;

typedef struct ChangeRequest {
    unsigned group;
    DomainType type;           /* wanted */
    DomainTypeSet out;         /* types the group must not end in (forbidden ...); for reading back */
    char *origin;              /* "rule:/etc/...:4" or "call:uid=1000": record and journal */
    bool by_rule;
    bool may_unbind;           /* unbind=idle */
    FindingKindSet accept;     /* a rule's Accept= */
    char **allow;              /* finding ids a call allows, or NULL */
    ChangeLimits limits;

    /* What was authorised; anything different or less favourable is refused as DeviceChanged or InUse.
     * Absent (NULL) in a survey. */
    GPtrArray *members;        /* ChangeMember */
    DomainType type_from;
    ChangeHow how;
} ChangeRequest;

/* A request with the default limits, for a survey: nothing authorised, nothing may be unbound. */
ChangeRequest *change_request_new(unsigned group, DomainType type);
void change_request_free(ChangeRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChangeRequest, change_request_free)

typedef struct ChangeSurvey {
    ChangeHow how;
    DomainType type_from;
    GPtrArray *members;        /* ChangeMember, unbind order: children before parents */
    GPtrArray *findings; /* Finding: of the members that would be unbound (owner alone for live and unbound
                            plans) */
    RefusalCode refusal;       /* REFUSAL_NONE unless how is CHANGE_REFUSED, or findings stand in the way */
    char *object, *detail;     /* for refusal_text(); may be NULL */
} ChangeSurvey;

/* A survey that refuses, without members and findings. */
ChangeSurvey *change_survey_new(void);
void change_survey_free(ChangeSurvey *survey);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChangeSurvey, change_survey_free)

/* Reads afresh and plans. Returns 0 with *ret, also for a refusal; -ENOENT: no such group; -ENODEV: a member
 * was taken out or put in meanwhile; -errno. Changes nothing, takes no lock. */
int transaction_survey(int root_fd, const ChangeRequest *request, ChangeSurvey **ret);

/* The plan alone, pure: from what was read to HOW, order and refusal. */
void transaction_plan(const GroupView *view, const ChangeRequest *request, ChangeSurvey *survey);

/* How long a step took; from its beginning to that of the next. */
typedef struct ChangeStepTime {
    char *name;                /* as ChangeStep is told it; the first, "look", is what comes before */
    uint64_t usec;
} ChangeStepTime;

typedef struct ChangeResult {
    RefusalCode code;          /* REFUSAL_NONE: done */
    char *object, *detail;     /* for refusal_text() */
    int error;                 /* the first errno, positive, or 0 */
    DomainType type;           /* as read back last, _DOMAIN_TYPE_INVALID if never read */
    ChangeHow how;
    bool undone;               /* something was unbound and everything is back as it was */
    bool broken;               /* a member is left without its driver, or with the wrong type */
    GPtrArray *findings;       /* Finding: what stood in the way, for InUse */
    GPtrArray *notes; /* char *: stricter type than asked, names that changed, links that went down */
    GPtrArray *steps;          /* ChangeStepTime, in their order: their sum is total_usec */
    uint64_t kernel_usec;      /* time spent inside writes to sysfs */
    uint64_t total_usec;
} ChangeResult;

ChangeResult *change_result_new(void);
void change_result_free(ChangeResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChangeResult, change_result_free)

/* Called before each step that may block: its name ("unbind 0000:00:04.0", "write type", ...) and how
 * long it may take (0: no limit of its own). */
typedef void (*ChangeStep)(const char *step, uint64_t limit_usec, void *userdata);

/*
 * Runs REQUEST. Takes the group's lock first, without waiting: somebody else's lock is REFUSAL_BUSY. Returns
 * 0 with *ret for every outcome that can be told, refusals included; -EINVAL if the request has no origin or
 * no authorised members; -ENOMEM.
 */
int transaction_run(int root_fd, const ChangeRequest *request, ChangeStep step, void *userdata,
                    ChangeResult **ret);

/*
 * Recovers the record KEY if its lock is free: step 7 for members without a driver, same inode, no sibling
 * owned through VFIO; then removes it. Forces no type. A record of another boot is removed (*ret->notes says
 * so). Idempotent. Returns 0 with *ret; -EWOULDBLOCK: the lock is held, its owner finishes by itself;
 * -EBADMSG: the record cannot be read (*ret has the text, the record stays); -ENOENT: none.
 */
int transaction_recover(int root_fd, const char *key, const ChangeLimits *limits, ChangeStep step,
                        void *userdata, ChangeResult **ret);

/* For a worker's messages; floating, of these types. The readers return NULL for a value of another type, or
 * with a number that has no meaning. */
#define CHANGE_SURVEY_FORMAT "(iia(ssstsb)a(ssisssi)iss)"
#define CHANGE_RESULT_FORMAT "(issiiibba(ssisssi)asa(st)tt)"
GVariant *change_survey_to_variant(const ChangeSurvey *survey);
ChangeSurvey *change_survey_from_variant(GVariant *variant);
GVariant *change_result_to_variant(const ChangeResult *result);
ChangeResult *change_result_from_variant(GVariant *variant);
