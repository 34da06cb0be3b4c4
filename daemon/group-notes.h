/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "managed-group.h"

/*
 * What is worth knowing of a group and decides nothing: reserved regions, with what they mean for VFIO and
 * for the types, and members that cannot reach all of RAM. Rules need not concern any of them.
 *
 * Adds them to the trail of DECISION, which was made for GROUP and has told the members whose rule wishes
 * identity of their masks already.
 */
void group_notes_add(Decision *decision, const ManagedGroup *group, const HostFacts *host);
