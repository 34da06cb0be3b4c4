/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A process that wants the same disk as a change, in a loop without a pause, from some moment on. */

#define CONTENDER_ERRORS 256

/* What contender and referee share. The atomic ones are of one round, the others of all. */
typedef struct Score {
    atomic_bool over;            /* set by the referee: the change has ended */
    atomic_bool go;              /* set by the referee where the contender waits for it */
    atomic_bool arrived;         /* set by the contender: it has tried each node once since `go` */
    atomic_uint wins;            /* how often it got the disk */
    unsigned errors[CONTENDER_ERRORS]; /* refused tries, by errno */
    unsigned bad;                /* what it got did not work */
    char complaint[256];         /* the last of those */
} Score;

/* What is raced for, by the names that it has before the change. */
typedef struct Target {
    char disk[32];       /* "nvme0n1" */
    char controller[32]; /* "nvme0", but also "nvme2": disks are numbered by their subsystem */
} Target;

/* A way to use a disk. */
typedef struct Way {
    const char *name;
    bool exclusive;              /* a claim keeps it out */
    const char *signature;       /* what the disk carries, as a finding names it */
    int (*prepare)(void);        /* once, in the contender's process; 0 or -errno. NULL: nothing to do */
    int (*take)(const Target *target);   /* 0 or -errno */
    int (*verify)(const Target *target); /* what was taken works: 0 or -errno */
    int (*leave)(const Target *target);  /* 0 or -errno */
} Way;

/* Returns the way of that name, or NULL. */
const Way *contender_way(const char *name);

/* Returns the names of all ways, for a usage text. */
const char *contender_ways(void);

/*
 * Tries to take TARGET over and over, from START (CLOCK_MONOTONIC, µs) on, or, where that is 0, from the
 * referee's `go` on, until the round is over. With HOLD it keeps what it has got until then, else it lets go
 * at once. Whenever it lets go it verifies first. Called in a process of its own.
 */
void contender_run(const Way *way, const Target *target, uint64_t start, bool hold, Score *score);
