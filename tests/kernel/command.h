/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine.h"

/* The command language of the control channel and of topology files; control.h describes it. */

/* Runs one line. LINES gets the answer (allocated strings). Returns 0 or a negative errno. */
int command_run(Machine *machine, const char *line, GPtrArray *lines);

/* Runs one line of a rule; what goes wrong is said on stderr. */
void command_run_quietly(Machine *machine, const char *line);

/* Runs the lines of a file. Returns 0, or a negative errno after saying which line it was. */
int command_run_file(Machine *machine, const char *path);

/* Adds the attributes that WORDS name as attr:PATH=VALUE below NODE. */
void command_add_attributes(Machine *machine, Node *node, char *const *words);
