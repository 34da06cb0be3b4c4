/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The blocking part of looking at groups, made to run in a worker: reads `type`, `name` and
 * `reserved_regions` of the groups IDS. Groups whose change lock is held by somebody are skipped.
 *
 * Calls SEND once for each group as soon as it is read, with a floating GVariant of type SCAN_GROUP_FORMAT:
 * id, errno of the read (0: fine, positive), type word ("" with an error), the group's name ("": none),
 * SYSPATHs of members that have PASID, where that is asked for (forced-type.h), reserved regions. Returns 0,
 * or the first negative value that SEND returned.
 */
#define SCAN_GROUP_FORMAT "(uissasa(tts))"
typedef int (*ScanSend)(GVariant *group, void *userdata);
int scan_groups(int root_fd, const unsigned *ids, size_t n_ids, ScanSend send, void *userdata);
