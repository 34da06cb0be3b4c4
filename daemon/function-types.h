/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Gives the groups of the virtual functions NAMES, which have no driver yet, the types that the rules on
 * disk want of them: for who brings a hold to its end while no daemon runs. What cannot be had without an
 * unbind stays as it is. Blocks: worker processes only. Returns 0; -errno if rules or host cannot be read.
 */
int function_types_write(int root_fd, char **names);
