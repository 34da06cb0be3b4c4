/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transaction.h"

/*
 * What every step of a change carries with it: where the tree is, how long a step may take, whom to tell
 * before a step, and the result that is being filled. Private to the files of the change.
 */
typedef struct Sequence {
    int root_fd;
    const ChangeLimits *limits;
    ChangeStep step;
    void *userdata;
    ChangeResult *result;
    int lock_fd;              /* where the step is noted for other processes, or -EBADF */
    const GPtrArray *members; /* ChangeMember: whose group it is that is written to */
} Sequence;

/* The first step, of which nobody is told: looking. And the end of the last. */
void sequence_begin(const Sequence *sequence);
void sequence_end(const Sequence *sequence);

/* Tells that a step begins which may take up to LIMIT_USEC (0: no limit of its own), and notes it in the
 * lock. */
void sequence_step(const Sequence *sequence, uint64_t limit_usec, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* sysfs_write() and sysfs_write_fd(), with the time spent in the kernel added to the result. */
int sequence_write(const Sequence *sequence, int dir_fd, const char *path, const char *text);
int sequence_write_fd(const Sequence *sequence, int fd, const char *text);

/* Without blocking: true if MEMBERS (ChangeMember) are the members of the group ID now, all of them and
 * no other. */
bool group_has_members(int root_fd, unsigned id, const GPtrArray *members);

/* group_write_type(), likewise. -ENODEV also if the group has not the members it should have, and nothing is
 * written: numbers are used again, and a device that was put in has not been judged. */
int sequence_write_type(const Sequence *sequence, unsigned group, DomainType type);

/* True if the group still has the members of SEQUENCE and no other. */
bool sequence_has_group(const Sequence *sequence, unsigned group);

/*
 * Notes why the change failed; the first reason stays, whatever follows from it. OBJECT may be NULL (the
 * group). ERROR is a negative errno or 0. FORMAT gives the detail of the refusal and may be NULL.
 */
void sequence_fail(const Sequence *sequence, RefusalCode code, const char *object, int error,
                   const char *format, ...) G_GNUC_PRINTF(5, 6);

/* A member (OBJECT) is left without its driver, or the group (NULL) with the wrong type: outranks the
 * first reason, which stays readable in the detail. */
void sequence_broken(const Sequence *sequence, const char *object, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Adds a note for people. */
void sequence_note(const Sequence *sequence, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* CLOCK_MONOTONIC in µs. */
uint64_t sequence_now(void);

/* Waits before try number TRY (from 0) of an operation that the kernel asked to repeat: 10 ms, doubled
 * each time, at most 1 s. Returns false, at once, when the tries or the time until DEADLINE are used up. */
bool sequence_back_off(unsigned try, uint64_t deadline);
