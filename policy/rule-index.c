/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-index.h"

#include <string.h>

#include "rule-match.h"

/* The keys a section can be filed under, the most telling first. Early ones come first: what is filed under
 * a late key is a candidate for all devices that udev has not processed. */
static const MatchKey indexed_keys[] = {
    MATCH_ADDRESS,           MATCH_PATH,     MATCH_ID,     MATCH_SUBSYSTEM_ID,
    MATCH_PHYSICAL_FUNCTION, MATCH_MODALIAS, MATCH_CLASS,  MATCH_SERIAL,
    MATCH_MAC_ADDRESS,       MATCH_DRIVER,
};

/* One text under which sections are filed: all values of the key that start with it, or, if exact, only
 * itself. */
typedef struct Posting {
    MatchKey key;
    bool exact;
    const char *text; /* borrowed from the pattern; not NUL-terminated */
    size_t length;
    GArray *numbers;  /* guint32, ascending */
} Posting;

struct RuleIndex {
    GArray *matches;       /* IndexedMatch, by number */
    GHashTable *postings;  /* Posting, as its own key */
    GArray *lengths[_MATCH_KEY_MAX]; /* size_t: the lengths of the prefixes in use, ascending */
    bool has_exact[_MATCH_KEY_MAX];
    GArray *filed[_MATCH_KEY_MAX];   /* guint32: all that is filed under the key */
    GArray *always;        /* guint32: what is filed nowhere */
};

static guint posting_hash(gconstpointer p)
{
    const Posting *posting = p;
    guint hash = 5381 + posting->key * 2 + posting->exact;

    for (size_t i = 0; i < posting->length; i++)
        hash = hash * 33 + (unsigned char) posting->text[i];
    return hash;
}

static gboolean posting_equal(gconstpointer a, gconstpointer b)
{
    const Posting *x = a, *y = b;

    return x->key == y->key && x->exact == y->exact && x->length == y->length &&
           memcmp(x->text, y->text, x->length) == 0;
}

static void posting_free(void *p)
{
    Posting *posting = p;

    g_array_unref(posting->numbers);
    g_free(posting);
}

static size_t literal_length(const char *pattern)
{
    return strcspn(pattern, "*?[\\");
}

/* Any pattern without literal text at its front would have to be filed under everything. */
static bool can_be_filed(const MatchTerm *term)
{
    if (term->negated || term->patterns->len == 0)
        return false;
    for (unsigned i = 0; i < term->patterns->len; i++)
        if (literal_length(term->patterns->pdata[i]) == 0)
            return false;
    return true;
}

static bool is_exact(const MatchTerm *term)
{
    for (unsigned i = 0; i < term->patterns->len; i++) {
        const char *pattern = term->patterns->pdata[i];

        if (pattern[literal_length(pattern)] != '\0')
            return false;
    }
    return true;
}

/* Returns the term to file MATCH under: an early key before a late one, an exact one before a prefix; or
 * NULL. */
static const MatchTerm *choose_term(const RuleMatch *match)
{
    const MatchTerm *best = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(indexed_keys); i++) {
        const MatchTerm *term = rule_match_find(match, indexed_keys[i]);

        if (!term || !can_be_filed(term))
            continue;
        if (!best)
            best = term;
        else if (match_key_is_late(term->key) == match_key_is_late(best->key) && is_exact(term) &&
                 !is_exact(best))
            best = term;
    }
    return best;
}

static void note_length(RuleIndex *index, MatchKey key, size_t length)
{
    GArray *lengths = index->lengths[key];
    unsigned i = 0;

    while (i < lengths->len && g_array_index(lengths, size_t, i) < length)
        i++;
    if (i == lengths->len || g_array_index(lengths, size_t, i) != length)
        g_array_insert_val(lengths, i, length);
}

static void append_number(GArray *numbers, guint32 number)
{
    if (numbers->len == 0 || g_array_index(numbers, guint32, numbers->len - 1) != number)
        g_array_append_val(numbers, number);
}

static void file_pattern(RuleIndex *index, MatchKey key, const char *pattern, guint32 number)
{
    size_t length = literal_length(pattern);
    Posting wanted = {.key = key, .exact = pattern[length] == '\0', .text = pattern, .length = length};
    Posting *posting = g_hash_table_lookup(index->postings, &wanted);

    if (!posting) {
        posting = g_memdup2(&wanted, sizeof wanted);
        posting->numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
        g_hash_table_add(index->postings, posting);
    }
    append_number(posting->numbers, number);
    if (posting->exact)
        index->has_exact[key] = true;
    else
        note_length(index, key, length);
}

