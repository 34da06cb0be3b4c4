/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "control.h"

/*
 * A fake kernel for one test: its own process, its own mount point, gone with fixture_free() or with the
 * test.
 *
 * The first call gives the calling process a mount namespace of its own (and, without CAP_SYS_ADMIN, a user
 * namespace in which it is root), so call it before starting threads and, under check, in the test and not
 * in the runner. The served tree is a whole small root (sys/ run/ proc/ etc/ dev/); hand fixture_root_fd()
 * to the code under test. Nothing is logged and no rule acts until fixture_run() or `watch` names whom to
 * watch.
 */
typedef struct Fixture Fixture;

/* Starts a fake kernel of GENERATION ("6.1" or "6.12") with the named file of tests/kernel/topologies
 * (without suffix), or a path if TOPOLOGY has a slash. Returns 0, or a negative errno: what unshare(2) or
 * mount(2) gave, -EPROTO if the fake kernel ended before it was ready (its message is on stderr). */
int fixture_new(const char *topology, const char *generation, Fixture **ret);
Fixture *fixture_free(Fixture *fixture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)

/* A descriptor (O_RDONLY|O_DIRECTORY) of the served root; it belongs to the fixture. */
int fixture_root_fd(const Fixture *fixture);

/* The control channel; belongs to the fixture. */
Control *fixture_control(const Fixture *fixture);

/* Runs FUNCTION(DATA) in a forked child with a process group of its own, which is the one that is watched,
 * and waits for the child and for its whole group to end. The child exits with what FUNCTION returns (0 to
 * 255). Returns the wait status as waitpid(2) gives it, or a negative errno. */
typedef int (*FixtureFunction)(void *data);
int fixture_run(Fixture *fixture, FixtureFunction function, void *data);

/* The same without waiting: returns the pid of the watched child, or a negative errno. */
pid_t fixture_start(Fixture *fixture, FixtureFunction function, void *data);

/* Sends one command that must succeed; ends the test with the answer if it does not. */
void fixture_command(Fixture *fixture, const char *format, ...) G_GNUC_PRINTF(2, 3);
