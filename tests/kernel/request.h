/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "machine.h"

/*
 * One operation of a caller, from its arrival to the reply. A request may be kept: by a rule that delays or
 * blocks it, by the lock of a device, by a driver whose removal waits for its user. Everything else goes on
 * meanwhile.
 */
typedef enum RequestKind {
    REQUEST_OPEN,
    REQUEST_OPENDIR,
    REQUEST_CREATE,
    REQUEST_READ,
    REQUEST_WRITE,
    REQUEST_TRUNCATE,
    REQUEST_RENAME,
    REQUEST_UNLINK,
    REQUEST_RMDIR,
    REQUEST_MKDIR,
    REQUEST_READLINK,
    REQUEST_SYMLINK,
    REQUEST_CHMOD,
    REQUEST_FSYNC,
    _REQUEST_MAX,
    _REQUEST_INVALID = -1,
} RequestKind;

typedef struct Request Request;
struct Request {
    Machine *machine;
    RequestKind kind;
    fuse_req_t fuse;
    pid_t pid;
    Node *node;                 /* the object, or the directory in which NAME is meant */
    Node *other;                /* rename: the new directory */
    char *name, *other_name;    /* rename: the new name; symlink: the target */
    char *bytes;                /* what is written, NUL-terminated */
    size_t length;
    off_t offset;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct fuse_file_info file;
    unsigned flags;             /* rename: of renameat2(2) */
    size_t size;                /* read: at most this much; truncate: the new size */
    struct Rule *rule;          /* acts on this request */
    struct LogEntry *entry;     /* NULL if nobody watches */
    sd_event_source *timer;
    bool performed;
    int result;                 /* once performed */
    Node *made;                 /* create, mkdir, symlink: the new node */
    GString *answer;            /* read, readlink */
    /* Does the work: 0, a negative errno, or 1 if the request is kept. */
    int (*perform)(Request *request);
    void (*reply)(Request *request, int result);
};

const char *request_kind_to_string(RequestKind kind);
RequestKind request_kind_from_string(const char *word);

/* The path that log and rules know the request by. Owned by the caller. */
char *request_path(const Request *request);

/* Takes the request: log, rule, work, reply. */
void request_submit(Request *request);

/* Does the work (again, for a request that had been kept until it could be done). */
void request_perform(Request *request);

/* Lets a request go on that a rule has kept: to the work, or to the reply. */
void request_go_on(Request *request);

/* Ends a request whose work returned 1. */
void request_complete(Request *request, int result);
