/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/*
 * The least that can be done to learn the early keys of every device that is in a group: seven reads and one
 * readlink for each, of which nothing is kept. Returns their number; aborts if one cannot be read.
 */
size_t raw_walk(int root_fd);
