/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

/* A polkit agent on this terminal, so that whoever has no desktop can type a password too. */

/*
 * Starts pkttyagent(1) for this process and waits until it has registered. Returns its pid; 0 if none is
 * needed or possible (root, no terminal, not installed): polkit then asks whatever agent the session has.
 */
pid_t ask_password_start(void);

/* Ends the agent that ask_password_start() returned; 0 is ignored. */
void ask_password_stop(pid_t agent);
