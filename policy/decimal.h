/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* The digits of the longest number and a NUL. */
#define DECIMAL_SIZE 21u

/*
 * Writes NUMBER in decimal digits to TO, which has room for DECIMAL_SIZE bytes, and ends it with a NUL.
 * Returns where that stands. For what is written hundreds of times in the few milliseconds that the early
 * pass may take at boot: the formats of printf() were a seventh of its work.
 */
char *decimal_write(char *to, uint64_t number);
