/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "change-sequence.h"
#include "group-view.h"

/*
 * The disruptive part of a change, under the group's lock: unbind, switch, rebind, and the way back. All
 * that was authorised has been compared, and the passive findings are clear. Outcome and reason are in the
 * sequence's result.
 */
void change_switch(const Sequence *sequence, const ChangeRequest *request, const ChangeSurvey *survey,
                   const GroupView *view);
