/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * What /proc tells of processes and their threads.
 *
 * A process lives on when its first thread has ended (pthread_exit(3) in main()). Then /proc/PID/fd is empty
 * and /proc/PID/ns cannot be read, as for a zombie; what the process has open and mounted shows in
 * /proc/PID/task/TID alone (fs/proc/fd.c, fs/proc/namespaces.c: both ask the first thread).
 */

/* Lists the processes that PROC_FD (/proc) shows, as "PID"; the caller frees *ret with g_strfreev(). Returns
 * 0 or -errno. */
int process_names(int proc_fd, char ***ret);

/*
 * Lists the threads of PID but the first, as "PID/task/TID", perhaps none; the caller frees *ret with
 * g_strfreev(). PROC_FD: /proc. Returns 0, -ENOENT or -ESRCH if the process has ended, or -errno.
 */
int process_other_threads(int proc_fd, const char *pid, char ***ret);

/* True if ERROR (-errno) is what a file below /proc/PID answers when that process or thread is gone. */
bool process_has_ended(int error);

/* Returns the parent of process PID, or 0 if that cannot be told. */
pid_t process_parent(int root_fd, pid_t pid);

/* Appends to PIDS (GArray of pid_t) PID, once. */
void process_list_add(GArray *pids, pid_t pid);

/* Returns "pid 812 (qemu-system-x86), pid 900 (fio)" for PIDS; the caller frees it. */
char *process_list_to_string(int root_fd, const GArray *pids);
