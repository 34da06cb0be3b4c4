/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request.h"

/* Who is watched, the rules that make operations fail, wait or kill, and the log. See control.h. */
typedef struct Faults Faults;
typedef struct Rule Rule;

typedef enum RuleAction {
    RULE_FAIL,
    RULE_DELAY,
    RULE_BLOCK,
    RULE_KILL,
    RULE_DO,
} RuleAction;

struct Rule {
    char *name;
    unsigned kinds;             /* a bit for each RequestKind */
    char *path;                 /* glob, or NULL */
    unsigned nth;               /* acts from this match on */
    unsigned count;             /* this often; 0: for ever */
    bool after;
    RuleAction action;
    int error;
    unsigned delay_ms;
    char *command;
    unsigned matched, fired;
    bool retired;               /* removed or released: acts no more */
    GQueue blocked;             /* Request */
};

typedef struct LogEntry {
    pid_t pid;
    RequestKind kind;
    char *path;
    char *bytes;
    int result;                 /* 1: not done yet */
    bool killed;
} LogEntry;

/* Told when rule NAME has blocked a request, or has acted: answers those who wait for it on the channel. */
typedef void (*FaultsCallback)(const char *name, bool blocked, void *data);

Faults *faults_new(Machine *machine);
Faults *faults_free(Faults *faults);
void faults_set_callback(Faults *faults, FaultsCallback callback, void *data);

void faults_watch(Faults *faults, const char *whom);
bool faults_watches(Faults *faults, pid_t pid);

/* Parses `rule NAME ...` (WORDS without the first). Returns 0, -EINVAL, or -EEXIST. */
int faults_add_rule(Faults *faults, char *const *words);
int faults_remove_rule(Faults *faults, const char *name);
int faults_release(Faults *faults, const char *name);
Rule *faults_rule(const Faults *faults, const char *name);

/* Counts REQUEST with each rule that it matches; the first of those that is to act, or NULL. */
Rule *faults_match(Faults *faults, const Request *request);
void faults_block(Faults *faults, Rule *rule, Request *request);
void faults_fired(Faults *faults, Rule *rule);

LogEntry *faults_log(Faults *faults, const Request *request);
/* Appends the log's lines as allocated strings. */
void faults_log_lines(const Faults *faults, GPtrArray *lines);
void faults_log_clear(Faults *faults);
/* The number of logged operations that WORDS (op=, path=) choose, or -EINVAL. */
int faults_count(const Faults *faults, char *const *words);
