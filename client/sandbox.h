/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What a process may do, as /proc/PID shows it: proc(5). */

/*
 * The capabilities that the daemon needs and that are not among CapEff of STATUS (the text of
 * /proc/PID/status): "CAP_SYS_RAWIO CAP_SYS_PTRACE", for the caller to free. NULL if there are all, or
 * STATUS does not say.
 */
char *sandbox_missing_capabilities(const char *status);

/* True if PATH ("/sys/bus") is on a file system that MOUNTS (the text of /proc/PID/mountinfo) show read-only
 * for the process; false if they do not say. */
bool sandbox_is_read_only(const char *mounts, const char *path);
