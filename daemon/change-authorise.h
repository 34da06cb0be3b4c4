/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "change.h"

/*
 * Whether a call may have what it asks for. It is judged, surveyed and asked of polkit with what the survey
 * found; what was authorised is compared again after every wait.
 */

/* Begins with CHANGE, a call's, of GROUP: ends, now or later, in change_authorised() or in an answer, after
 * which CHANGE is freed. */
void change_authorise(Change *change, ManagedGroup *group);

/* Whether what was authorised is still so, after a wait: returns REFUSAL_NONE, or why not. *ret_detail
 * is NULL before; it is written with most refusals, and the caller frees it. */
RefusalCode change_judge_again(const Change *change, ManagedGroup *group, char **ret_detail);

/* Why the change that was surveyed is refused, REFUSAL_NONE if it is not: for a caller, who is told what
 * can be done about a use that does not end. */
RefusalCode change_survey_code(const ChangeSurvey *survey);

/* True if GROUP still has the members that were authorised, and no other. */
bool change_has_authorised_members(const Change *change, const ManagedGroup *group);

/*
 * What polkit is told, with every question the same eight details: of the group and its members, and of the
 * change. What does not apply is "". The texts of the change are borrowed.
 */
typedef struct ChangeShown {
    char *group, *devices, *ids, *drivers;
    const char *from, *to, *disruptive, *findings;
} ChangeShown;
#define CHANGE_DETAILS 8

/* Writes what is shown of GROUP (NULL: of none) to *shown; the change is left "". change_shown_clear() frees
 * it. */
void change_shown_init(ChangeShown *shown, const ManagedGroup *group);

/* Writes the details; they borrow from SHOWN. */
void change_shown_details(const ChangeShown *shown, AuthDetail details[static CHANGE_DETAILS]);
void change_shown_clear(ChangeShown *shown);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ChangeShown, change_shown_clear)

/* The polkit actions that a call with this plan needs, most telling first, NULL-terminated (at most 3 and
 * the NULL); FROM and TO are types, TO _DOMAIN_TYPE_INVALID if it cannot be told. */
#define CHANGE_ACTIONS_MAX 4
void change_actions(DomainType from, DomainType to, bool disruptive, bool fatal_allowed, bool persist,
                    const char *actions[static CHANGE_ACTIONS_MAX]);

/* What `auto` ends in if OUTCOME leaves one possibility, else _DOMAIN_TYPE_INVALID; any other TYPE is
 * itself. */
DomainType change_predicted_type(DomainType type, DomainTypeSet outcome);
