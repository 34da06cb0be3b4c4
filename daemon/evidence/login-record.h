/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Somebody who is logged in from elsewhere, as logind and utmp(5) keep it. */
typedef struct LoginRecord {
    char *user;   /* "alice" */
    char *host;   /* an address ("192.0.2.1", "fe80::1%eth0") or a name; "": not told */
    pid_t leader; /* the process that logged her in: for a session of sshd the one that has the socket */
} LoginRecord;

/*
 * Lists the remote logins: the sessions of logind (run/systemd/sessions) but those that are closing, and
 * the records of users in run/utmp whose process is alive. One login may be in both. What cannot be
 * understood in a file is left out. Returns 0 with a GPtrArray that owns its LoginRecords; -errno if a file
 * that is there cannot be read.
 */
int login_records_read(int root_fd, GPtrArray **ret);
