/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Why a limit is missed of which nothing is known otherwise. */
static void print_reason(const char *reason)
{
    double load = 0;

    if (reason)
        printf(" | %s", reason);
    else if (getloadavg(&load, 1) == 1 && load > (double) sysconf(_SC_NPROCESSORS_ONLN))
        printf(" | the machine is busy, load %.1f", load);
    else
        printf(" | no reason is known");
}

int bench_print(const BenchRow *row)
{
    int missed = row->most > 0 && row->ours > row->most;
    const char *verdict = missed ? "MISSED" : row->most > 0 ? "held" : "reported";

    printf("%s | %s | %.4g %s (%s) | %.4g %s | ", row->what, row->limit, row->floor, row->unit,
           row->floor_is, row->ours, row->unit);
    if (row->floor > 0)
        printf("%.2f | ", row->ours / row->floor);
    else
        printf("- | ");
    printf("%s", verdict);
    if (missed)
        print_reason(row->reason);
    printf("\n");
    (void) fflush(stdout);
    return missed;
}

void bench_pin(void)
{
    int cpu = sched_getcpu();
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu < 0 ? 0 : (size_t) cpu, &cpus);
    (void) sched_setaffinity(0, sizeof cpus, &cpus);
}

static double microseconds(struct timespec time)
{
    return (double) time.tv_sec * 1e6 + (double) time.tv_nsec / 1e3;
}

double bench_now(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return microseconds(now);
}

double bench_cpu(void)
{
    struct timespec own;
    struct rusage children;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    (void) getrusage(RUSAGE_CHILDREN, &children);
    return microseconds(own) + (double) (children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1e6 +
           (double) (children.ru_utime.tv_usec + children.ru_stime.tv_usec);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t n, double part)
{
    size_t at = (size_t) ((double) n * part);

    qsort(values, n, sizeof(double), compare);
    return values[at < n ? at : n - 1];
}
