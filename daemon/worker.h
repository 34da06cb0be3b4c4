/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * A forked child that runs one function which may block, and tells the daemon through a socket. The child
 * closes every other descriptor first (a child that kept the bus socket would keep a dead daemon's name
 * owned), resets signals, and ends with _exit. It does not die with the daemon if it does not ask for that.
 * Descriptors 0 to 2 stay. The journal's socket does not: a function that runs in the child reports by
 * messages and never logs.
 */
typedef struct Worker Worker;

/* Runs in the child. SEND a message with worker_send(); returns the exit status. */
typedef int (*WorkerFunction)(int socket_fd, void *userdata);

/* The largest message, in bytes. */
#define WORKER_MESSAGE_MAX (4u * 1024u * 1024u)

/*
 * Child side: sends one message (consumes a floating reference), of any size up to WORKER_MESSAGE_MAX
 * (-EMSGSIZE). A daemon that is gone is no error: the child goes on. One that does not read is waited for
 * once some 200 KiB are in the socket. Returns 0 or -errno.
 */
int worker_send(int socket_fd, GVariant *message);

/* Child side, for one whose work nobody else wants: it ends with the daemon. */
void worker_end_with_daemon(void);

/* Daemon side, on the loop. */
typedef void (*WorkerMessage)(Worker *worker, GVariant *message, void *userdata);
/*
 * The child ended: STATUS is its exit status, or -1 if a signal ended it. All its messages have been
 * delivered before. The worker may be freed here.
 */
typedef void (*WorkerDone)(Worker *worker, int status, void *userdata);
/* The deadline passed; the child is not killed: a process inside a kernel write cannot be. */
typedef void (*WorkerLate)(Worker *worker, void *userdata);

typedef struct WorkerCallbacks {
    WorkerMessage message; /* may be NULL */
    WorkerDone done;
    WorkerLate late;       /* may be NULL */
} WorkerCallbacks;

/*
 * Forks. The child runs FUNCTION only once everything is in place to watch it. SIGCHLD must be blocked
 * (-EBUSY). KEEP_FDS (n_keep) stay open in the child, with the same numbers; messages must have the type
 * FORMAT or the daemon drops them (and logs). Returns 0 with *ret owned by the caller; -errno of socketpair,
 * fork or sd-event.
 */
int worker_start(sd_event *event, const int *keep_fds, size_t n_keep, WorkerFunction function,
                 void *function_userdata, const char *format, const WorkerCallbacks *callbacks,
                 void *userdata, Worker **ret);

/* The deadline, from now; 0 takes it away. */
int worker_set_deadline(Worker *worker, uint64_t usec);

pid_t worker_pid(const Worker *worker);

/*
 * Forgets the child: no callback any more. The child itself goes on (and is reaped when it ends). Accepts
 * NULL; returns NULL.
 */
Worker *worker_free(Worker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Worker, worker_free)
