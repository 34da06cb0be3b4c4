/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fault.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a rule is for when it does not say: everything that a caller does, but reads. */
#define DEFAULT_KINDS (((1u << _REQUEST_MAX) - 1) & ~(1u << REQUEST_READ) & ~(1u << REQUEST_FSYNC))

struct Faults {
    Machine *machine;
    GPtrArray *rules;
    GPtrArray *retired;         /* removed rules that a request on its way may still name */
    GPtrArray *log;
    GHashTable *old_entries;    /* cleared from the log while their request is on its way */
    GHashTable *groups;         /* watched process groups */
    bool everybody;
    FaultsCallback callback;
    void *callback_data;
};

static void rule_free(gpointer data)
{
    Rule *rule = data;

    g_queue_clear(&rule->blocked);
    g_free(rule->name);
    g_free(rule->path);
    g_free(rule->command);
    g_free(rule);
}

static void entry_free(gpointer data)
{
    LogEntry *entry = data;

    g_free(entry->path);
    g_free(entry->bytes);
    g_free(entry);
}

Faults *faults_new(Machine *machine)
{
    Faults *faults = g_new0(Faults, 1);

    faults->machine = machine;
    faults->rules = g_ptr_array_new();
    faults->retired = g_ptr_array_new_with_free_func(rule_free);
    faults->log = g_ptr_array_new_with_free_func(entry_free);
    faults->old_entries = g_hash_table_new_full(NULL, NULL, entry_free, NULL);
    faults->groups = g_hash_table_new(NULL, NULL);
    return faults;
}

Faults *faults_free(Faults *faults)
{
    if (!faults)
        return NULL;
    g_ptr_array_set_free_func(faults->rules, rule_free);
    g_ptr_array_unref(faults->rules);
    g_ptr_array_unref(faults->retired);
    g_ptr_array_unref(faults->log);
    g_hash_table_unref(faults->old_entries);
    g_hash_table_unref(faults->groups);
    g_free(faults);
    return NULL;
}

void faults_set_callback(Faults *faults, FaultsCallback callback, void *data)
{
    faults->callback = callback;
    faults->callback_data = data;
}

void faults_watch(Faults *faults, const char *whom)
{
    faults->everybody = g_str_equal(whom, "all");
    if (g_str_equal(whom, "none"))
        g_hash_table_remove_all(faults->groups);
    else if (!faults->everybody)
        (void) g_hash_table_add(faults->groups, GINT_TO_POINTER(atoi(whom)));
}

static bool is_in_watched_group(const Faults *faults, pid_t pid)
{
    return g_hash_table_contains(faults->groups, GINT_TO_POINTER(getpgid(pid)))
           || g_hash_table_contains(faults->groups, GINT_TO_POINTER(getsid(pid)));
}

/* The parent of PID, or 0. */
static pid_t parent_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid), *text = NULL;
    const char *end;

    /* PID (COMMAND) STATE PPID ..., and the command may hold anything. */
    if (!g_file_get_contents(path, &text, NULL, NULL) || !(end = strrchr(text, ')')) || strlen(end) < 5)
        return 0;
    return atoi(end + 4);
}

/* A child that made a group of its own belongs to its parent's; its group is noted, for it may outlive the
 * parent. */
bool faults_watches(Faults *faults, pid_t pid)
{
    if (faults->everybody)
        return true;
    if (pid <= 0 || g_hash_table_size(faults->groups) == 0)
        return false;
    if (is_in_watched_group(faults, pid))
        return true;
    for (pid_t parent = parent_of(pid); parent > 1; parent = parent_of(parent))
        if (is_in_watched_group(faults, parent)) {
            (void) g_hash_table_add(faults->groups, GINT_TO_POINTER(getpgid(pid)));
            return true;
        }
    return false;
}

static int parse_kinds(const char *words, unsigned *ret)
{
    g_auto(GStrv) parts = g_strsplit(words ?: "", ",", -1);
    unsigned kinds = words ? 0 : DEFAULT_KINDS;

    for (char **part = parts; *part; part++) {
        RequestKind kind = request_kind_from_string(*part);

        if (kind < 0)
            return -EINVAL;
        kinds |= 1u << kind;
    }
    *ret = kinds;
    return 0;
}

static int parse_action(Rule *rule, char *const *words)
{
    static const char *const names[] = {"fail", "delay", "block", "kill", "do"};

    for (; *words; words++)
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
            if (!g_str_equal(*words, names[i]))
                continue;
            rule->action = i;
            if ((i == RULE_FAIL || i == RULE_DELAY || i == RULE_DO) && !words[1])
                return -EINVAL;
            if (i == RULE_FAIL)
                rule->error = errno_from_name(words[1]);
            if (i == RULE_DELAY)
                rule->delay_ms = atoi(words[1]);
            if (i == RULE_DO)
                rule->command = g_strdup(words[1]);
            return i == RULE_FAIL && rule->error == 0 ? -EINVAL : 0;
        }
    return -EINVAL;
}

