/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-set.h"

#include <string.h>

#include "conf-files.h"
#include "diagnostic.h"
#include "rule-index.h"
#include "rule-match.h"
#include "rule-parse.h"

static const char *const rule_directories[] = {
    "etc/iommu-policy.d",
    "run/iommu-policy.d",
    "usr/local/lib/iommu-policy.d",
    "usr/lib/iommu-policy.d",
    NULL,
};

struct RuleSet {
    unsigned n_ref;
    bool frozen;
    RuleSet *base;     /* frozen after a reload: the set that stays in force; holds its rules */
    GPtrArray *own;    /* Rule, owned */
    GPtrArray *rules;  /* const Rule: all of base and own, in order */
    GPtrArray *files;  /* const char *, borrowed from the rules; NULL-terminated */
    RuleIndex *index;
    GHashTable *contents; /* path -> GBytes: what the files of own said */
    char *digest;
    char *fingerprint; /* of the directories at the time of loading; NULL: was not loaded from them */
};

/* A rule that was read, with what its file says. */
typedef struct LoadedRule {
    Rule *rule;
    GBytes *content;
} LoadedRule;

static const char *rule_file_name(const Rule *rule)
{
    const char *slash = strrchr(rule->file, '/');

    return slash ? slash + 1 : rule->file;
}

static int compare_rules(gconstpointer a, gconstpointer b)
{
    const Rule *x = *(Rule *const *) a, *y = *(Rule *const *) b;

    return strcmp(rule_file_name(x), rule_file_name(y));
}

static void list_files(RuleSet *set)
{
    const char *last = NULL;

    for (unsigned i = 0; i < set->rules->len; i++) {
        const Rule *rule = set->rules->pdata[i];

        /* A frozen set can hold a file twice: as it was, and what it forbids now. */
        if (last && g_str_equal(last, rule->file))
            continue;
        last = rule->file;
        g_ptr_array_add(set->files, rule->file);
    }
    g_ptr_array_add(set->files, NULL);
}

static char *digest_of(const RuleSet *base, const GArray *loaded)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);

    if (base)
        g_checksum_update(checksum, (const guchar *) base->digest, -1);
    for (unsigned i = 0; i < loaded->len; i++) {
        const LoadedRule *entry = &g_array_index(loaded, LoadedRule, i);
        const char *name = rule_file_name(entry->rule);
        gsize size;
        const guchar *content = g_bytes_get_data(entry->content, &size);
        guint64 size_before = GUINT64_TO_BE((guint64) size);

        /* The name with its NUL, and the size before the content: none of them runs into the next. */
        g_checksum_update(checksum, (const guchar *) name, (gssize) strlen(name) + 1);
        g_checksum_update(checksum, (const guchar *) &size_before, sizeof(size_before));
        g_checksum_update(checksum, content, (gssize) size);
    }
    return g_strdup(g_checksum_get_string(checksum));
}

static RuleSet *rule_set_ref(RuleSet *set)
{
    set->n_ref++;
    return set;
}

/* Takes the rules of LOADED over. BASE may be NULL. */
static RuleSet *rule_set_build(RuleSet *base, GArray *loaded, bool frozen, char *fingerprint)
{
    RuleSet *set = g_new(RuleSet, 1);

    *set = (RuleSet){
        .n_ref = 1,
        .frozen = frozen,
        .base = base ? rule_set_ref(base) : NULL,
        .own = g_ptr_array_new_with_free_func((GDestroyNotify) rule_free),
        .rules = g_ptr_array_new(),
        .files = g_ptr_array_new(),
        .contents = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_bytes_unref),
        .digest = digest_of(base, loaded),
        .fingerprint = fingerprint,
    };
    for (unsigned i = 0; base && i < base->rules->len; i++)
        g_ptr_array_add(set->rules, base->rules->pdata[i]);
    for (unsigned i = 0; i < loaded->len; i++) {
        LoadedRule *entry = &g_array_index(loaded, LoadedRule, i);

        g_ptr_array_add(set->own, entry->rule);
        g_ptr_array_add(set->rules, entry->rule);
        g_hash_table_insert(set->contents, entry->rule->file, entry->content);
    }
    /* Stable, so an old rule stays before what its file forbids now, and files named alike stay as they were
     * given. */
    g_ptr_array_sort(set->rules, compare_rules);
    list_files(set);
    set->index = rule_index_new(set->rules);
    return set;
}

static GArray *parse_files(const GPtrArray *files, GPtrArray *diagnostics)
{
    GArray *loaded = g_array_new(FALSE, FALSE, sizeof(LoadedRule));

    for (unsigned i = 0; i < files->len; i++) {
        const ConfFile *file = files->pdata[i];
        gsize size;
        const char *content = g_bytes_get_data(file->content, &size);
        LoadedRule entry = {.rule = rule_parse(content, size, file->path, diagnostics)};

        if (!entry.rule)
            continue;
        entry.content = g_bytes_ref(file->content);
        g_array_append_val(loaded, entry);
    }
    return loaded;
}

