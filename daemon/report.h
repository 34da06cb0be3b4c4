/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "add-writers.h"
#include "change.h"
#include "early-note.h"
#include "managed-group.h"
#include "rule-set.h"

/*
 * What the manager tells of groups, changes and rules, as entries of the journal (journal.h). Passive
 * looks are not told, and a settled machine tells nothing. Refusals of calls are told as far as
 * refusal-rate.h has room for them.
 */

/* What RESULT (NULL: the worker was cut off) means, for people: what LastResult says; "" if all is said with
 * the type. The caller frees it. */
char *report_text(const ManagedGroup *group, const ChangeResult *result);

/* The detail of RESULT's refusal with what users of the devices have to see to, or NULL. The caller
 * frees it. */
char *report_detail(const ChangeResult *result);

/* CHANGE ended with RESULT, which reads as TEXT. A rule's refusal that says what the last one said is
 * not told again. */
void report_result(const Change *change, ManagedGroup *group, const ChangeResult *result, const char *text);

/* A call's CHANGE is refused before it began. OBJECT and DETAIL as for change_answer(). */
void report_refused(const Change *change, RefusalCode code, const char *object, const char *detail);

/* A call that was refused and is no change, or has not become one. */
typedef struct RefusedCall {
    const char *method;
    const Caller *caller;
    unsigned group;      /* NO_GROUP: it is not about one, or nobody has looked */
    DomainType type;     /* asked for, or _DOMAIN_TYPE_INVALID */
    const char *reason;  /* as the caller gave it, or NULL */
    RefusalCode code;
    const char *object, *detail; /* as for change_answer() */
} RefusedCall;
void report_call_refused(Manager *manager, const RefusedCall *call);

/* A call's CHANGE goes on in spite of findings that it allows. */
void report_override(const Change *change, const ManagedGroup *group);

/* A rule's change has to wait for the end of a use that SURVEY found: told once, until it finds another. */
void report_in_use(ManagedGroup *group, const ChangeSurvey *survey);

/* What an interrupted change left is not put right any more before the next start. */
void report_given_up(const ManagedGroup *group);

/* A step of the group's change does not return; and it has. */
void report_stuck(const ManagedGroup *group, const Change *change);
void report_goes_on(const ManagedGroup *group, const Change *change);

/* Somebody else has written TYPE. */
void report_drift(const ManagedGroup *group, DomainType type);

/* --- report-rule.c: what rules ask for and cannot have, told once, until it is something else. DECISION
 * says what is wanted. */

/* The group is in a type that a rule forbids. */
void report_forbidden_type(ManagedGroup *group, const Decision *decision);
/* Its devices are to have different types, or the kernel forces one that a rule does not ask for. */
void report_conflict(ManagedGroup *group, const Decision *decision);
/* Its type can never be changed, and there are rules for it. */
void report_ignored(ManagedGroup *group, const Decision *decision);

/* --- the rest */

/* What CALLER had asked for is dropped: back to WANTED (_DOMAIN_TYPE_INVALID: nothing). */
void report_call_dropped(const ManagedGroup *group, DomainType dropped, const Caller *caller);

/* The rule files have been read again because CALLER asked for it; ERRORS and WARNINGS stand in lines
 * before. */
void report_reloaded(Manager *manager, unsigned errors, unsigned warnings, const Caller *caller);
/* What the early pass of STAGE has left; each failure is an entry of its own. */
void report_early_pass(Manager *manager, EarlyStage stage, const EarlyNote *note);
/* The initramfs has no longer, or has again, the rules that are on disk. */
void report_image(Manager *manager, bool stale);
/* The rules are frozen from now on. CALLER NULL: found so at start. */
void report_frozen(Manager *manager, const Caller *caller);

/* A device was added to GROUP, and its type was written before a driver was bound: or after, as DECISION
 * says what a rule had wanted then. */
void report_add_before_driver(const ManagedGroup *group, const AddedDevice *added);
void report_add_after_driver(const ManagedGroup *group, const Decision *decision);