int faults_add_rule(Faults *faults, char *const *words)
{
    Rule *rule;
    const char *nth = words_value(words, "nth"), *count = words_value(words, "count");
    int r;

    if (!words[0])
        return -EINVAL;
    if (faults_rule(faults, words[0]))
        return -EEXIST;

    rule = g_new0(Rule, 1);
    g_queue_init(&rule->blocked);
    rule->name = g_strdup(words[0]);
    rule->path = g_strdup(words_value(words, "path"));
    rule->nth = nth ? atoi(nth) : 1;
    rule->count = count ? atoi(count) : nth ? 1 : 0;
    rule->after = g_strcmp0(words_value(words, "when"), "after") == 0;
    r = parse_kinds(words_value(words, "op"), &rule->kinds);
    if (r == 0)
        r = parse_action(rule, words + 1);
    if (r < 0)
        rule_free(rule);
    else
        g_ptr_array_add(faults->rules, rule);
    return r;
}

Rule *faults_rule(const Faults *faults, const char *name)
{
    for (guint i = 0; i < faults->rules->len; i++) {
        Rule *rule = g_ptr_array_index(faults->rules, i);

        if (g_str_equal(rule->name, name))
            return rule;
    }
    return NULL;
}

int faults_release(Faults *faults, const char *name)
{
    Rule *rule = faults_rule(faults, name);
    Request *request;

    if (!rule)
        return -ENOENT;
    rule->retired = true;
    (void) g_ptr_array_remove(faults->rules, rule);
    g_ptr_array_add(faults->retired, rule);
    while ((request = g_queue_pop_head(&rule->blocked)))
        request_go_on(request);
    return 0;
}

int faults_remove_rule(Faults *faults, const char *name)
{
    if (!g_str_equal(name, "all"))
        return faults_release(faults, name);
    while (faults->rules->len > 0) {
        Rule *rule = g_ptr_array_index(faults->rules, 0);

        (void) faults_release(faults, rule->name);
    }
    return 0;
}

static bool selects(unsigned kinds, const char *glob, RequestKind kind, const char *path)
{
    return (kinds & (1u << kind)) && (!glob || fnmatch(glob, path, 0) == 0);
}

Rule *faults_match(Faults *faults, const Request *request)
{
    g_autofree char *path = request_path(request);
    Rule *found = NULL;

    for (guint i = 0; i < faults->rules->len; i++) {
        Rule *rule = g_ptr_array_index(faults->rules, i);

        if (!selects(rule->kinds, rule->path, request->kind, path))
            continue;
        rule->matched++;
        if (!found && rule->matched >= rule->nth && (rule->count == 0 || rule->fired < rule->count))
            found = rule;
    }
    if (found)
        found->fired++;
    return found;
}

void faults_block(Faults *faults, Rule *rule, Request *request)
{
    g_queue_push_tail(&rule->blocked, request);
    if (faults->callback)
        faults->callback(rule->name, true, faults->callback_data);
}

void faults_fired(Faults *faults, Rule *rule)
{
    if (faults->callback)
        faults->callback(rule->name, false, faults->callback_data);
}

LogEntry *faults_log(Faults *faults, const Request *request)
{
    LogEntry *entry = g_new0(LogEntry, 1);
    const char *bytes = request->bytes ?: request->kind == REQUEST_SYMLINK ? request->other_name : "";

    entry->pid = request->pid;
    entry->kind = request->kind;
    entry->path = request_path(request);
    entry->result = 1;
    if (request->kind == REQUEST_RENAME) {
        g_autofree char *folder = node_path(request->other);

        entry->bytes = g_build_filename(folder, request->other_name, NULL);
    } else
        entry->bytes = g_strdup(bytes);
    g_ptr_array_add(faults->log, entry);
    return entry;
}

void faults_log_lines(const Faults *faults, GPtrArray *lines)
{
    for (guint i = 0; i < faults->log->len; i++) {
        LogEntry *entry = g_ptr_array_index(faults->log, i);
        g_autofree char *bytes = g_strescape(entry->bytes, NULL), *path = g_strescape(entry->path, NULL);
        const char *result = entry->killed ? "killed" : entry->result == 1 ? "waiting"
                             : errno_to_name(-entry->result);

        g_ptr_array_add(lines, g_strdup_printf("%u\t%d\t%s\t%s\t%s\t%s", i + 1, entry->pid,
                                               request_kind_to_string(entry->kind), path, result, bytes));
    }
}

void faults_log_clear(Faults *faults)
{
    g_autoptr(GPtrArray) old = g_steal_pointer(&faults->log);

    /* A request on its way still writes its result to its entry. */
    faults->log = g_ptr_array_new_with_free_func(entry_free);
    g_ptr_array_set_free_func(old, NULL);
    for (guint i = 0; i < old->len; i++) {
        LogEntry *entry = g_ptr_array_index(old, i);

        if (entry->result == 1)
            (void) g_hash_table_add(faults->old_entries, entry);
        else
            entry_free(entry);
    }
}

int faults_count(const Faults *faults, char *const *words)
{
    const char *glob = words_value(words, "path");
    unsigned kinds;
    int count = 0, r;

    r = parse_kinds(words_value(words, "op"), &kinds);
    if (r < 0)
        return r;
    for (guint i = 0; i < faults->log->len; i++) {
        LogEntry *entry = g_ptr_array_index(faults->log, i);

        if (selects(kinds, glob, entry->kind, entry->path))
            count++;
    }
    return count;
}
