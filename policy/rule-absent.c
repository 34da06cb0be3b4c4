/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-absent.h"

#include <string.h>

#include "rule-match.h"

/* What names devices one by one, in the order in which one is taken for the name of a section. */
static const MatchKey naming[] = { MATCH_ADDRESS, MATCH_PATH, MATCH_ID };

typedef struct Machine {
    const DeviceFacts *const *devices;
    size_t n;
} Machine;

static void absent_name_free(void *p)
{
    AbsentName *name = p;

    g_free(name->text);
    g_free(name);
}

static bool is_exact(const char *pattern)
{
    return !strpbrk(pattern, "*?[\\");
}

static bool term_is_exact(const MatchTerm *term)
{
    if (term->negated)
        return false;
    for (guint i = 0; i < term->patterns->len; i++)
        if (!is_exact(term->patterns->pdata[i]))
            return false;
    return true;
}

static const MatchTerm *naming_term(const RuleMatch *match)
{
    for (size_t i = 0; i < G_N_ELEMENTS(naming); i++) {
        const MatchTerm *term = rule_match_find(match, naming[i]);

        if (term && term_is_exact(term))
            return term;
    }
    return NULL;
}

/* Keys of the host say for which machines the section is meant. */
static bool is_for_host(const RuleMatch *match, const HostFacts *host)
{
    static const MatchKey of_host[] = { MATCH_ARCHITECTURE, MATCH_KERNEL_COMMAND_LINE };

    for (size_t i = 0; i < G_N_ELEMENTS(of_host); i++) {
        const MatchTerm *term = rule_match_find(match, of_host[i]);

        if (term && match_term_evaluate(term, NULL, host) != TRISTATE_YES)
            return false;
    }
    return true;
}

/* DEVICE has what the other naming keys of MATCH ask for. */
static bool has_other_names(const RuleMatch *match, MatchKey but, const DeviceFacts *device)
{
    for (size_t i = 0; i < G_N_ELEMENTS(naming); i++) {
        const MatchTerm *term = naming[i] == but ? NULL : rule_match_find(match, naming[i]);

        if (term && match_term_evaluate(term, device, NULL) != TRISTATE_YES)
            return false;
    }
    return true;
}

/* Some device has one of the N patterns from FIRST on. */
static bool is_here(const Machine *machine, const RuleMatch *match, const MatchTerm *term, guint first,
                    guint n)
{
    for (size_t i = 0; i < machine->n; i++) {
        FactValues values;

        fact_values_read(&values, term->key, machine->devices[i]);
        if (values.n == 0 || !has_other_names(match, term->key, machine->devices[i]))
            continue;
        for (guint j = first; j < first + n; j++)
            if (g_str_equal(fact_values_get(&values, 0), term->patterns->pdata[j]))
                return true;
    }
    return false;
}

static void add(GPtrArray *absent, const MatchTerm *term, const char *value)
{
    AbsentName *name = g_new(AbsentName, 1);

    name->text = g_strdup_printf("%s=%s", match_key_to_string(term->key), value);
    name->place = term->key != MATCH_ID;
    g_ptr_array_add(absent, name);
}

GPtrArray *rule_absent(const Rule *rule, const HostFacts *host, const DeviceFacts *const *devices,
                       size_t n_devices)
{
    GPtrArray *absent = g_ptr_array_new_with_free_func(absent_name_free);
    const Machine machine = { .devices = devices, .n = n_devices };

    for (guint i = 0; i < rule->matches->len; i++) {
        const RuleMatch *match = rule->matches->pdata[i];
        const MatchTerm *term = naming_term(match);

        if (!term || !is_for_host(match, host))
            continue;
        if (term->key == MATCH_ID) {
            if (!is_here(&machine, match, term, 0, term->patterns->len))
                add(absent, term, term->text->str);
            continue;
        }
        for (guint j = 0; j < term->patterns->len; j++)
            if (!is_here(&machine, match, term, j, 1))
                add(absent, term, term->patterns->pdata[j]);
    }
    return absent;
}
