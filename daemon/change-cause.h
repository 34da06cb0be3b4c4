/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "change-sequence.h"
#include "findings.h"

/*
 * Why something stood in the way, said once, where the context is known: by looking again at the group
 * rather than by guessing from the number or from the kernel's version.
 */

/* Notes why the kernel answered ERROR (negative) to a write of TYPE to GROUP. */
void change_explain_type_error(const Sequence *sequence, unsigned group, DomainType type, int error);

/* Appends the passive findings for SURVEY's plan to FINDINGS: everything about members that it unbinds,
 * user-space owners of the others. Returns as findings_collect(). */
int change_collect_findings(int root_fd, const ChangeSurvey *survey, GPtrArray *findings);

/*
 * Moves those of FINDINGS that stand in the way of REQUEST into the result and notes the refusal. Returns
 * true if there are any. ALL: nothing counts as allowed.
 */
bool change_explain_findings(const Sequence *sequence, const ChangeRequest *request, GPtrArray *findings,
                             bool all);

/* The refusal for BLOCKING (not empty): in use, or owned by a user-space driver. The caller frees
 * *ret_detail. */
RefusalCode change_findings_refusal(const GPtrArray *blocking, char **ret_detail);