/* While BASE stays in force, files that are new to it add what they forbid, and nothing else. */
static void keep_only_forbids(GArray *loaded, const RuleSet *base)
{
    unsigned n = 0;

    for (unsigned i = 0; i < loaded->len; i++) {
        LoadedRule entry = g_array_index(loaded, LoadedRule, i);
        GBytes *in_base = g_hash_table_lookup(base->contents, entry.rule->file);

        if ((in_base && g_bytes_equal(in_base, entry.content)) || entry.rule->forbid == 0) {
            rule_free(entry.rule);
            g_bytes_unref(entry.content);
            continue;
        }
        entry.rule->has_type = false;
        g_array_index(loaded, LoadedRule, n++) = entry;
    }
    g_array_set_size(loaded, n);
}

static int load(int root_fd, RuleSet *previous, char **fingerprint, RuleSet **ret_set,
                GPtrArray **ret_diagnostics)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new(), files = NULL;
    g_autoptr(GArray) loaded = NULL;
    RuleSet *base = NULL;
    bool frozen;
    int r;

    r = conf_files_read(root_fd, rule_directories, diagnostics, &files);
    if (r < 0)
        return r;

    loaded = parse_files(files, diagnostics);
    frozen = diagnostics_count(diagnostics, DIAGNOSTIC_ERROR) > 0;
    if (frozen && previous) {
        /* What an earlier refused reload added is judged anew, it does not pile up. */
        base = previous->base ?: previous;
        keep_only_forbids(loaded, base);
    }

    *ret_set = rule_set_build(base, loaded, frozen, g_steal_pointer(fingerprint));
    *ret_diagnostics = g_steal_pointer(&diagnostics);
    return 0;
}

int rule_set_load(int root_fd, RuleSet *previous, RuleSet **ret_set, GPtrArray **ret_diagnostics)
{
    /* Taken before the files are read: what changes meanwhile shows as changed. */
    g_autofree char *fingerprint = conf_files_fingerprint(root_fd, rule_directories);

    return load(root_fd, previous, &fingerprint, ret_set, ret_diagnostics);
}

int rule_set_load_once(int root_fd, RuleSet **ret_set, GPtrArray **ret_diagnostics)
{
    char *fingerprint = NULL;

    return load(root_fd, NULL, &fingerprint, ret_set, ret_diagnostics);
}

static int compare_files(gconstpointer a, gconstpointer b)
{
    const ConfFile *x = *(ConfFile *const *) a, *y = *(ConfFile *const *) b;

    return strcmp(conf_file_name(x), conf_file_name(y));
}

int rule_set_load_files(int root_fd, char **files, RuleSet **ret_set, GPtrArray **ret_diagnostics)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(GPtrArray) read = g_ptr_array_new_with_free_func((GDestroyNotify) conf_file_free);
    g_autoptr(GArray) loaded = NULL;

    for (; *files; files++) {
        ConfFile *file = conf_file_read_named(root_fd, *files, diagnostics);

        if (file)
            g_ptr_array_add(read, file);
    }
    g_ptr_array_sort(read, compare_files);

    loaded = parse_files(read, diagnostics);
    *ret_set = rule_set_build(NULL, loaded, diagnostics_count(diagnostics, DIAGNOSTIC_ERROR) > 0, NULL);
    *ret_diagnostics = g_steal_pointer(&diagnostics);
    return 0;
}

void rule_set_unref(RuleSet *set)
{
    if (!set || --set->n_ref > 0)
        return;

    rule_index_free(set->index);
    g_ptr_array_unref(set->rules);
    g_ptr_array_unref(set->files);
    g_hash_table_unref(set->contents);
    g_ptr_array_unref(set->own);
    rule_set_unref(set->base);
    g_free(set->digest);
    g_free(set->fingerprint);
    g_free(set);
}

bool rule_set_is_frozen(const RuleSet *set)
{
    return set->frozen;
}

const char *const *rule_set_files(const RuleSet *set)
{
    return (const char *const *) set->files->pdata;
}

const GPtrArray *rule_set_rules(const RuleSet *set)
{
    return set->rules;
}

const char *rule_set_digest(const RuleSet *set)
{
    return set->digest;
}

bool rule_set_changed_on_disk(const RuleSet *set, int root_fd)
{
    g_autofree char *now = NULL;

    if (!set->fingerprint)
        return false;
    now = conf_files_fingerprint(root_fd, rule_directories);
    return g_strcmp0(now, set->fingerprint) != 0;
}

void rule_set_match(const RuleSet *set, const DeviceFacts *device, const HostFacts *host, RuleVisit visit,
                    void *userdata)
{
    g_autoptr(GArray) candidates = rule_index_candidates(set->index, device);
    unsigned i = 0;

    while (i < candidates->len) {
        unsigned n = rule_index_get(set->index, g_array_index(candidates, guint32, i))->rule;
        const Rule *rule = set->rules->pdata[n];
        Tristate any = TRISTATE_NO;

        /* The sections of this rule that are no candidates are known not to match. */
        for (; i < candidates->len; i++) {
            const IndexedMatch *match = rule_index_get(set->index, g_array_index(candidates, guint32, i));
            Tristate tristate;

            if (match->rule != n)
                break;
            if (any == TRISTATE_YES)
                continue;
            tristate = rule_match_evaluate(rule->matches->pdata[match->match], device, host);
            if (tristate != TRISTATE_NO)
                any = tristate;
        }
        if (any != TRISTATE_NO && !visit(rule, any, userdata))
            return;
    }
}
