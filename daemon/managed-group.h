/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "call-limits.h"
#include "decision.h"
#include "domain-type.h"
#include "finding-kind.h"
#include "group-state.h"
#include "job.h"
#include "managed-device.h"
#include "moment.h"
#include "notify.h"

#define NO_GROUP UINT_MAX /* the kernel counts from 0, and in int */

/* Whether the last survey found the members of a group in use. */
typedef enum GroupUse {
    USE_UNKNOWN, /* nobody has looked, or something has happened since */
    USE_BUSY,
    USE_CLEAR,
} GroupUse;

/* Somebody who keeps rules away from a group for as long as a descriptor is open. */
typedef struct Inhibitor {
    char *who, *why;
    sd_event_source *source; /* on the end of the pipe that we keep */
    CallPlace *place;        /* in the manager's limits */
} Inhibitor;

/* How the last change ended. */
typedef struct LastResult {
    uint64_t realtime_usec; /* 0: there was none */
    DomainType type;        /* asked for */
    const char *error;      /* D-Bus name, or NULL; static */
    char *text;
} LastResult;

/* What the daemon knows of one IOMMU group. It lives as long as the group has a member. */
struct ManagedGroup {
    Manager *manager;      /* borrowed: who keeps it */
    unsigned id;
    GPtrArray *members;    /* ManagedDevice, sorted by key; borrowed */
    char *key;             /* of the first member, as records are named; NULL without members */

    /* what was read */
    bool type_known;
    DomainType type;       /* _DOMAIN_TYPE_INVALID before the first read */
    bool written;          /* somebody has written it since its members appeared, as far as is known */
    bool watched;          /* writes of others to its type are seen */
    int read_error;        /* of the last read, or 0 */
    Moment moment;         /* when the type was set */
    char *moment_by;       /* who asked for it: "file:line", "call:..."; or NULL */
    uint64_t moment_usec;  /* monotonic */
    GArray *reserved;      /* ReservedRegion, or NULL */
    char *unsupported;     /* why its type can never be changed, or NULL */

    /* what was decided */
    DomainType wanted;     /* _DOMAIN_TYPE_INVALID: nothing */
    char *wanted_by;       /* never NULL */
    bool conflict;
    bool type_forbidden;
    DomainTypeSet out;
    DomainTypeSet not_given;
    GroupState state;
    PendingReason reason;
    char *reason_text;     /* for people, or NULL */

    /* what happens */
    bool changing;         /* a change runs, ours or an orphan's */
    bool queued;           /* a rule's change waits for its turn */
    bool stuck;            /* and has not returned in its time */
    bool broken;           /* a member is left without its driver */
    char *step;            /* of the change, or NULL */
    LastResult last_result;
    unsigned refusal_told; /* of a rule's change, as the journal has it; 0: none since */
    bool forbidden_told;   /* the journal has it that the type is forbidden */
    unsigned ignored_told; /* which rules cannot act on it, as the journal has it; 0: none */
    unsigned conflict_told; /* which rules contradict each other, likewise */
    char **last_findings;  /* ids that stood in the way of the last change: a call may allow them */
    bool scanning;         /* its type is being read */
    bool events_missed;    /* something happened while it was changing */
    bool use_ended;        /* some use ended, perhaps of its devices, while it was changing */

    /* a device was added at run time */
    bool has_newcomer;     /* and whether a rule or its driver was first is not settled yet */
    bool driver_was_first; /* a rule in force had come first, if there had been the time */

    /* before a rule unbinds */
    Job *survey;
    bool survey_late;      /* it has not returned in its time, and counts for nobody */
    GroupUse use;
    bool owned;            /* USE_BUSY by who stands in the way of a change that unbinds nothing, too */
    uint64_t clear_since;  /* monotonic µs, with USE_CLEAR */
    uint64_t surveyed_at;  /* monotonic µs */
    FindingKindSet kinds_seen; /* kinds of findings of the last survey */
    sd_event_source *timer; /* when to survey again */

    /* what was tried */
    unsigned tried;        /* fingerprint of what failed, 0: nothing */
    bool tried_in_use;     /* it failed because a disk refused although no use is seen */
    bool tried_race;       /* it failed because a driver bound first */
    FindingKindSet tried_kinds;
    bool call_undone;      /* the last change was a call's, failed, and was taken back */
    unsigned differed;     /* how often in a row the members were not those that had been judged */

    bool auto_settled;     /* `auto` was written to these members, or nobody wrote since they appeared */
    GPtrArray *inhibitors; /* Inhibitor, or NULL */

    unsigned changed;      /* GroupProperty bits that nobody was told of yet */
    bool announced;        /* the faces know of it */
    unsigned counted;      /* ManagerProperty bits: in which of the manager's numbers it counts */
};

ManagedGroup *managed_group_new(Manager *manager, unsigned id);
void managed_group_free(ManagedGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ManagedGroup, managed_group_free)

/* Each keeps `key` right and notes in `changed`. Returns true if the members are others than before. */
bool managed_group_add_member(ManagedGroup *group, ManagedDevice *device);
bool managed_group_remove_member(ManagedGroup *group, ManagedDevice *device);

/* Each sets one value and notes in `changed` if it differs. RESERVED is copied, STEP too. */
void managed_group_set_type(ManagedGroup *group, DomainType type);
/* NAME of the group ("": none) decides with its type whether that can ever be changed. */
void managed_group_set_name(ManagedGroup *group, const char *name);
void managed_group_set_reserved(ManagedGroup *group, const GArray *reserved);
void managed_group_set_step(ManagedGroup *group, const char *step);
void managed_group_set_state(ManagedGroup *group, GroupState state, PendingReason reason, const char *text);
void managed_group_set_decision(ManagedGroup *group, const Decision *decision, DomainTypeSet not_given);
/* ERROR is static, TEXT is taken over. */
void managed_group_set_result(ManagedGroup *group, DomainType type, const char *error, char *text);

/* TYPE as it is now was set at MOMENT, because BY asked for it. Holds until the type or the members are
 * others. */
void managed_group_set_moment(ManagedGroup *group, Moment moment, const char *by, uint64_t usec);

/* Forgets what was seen and tried: the members, the rules or the uses are others now. */
void managed_group_forget_tries(ManagedGroup *group);
void managed_group_forget_use(ManagedGroup *group);

/* Something is under way for this group that its state does not show yet. */
bool managed_group_is_busy(const ManagedGroup *group);

/* Some member would be unbound by a change that cannot be done live. */
bool managed_group_unbinds(const ManagedGroup *group);

/* What the group's types are for a caller: those that may be asked for; of them, other than today's,
 * those that are reached without unbinding. */
DomainTypeSet managed_group_settable_types(const ManagedGroup *group);
DomainTypeSet managed_group_live_types(const ManagedGroup *group);

/* The members as the change names them: array of ChangeMember. */
GPtrArray *managed_group_change_members(const ManagedGroup *group);

/* One number for who the members are and what is wanted of them under the rules DIGEST; never 0. */
unsigned managed_group_fingerprint(const ManagedGroup *group, const char *digest);
