/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "decision.h"
#include "early-note.h"
#include "host.h"
#include "rule-set.h"

/*
 * One pass over all groups before their drivers bind. It unbinds nothing, and writes no other file of the
 * kernel than the `type` of a group whose rules ask for another than is there, where that takes no unbind;
 * so a pass that is killed has left each group in its old or in its new type and nothing else touched.
 * Reading and writing `type` can block.
 */

/* Called for each group as soon as it has been dealt with; GROUP is borrowed. */
typedef void (*EarlyTell)(const EarlyGroup *group);

/*
 * Looks at every group and appends those for which RULES want something to NOTE, and of all of them the
 * members that have no driver yet. A group that a change has locked is left to it, and not read; one whose
 * change was interrupted, or for which a call has asked, to the daemon. Returns 0; -errno if the groups
 * cannot be listed.
 */
int early_pass_run(int root_fd, const RuleSet *rules, const Host *host, EarlyNote *note, EarlyTell tell);

/*
 * The same for the group ID alone, as the daemon does it when a device is added. Returns its entry of NOTE,
 * borrowed; NULL if RULES want nothing of it, or it cannot be read. A lock is not looked at before there is
 * something to write: a change that holds it may block this.
 */
const EarlyGroup *early_pass_group(int root_fd, const RuleSet *rules, const Host *host, unsigned id,
                                   EarlyNote *note);

/* What that would be done for, and nothing done: NULL if the group cannot be read. The caller frees it. */
Decision *early_pass_decide(int root_fd, const RuleSet *rules, const Host *host, unsigned id);
