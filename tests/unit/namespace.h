/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* A network namespace of the test's own, with a real kernel's links and routes. Fails the test where it
 * cannot go on. */

/* Enters a new one: a fixture, as each test runs in its own process. */
void namespace_enter(void);

/* Runs ip(8); returns false if it refuses, which tests that cannot go on without it report. */
bool namespace_ip(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Adds the interface "nic". Which kinds there are depends on the kernel's modules; one of them must be
 * there. */
void namespace_add_interface(void);

/* Writes TEXT to the file PATH of /proc. */
void namespace_write(const char *path, const char *text);

/* Starts a process in another namespace of its own, where it waits until the test ends; returns its pid. */
pid_t namespace_other(void);

/* Goes where process PID is. */
void namespace_enter_of(pid_t pid);
