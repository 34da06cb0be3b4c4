/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/*
 * What the benchmarks share. Each prints rows `what | limit | floor | ours | ratio | verdict`, and after a
 * verdict MISSED one more column with the reason; tests/bench/run makes one table of them.
 */
typedef struct BenchRow {
    const char *what;
    const char *limit;    /* as people read it */
    const char *floor_is; /* what the floor is the time of */
    const char *unit;
    double floor, ours;   /* measured in the same run, in UNIT */
    double most;          /* the largest value of OURS that keeps the limit; 0: there is none */
    const char *reason;   /* what is known to take the time when the limit is missed; NULL if nothing is */
} BenchRow;

/* Prints the row at once. Returns 0 if the limit holds or there is none, 1 if it is missed. */
int bench_print(const BenchRow *row);

/* Keeps this process and its children on the CPU it runs on: waking up a halted one costs more than most of
 * what is measured. */
void bench_pin(void);

/* The clock that cannot be set, and the time this process and its reaped children have run, in µs. */
double bench_now(void);
double bench_cpu(void);

/* The value below which a PART (0 to 1) of the N values are; sorts them. */
double bench_quantile(double *values, size_t n, double part);
/* What it takes when nothing else runs meanwhile: for latencies, where other programs only ever add. */
#define bench_undisturbed(values, n) bench_quantile((values), (n), 0.1)
#define bench_median(values, n) bench_quantile((values), (n), 0.5)
