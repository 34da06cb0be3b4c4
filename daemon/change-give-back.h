/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "change-sequence.h"
#include "held-device.h"

/*
 * Gives each of HELD (in unbind order) back to its driver, in reverse order, waits for their probes and
 * restores driver_override. With PERSIST a member that fails does not keep the others waiting, and is named
 * as lost; without, the first failure ends it and overrides stay as they are. Returns true if no member is
 * without its driver; then, and with PERSIST, *ret_restored tells whether every override is as it was.
 */
bool change_give_back(const Sequence *sequence, const GPtrArray *held, bool persist, bool *ret_restored);
