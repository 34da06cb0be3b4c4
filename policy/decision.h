/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "domain-type.h"
#include "facts.h"
#include "finding-kind.h"
#include "group-state.h"
#include "rule-set.h"

/*
 * From rules and facts to the type a group should have, and how it may be reached. Pure: same input, same
 * outcome, whatever the order of the members.
 */

typedef struct DecisionMember {
    const DeviceFacts *facts;
    DomainType kernel_type;    /* the type the kernel forces on this member, or _DOMAIN_TYPE_INVALID */
    const char *kernel_reason; /* why, for people; borrowed; NULL if not forced */
    const char *maybe_reason;  /* why it may force maybe_type, which only a try shows; or NULL */
    DomainType maybe_type;     /* with maybe_reason */
    bool unbinds;              /* a disruptive change would unbind it: bound, and not to a driver that
                                * manages DMA itself */
} DecisionMember;

typedef struct DecisionInput {
    const DecisionMember *members;
    size_t n_members;
    DomainType current;        /* the group's type as last read */
    const char *unsupported;   /* why its type can never be changed, for people; borrowed; NULL if it can */
    DomainTypeSet not_given;   /* types this kernel and IOMMU cannot give this group (DMA-FQ on an unknown
                                  IOMMU family, ...) */
    DomainTypeSet auto_outcome;/* the types that `auto` may end in; one bit if it can be predicted */
    bool auto_settled;         /* `auto` was written to these members, or nobody wrote since they appeared */
    DomainType call_type;      /* the type a call asked for and that still lasts, or _DOMAIN_TYPE_INVALID */
    const char *call_origin;   /* "call:uid=0", with call_type */
    bool early_only;           /* the add fast path: undecided late keys are the normal case */
} DecisionInput;

typedef enum WishVerdict {
    VERDICT_WANTED,    /* this wish is the outcome */
    VERDICT_AGREES,    /* same type as the outcome */
    VERDICT_STRICTER_WINS, /* lost to a stricter wish: a conflict */
    VERDICT_VOID,      /* the type is forbidden, or the kernel does not give it */
    VERDICT_KEEP,
    VERDICT_UNDECIDED, /* hangs on a fact that is not known yet */
    VERDICT_FORBIDS,
    VERDICT_NO_WISH,   /* matched, but the member can have no wish (bridge, manages DMA itself) */
    VERDICT_EARLIER_WINS, /* matched, but an earlier file already gave the type */
    VERDICT_NEARLY,    /* all keys but one match */
    VERDICT_OUTRANKED, /* a call, or the kernel, outranks it */
    VERDICT_NOTE,      /* shown, decides nothing */
    _WISH_VERDICT_MAX,
} WishVerdict;

/* Returns "wanted", "agrees", "stricter-wins", ... */
const char *wish_verdict_to_string(WishVerdict verdict);

typedef struct TrailEntry {
    char *member;      /* name of the device, or "" for the group as a whole */
    char *origin;      /* "file:line", "kernel", "call:uid=1000" or "" */
    WishVerdict verdict;
    char *text;        /* for people */
} TrailEntry;

typedef struct Decision {
    DomainType wanted;      /* _DOMAIN_TYPE_INVALID: nothing is wanted */
    char *wanted_by;        /* "file:line", "kernel", "call:...", "" */
    bool conflict;          /* differing wishes, or a wish the kernel overrules */
    char *conflict_text;    /* both places named; NULL without conflict */
    bool settled;           /* today's type is the wanted one, or nothing is wanted */
    bool may_relax;         /* every member that could have a wish asks for a type at least as lax */
    bool may_unbind;        /* every member that would be unbound allows it */
    FindingKindSet accept;  /* disruptive kinds that all of the members' rules accept */
    PendingReason obstacle; /* what alone keeps a rule from acting: undecided, unnamed-member,
                             * unbind-not-allowed, forbidden-type, conflict, frozen; PENDING_NONE if a change
                             * may be tried (live or disruptive as may_unbind says). unbind-not-allowed is
                             * only an obstacle if the change cannot be done live or before a driver binds:
                             * the caller learns that from the plan, so it is set here only when may_unbind
                             * is false and some member is bound and the change is not DMA to DMA-FQ. */
    char *obstacle_text;    /* names the member or the file; NULL without obstacle */
    DomainTypeSet forbidden;/* types some matching Forbid= (known or unknown) forbids */
    DomainTypeSet out;      /* all types that are out, for any reason */
    bool type_forbidden;    /* today's type is forbidden */
    GPtrArray *trail;       /* TrailEntry, in member order then file order */
    GPtrArray *member_wishes; /* MemberWish, one for each member in input order */
} Decision;

typedef struct MemberWish {
    bool has_wish;
    bool keep;
    DomainType type;   /* _DOMAIN_TYPE_INVALID without wish */
    char *origin;      /* "file:line" or "" */
} MemberWish;

/* Decides for one group. RULES and INPUT are borrowed for the call. Never fails; the caller frees the
 * result. */
Decision *decision_make(const RuleSet *rules, const HostFacts *host, const DecisionInput *input);

/* Adds to the trail the rules that nearly matched a member (VERDICT_NEARLY). It asks every rule, so it is
 * for Explain and `iommuctl why`, not for each event. RULES, HOST and INPUT are those the decision was made
 * from. */
void decision_explain(Decision *decision, const RuleSet *rules, const HostFacts *host,
                      const DecisionInput *input);

void decision_free(Decision *decision);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Decision, decision_free)

/* For a device without any group: true if a Forbid= or a translated Type= matches it, which nothing can then
 * fulfil. ret_origin (may be NULL) is set to the "file:line" in that case; the caller frees it. */
bool decision_untranslated(const RuleSet *rules, const HostFacts *host, const DeviceFacts *device,
                           char **ret_origin);

/* Whether a call may ask for TYPE in this group: 0; else the reason it is out, with *ret_text for people
 * (caller frees). -EPERM: a rule forbids it (*ret_origin is its "file:line"); -EINVAL: the kernel forces
 * another type or does not give it; -EACCES: a member is untrusted. */
int decision_judge_call(const RuleSet *rules, const HostFacts *host, const DecisionInput *input,
                        DomainType type, char **ret_text, char **ret_origin);

/* The same as it would have been before a driver was bound to any member: no late key is known then, and
 * nothing has to be unbound. */
Decision *decision_make_early(const RuleSet *rules, const HostFacts *host, const DecisionInput *input);

/* The type that the group of INPUT will have after the next boot, if the early pass comes before its drivers
 * and the rules and devices are those of today: no call outlasts a boot, no late key is known so early, and
 * nothing has to be unbound. BOOT_DEFAULT is what the kernel gives it by itself; where that cannot be told
 * (_DOMAIN_TYPE_INVALID) the strictest is assumed, from which most has to be agreed to. Returns
 * _DOMAIN_TYPE_INVALID if something stands against it then, too, or if it cannot be told. */
DomainType decision_type_at_boot(const RuleSet *rules, const HostFacts *host, const DecisionInput *input,
                                 DomainType boot_default);
