/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine.h"

/* The fake kernel's end of the control channel; control.h describes what is said on it. */
typedef struct ControlServer ControlServer;

/* Listens at PATH, which must not exist. Returns 0 or a negative errno. */
int control_server_new(Machine *machine, const char *path, ControlServer **ret);
ControlServer *control_server_free(ControlServer *server);
