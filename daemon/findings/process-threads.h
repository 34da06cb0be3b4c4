/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * A process lives on when its first thread has ended (pthread_exit(3) in main()). Then /proc/PID/fd is empty
 * and /proc/PID/ns cannot be read, as for a zombie; what the process has open and mounted shows in
 * /proc/PID/task/TID alone (fs/proc/fd.c, fs/proc/namespaces.c: both ask the first thread).
 */

/*
 * Lists the threads of PID but the first, as "PID/task/TID", perhaps none; the caller frees *ret with
 * g_strfreev(). PROC_FD: /proc. Returns 0, -ENOENT or -ESRCH if the process has ended, or -errno.
 */
int process_other_threads(int proc_fd, const char *pid, char ***ret);

/* True if ERROR (-errno) is what a file below /proc/PID answers when that process or thread is gone. */
bool process_has_ended(int error);
