/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "change-sequence.h"
#include "group-view.h"
#include "held-device.h"

/*
 * The disruptive part of a change, under the group's lock: unbind, switch, rebind, and the way back. All
 * that was authorised has been compared, and the passive findings are clear. Outcome and reason are in the
 * sequence's result.
 */
void change_switch(const Sequence *sequence, const ChangeRequest *request, const ChangeSurvey *survey,
                   const GroupView *view);

/*
 * Gives each of HELD (in unbind order) back to its driver, in reverse order, waits for their probes and
 * restores driver_override. With PERSIST a member that fails does not keep the others waiting, and is named
 * as lost; without, the first failure ends it and overrides stay as they are. Returns true if no member is
 * without its driver; *ret_restored (may be NULL) tells whether every override is as it was.
 */
bool change_give_back(const Sequence *sequence, const GPtrArray *held, bool persist, bool *ret_restored);
