/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-device.h"

/* What a driver makes below its device: a network interface, an NVMe controller with one namespace, or
 * anything of another kind as a bare directory KIND/NAME with a class link. */
typedef struct Child Child;

/* Makes the nodes that are there when `bind` returns. */
void children_start(Device *device);
/* And those that an asynchronous probe brings later: an NVMe's disk. */
void children_finish(Device *device);
void children_remove(Device *device);