static void file_match(RuleIndex *index, const RuleMatch *match, guint32 number)
{
    const MatchTerm *term = choose_term(match);

    if (!term) {
        append_number(index->always, number);
        return;
    }
    append_number(index->filed[term->key], number);
    for (unsigned i = 0; i < term->patterns->len; i++)
        file_pattern(index, term->key, term->patterns->pdata[i], number);
}

RuleIndex *rule_index_new(const GPtrArray *rules)
{
    RuleIndex *index = g_new0(RuleIndex, 1);

    index->matches = g_array_new(FALSE, FALSE, sizeof(IndexedMatch));
    index->postings = g_hash_table_new_full(posting_hash, posting_equal, posting_free, NULL);
    index->always = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (int key = 0; key < _MATCH_KEY_MAX; key++) {
        index->lengths[key] = g_array_new(FALSE, FALSE, sizeof(size_t));
        index->filed[key] = g_array_new(FALSE, FALSE, sizeof(guint32));
    }

    for (unsigned i = 0; i < rules->len; i++) {
        const Rule *rule = rules->pdata[i];

        for (unsigned j = 0; j < rule->matches->len; j++) {
            IndexedMatch match = {.rule = i, .match = j};

            g_array_append_val(index->matches, match);
            file_match(index, rule->matches->pdata[j], index->matches->len - 1);
        }
    }
    return index;
}

void rule_index_free(RuleIndex *index)
{
    if (!index)
        return;

    for (int key = 0; key < _MATCH_KEY_MAX; key++) {
        g_array_unref(index->lengths[key]);
        g_array_unref(index->filed[key]);
    }
    g_array_unref(index->always);
    g_array_unref(index->matches);
    g_hash_table_unref(index->postings);
    g_free(index);
}

/* Appends what is filed under TEXT. *RUNS counts the ascending runs that NUMBERS is made of. */
static void collect_posting(const RuleIndex *index, MatchKey key, const char *text, size_t length,
                            bool exact, GArray *numbers, unsigned *runs)
{
    Posting wanted = {.key = key, .exact = exact, .text = text, .length = length};
    const Posting *posting = g_hash_table_lookup(index->postings, &wanted);

    if (!posting)
        return;
    g_array_append_vals(numbers, posting->numbers->data, posting->numbers->len);
    (*runs)++;
}

static void collect_value(const RuleIndex *index, MatchKey key, const char *value, GArray *numbers,
                          unsigned *runs)
{
    const GArray *lengths = index->lengths[key];
    size_t length = strlen(value);

    if (index->has_exact[key])
        collect_posting(index, key, value, length, true, numbers, runs);
    for (unsigned i = 0; i < lengths->len && g_array_index(lengths, size_t, i) <= length; i++)
        collect_posting(index, key, value, g_array_index(lengths, size_t, i), false, numbers, runs);
}

static void collect_key(const RuleIndex *index, MatchKey key, const DeviceFacts *device, GArray *numbers,
                        unsigned *runs)
{
    FactValues values;

    if (index->filed[key]->len == 0)
        return;
    fact_values_read(&values, key, device);
    if (!values.known) {
        g_array_append_vals(numbers, index->filed[key]->data, index->filed[key]->len);
        (*runs)++;
        return;
    }
    for (unsigned i = 0; i < values.n; i++)
        collect_value(index, key, fact_values_get(&values, i), numbers, runs);
}

static int compare_numbers(gconstpointer a, gconstpointer b)
{
    guint32 x = *(const guint32 *) a, y = *(const guint32 *) b;

    return x < y ? -1 : x > y;
}

static void drop_repeated(GArray *numbers)
{
    unsigned n = 0;

    for (unsigned i = 0; i < numbers->len; i++) {
        guint32 number = g_array_index(numbers, guint32, i);

        if (n == 0 || g_array_index(numbers, guint32, n - 1) != number)
            g_array_index(numbers, guint32, n++) = number;
    }
    g_array_set_size(numbers, n);
}

GArray *rule_index_candidates(const RuleIndex *index, const DeviceFacts *device)
{
    GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
    unsigned runs = 0;

    if (index->always->len > 0) {
        g_array_append_vals(numbers, index->always->data, index->always->len);
        runs++;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(indexed_keys); i++)
        collect_key(index, indexed_keys[i], device, numbers, &runs);

    /* A single run is in order as it was filed. */
    if (runs > 1) {
        g_array_sort(numbers, compare_numbers);
        drop_repeated(numbers);
    }
    return numbers;
}

const IndexedMatch *rule_index_get(const RuleIndex *index, guint32 number)
{
    return &g_array_index(index->matches, IndexedMatch, number);
}
