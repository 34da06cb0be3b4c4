/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-parse.h"

#include <string.h>

#include "diagnostic.h"
#include "ini-reader.h"
#include "match-value.h"
#include "rule-match.h"

/* Past this many, a file is no rule with mistakes in it but something else. */
#define ERRORS_MAX 32

typedef enum SectionKind {
    SECTION_NONE,
    SECTION_MATCH,
    SECTION_POLICY,
    SECTION_OTHER, /* unknown (an error was given), or of the X- kind */
} SectionKind;

typedef struct Parser {
    const char *file;
    GPtrArray *diagnostics;
    unsigned n_errors;
    Rule *rule;

    SectionKind section;
    unsigned section_line;  /* of the header of the section being read */
    unsigned section_items; /* keys seen in it, right or wrong */
    unsigned section_said;  /* what had been said before it */
    RuleMatch *match;       /* the [Match] being filled */
    unsigned policy_line;   /* of the first [Policy], 0: none yet */
    unsigned unbind_line, accept_line, reason_line;
} Parser;

typedef void (*PolicySetter)(Parser *parser, const IniItem *item);

static void add_error(Parser *parser, unsigned line, unsigned column, const char *text)
{
    if (parser->n_errors++ < ERRORS_MAX)
        diagnostics_add(parser->diagnostics, DIAGNOSTIC_ERROR, parser->file, line, column, "%s", text);
    else if (parser->n_errors == ERRORS_MAX + 2)
        diagnostics_add(parser->diagnostics, DIAGNOSTIC_ERROR, parser->file, 0, 0,
                        "more errors than are shown: this is not a rule file");
}

static void G_GNUC_PRINTF(4, 5)
value_error(Parser *parser, const IniItem *item, size_t offset, const char *format, ...)
{
    g_autofree char *text = NULL;
    unsigned line, column;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    ini_item_place(item, offset, &line, &column);
    add_error(parser, line, column, text);
}

static void G_GNUC_PRINTF(4, 5)
place_error(Parser *parser, unsigned line, unsigned column, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    add_error(parser, line, column, text);
}

/* Takes the next word of TEXT at *OFFSET; NULL at the end. *ret_offset is where it starts. */
static char *next_word(const char *text, size_t *offset, size_t *ret_offset)
{
    size_t start = *offset + strspn(text + *offset, " \t"), length = strcspn(text + start, " \t");

    if (length == 0)
        return NULL;
    *ret_offset = start;
    *offset = start + length;
    return g_strndup(text + start, length);
}

/* A word that tells of a mistake in any list: true if an error was given. */
static bool is_misplaced_word(Parser *parser, const IniItem *item, size_t offset, const char *word)
{
    if (word[0] == '#' || word[0] == ';') {
        value_error(parser, item, offset, "a comment stands on a line of its own");
        return true;
    }
    if (word[0] == '!') {
        value_error(parser, item, offset,
                    "! stands at the front of the value, once, and negates the whole list");
        return true;
    }
    return false;
}

static void set_match(Parser *parser, const IniItem *item, MatchKey key)
{
    bool negated = item->value[0] == '!';
    MatchTerm *term = rule_match_find(parser->match, key);
    size_t offset = negated, start;
    char *next;

    if (item->value[offset + strspn(item->value + offset, " \t")] == '\0') {
        value_error(parser, item, 0, "empty value: %s= needs at least one", item->key);
        return;
    }
    if (term && term->negated != negated) {
        value_error(parser, item, 0,
                    "%s= cannot be both plain and negated in one [Match]: add a [Match], or a file",
                    item->key);
        return;
    }
    if (!term)
        term = rule_match_add(parser->match, key, negated);
    if (key == MATCH_ANY && negated)
        value_error(parser, item, 0, "Any= takes yes alone");

    while ((next = next_word(item->value, &offset, &start))) {
        g_autofree char *word = next, *error = NULL;

        if (is_misplaced_word(parser, item, start, word))
            return;
        error = match_value_parse(key, word, term->patterns);
        if (error)
            value_error(parser, item, start, "%s", error);
        g_string_append_printf(term->text, "%s%s", term->text->len > (negated ? 1 : 0) ? " " : "", word);
    }
    if (match_key_is_late(key))
        parser->rule->late = true;
}

/* True if KEY was not given before; *LINE is where it was, or stands now. */
static bool claim_key(Parser *parser, const IniItem *item, unsigned *line)
{
    if (*line > 0) {
        place_error(parser, item->line, item->column, "%s= is given twice, first in line %u", item->key,
                    *line);
        return false;
    }
    *line = item->line;
    return true;
}

static void set_type(Parser *parser, const IniItem *item)
{
    static const char *const words[] = {"DMA", "DMA-FQ", "identity", "auto", "keep", NULL};
    const char *near;

    if (!claim_key(parser, item, &parser->rule->type_line))
        return;
    if (g_strv_contains(words, item->value)) {
        parser->rule->has_type = true;
        parser->rule->keep = g_str_equal(item->value, "keep");
        parser->rule->type = domain_type_from_string(item->value);
        return;
    }
    near = diagnostic_suggest(item->value, words);
    if (near)
        value_error(parser, item, 0, "unknown type %s (did you mean %s?)", item->value, near);
    else
        value_error(parser, item, 0, "Type= takes one of DMA, DMA-FQ, identity, auto, keep");
}

static void forbid_word(Parser *parser, const IniItem *item, size_t offset, const char *word)
{
    static const char *const words[] = {"DMA-FQ", "identity", NULL};
    const char *near;

    if (g_strv_contains(words, word)) {
        parser->rule->forbid |= DOMAIN_TYPE_BIT(domain_type_from_string(word));
        return;
    }
    near = diagnostic_suggest(word, words);
    if (g_str_equal(word, "DMA"))
        value_error(parser, item, offset, "DMA is the strictest type and cannot be forbidden");
    else if (near)
        value_error(parser, item, offset, "%s cannot be forbidden (did you mean %s?)", word, near);
    else
        value_error(parser, item, offset, "Forbid= takes DMA-FQ, identity or both");
}

static void set_forbid(Parser *parser, const IniItem *item)
{
    size_t offset = 0, start;
    char *next;

    if (parser->rule->forbid_line == 0)
        parser->rule->forbid_line = item->line;
    while ((next = next_word(item->value, &offset, &start))) {
        g_autofree char *word = next;

        if (is_misplaced_word(parser, item, start, word))
            return;
        forbid_word(parser, item, start, word);
    }
}

static void set_unbind(Parser *parser, const IniItem *item)
{
    static const char *const words[] = {"never", "idle", NULL};
    const char *near;

    if (!claim_key(parser, item, &parser->unbind_line))
        return;
    if (g_strv_contains(words, item->value)) {
        parser->rule->unbind = unbind_policy_from_string(item->value);
        return;
    }
    near = g_str_equal(item->value, "yes")  ? "idle"
           : g_str_equal(item->value, "no") ? "never"
                                            : diagnostic_suggest(item->value, words);
    if (near)
        value_error(parser, item, 0, "Unbind= takes never or idle (did you mean %s?)", near);
    else
        value_error(parser, item, 0, "Unbind= takes never or idle");
}

static const char *suggest_disruptive(const char *word)
{
    const char *words[_FINDING_KIND_MAX + 1];
    size_t n = 0;

    for (int kind = 0; kind < _FINDING_KIND_MAX; kind++)
        if (finding_kind_severity(kind) == FINDING_DISRUPTIVE)
            words[n++] = finding_kind_to_string(kind);
    words[n] = NULL;
    return diagnostic_suggest(word, words);
}

static void accept_word(Parser *parser, const IniItem *item, size_t offset, const char *word)
{
    FindingKind kind = finding_kind_from_string(word);
    const char *near;

    if (kind >= 0 && finding_kind_severity(kind) == FINDING_DISRUPTIVE) {
        parser->rule->accept |= FINDING_KIND_BIT(kind);
        return;
    }
    if (kind >= 0) {
        value_error(parser, item, offset, "%s is %s: no rule can accept it", word,
                    finding_severity_to_string(finding_kind_severity(kind)));
        return;
    }
    near = suggest_disruptive(word);
    if (near)
        value_error(parser, item, offset, "unknown kind of finding %s (did you mean %s?)", word, near);
    else
        value_error(parser, item, offset,
                    "Accept= takes signature, up, addr, display, input, sound, unknown");
}

static void set_accept(Parser *parser, const IniItem *item)
{
    size_t offset = 0, start;
    char *next;

    if (parser->accept_line == 0)
        parser->accept_line = item->line;
    while ((next = next_word(item->value, &offset, &start))) {
        g_autofree char *word = next;

        if (is_misplaced_word(parser, item, start, word))
            return;
        accept_word(parser, item, start, word);
    }
}

static void set_reason(Parser *parser, const IniItem *item)
{
    if (claim_key(parser, item, &parser->reason_line))
        parser->rule->reason = g_strdup(item->value);
}

static const struct {
    const char *name;
    PolicySetter set;
} policy_keys[] = {
    {"Type", set_type},
    {"Forbid", set_forbid},
    {"Unbind", set_unbind},
    {"Accept", set_accept},
    {"Reason", set_reason},
};

static MatchKey find_match_key(const char *name)
{
    for (int key = 0; key < _MATCH_KEY_MAX; key++)
        if (g_str_equal(name, match_key_to_string(key)))
            return key;
    return _MATCH_KEY_INVALID;
}

static PolicySetter find_policy_key(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(policy_keys); i++)
        if (g_str_equal(name, policy_keys[i].name))
            return policy_keys[i].set;
    return NULL;
}

/* Whatever somebody may call the number of a group. */
static bool is_group_number_key(const char *name)
{
    static const char *const words[] = {"group",      "groupid",      "groupnumber",
                                        "iommugroup", "iommugroupid", NULL};
    g_autoptr(GString) plain = g_string_new(NULL);

    for (const char *p = name; *p; p++)
        if (*p != '-' && *p != '_')
            g_string_append_c(plain, g_ascii_tolower(*p));
    return g_strv_contains(words, plain->str);
}

static const char *suggest_key(const char *name, SectionKind section)
{
    const char *words[_MATCH_KEY_MAX + G_N_ELEMENTS(policy_keys) + 1];
    size_t n = 0;

    for (int key = 0; section == SECTION_MATCH && key < _MATCH_KEY_MAX; key++)
        words[n++] = match_key_to_string(key);
    for (size_t i = 0; section == SECTION_POLICY && i < G_N_ELEMENTS(policy_keys); i++)
        words[n++] = policy_keys[i].name;
    words[n] = NULL;
    return diagnostic_suggest(name, words);
}

static void unknown_key(Parser *parser, const IniItem *item)
{
    const char *near = suggest_key(item->key, parser->section);
    bool in_match = parser->section == SECTION_MATCH;

    if (is_group_number_key(item->key))
        place_error(
            parser, item->line, item->column,
            "there is no key for the group number: it is not stable, the kernel gives it anew at each boot; "
            "name the device by Address=, Path= or Id=");
    else if (in_match ? find_policy_key(item->key) != NULL : find_match_key(item->key) >= 0)
        place_error(parser, item->line, item->column, "%s= belongs in [%s]", item->key,
                    in_match ? "Policy" : "Match");
    else if (near)
        place_error(parser, item->line, item->column, "unknown key %s in [%s] (did you mean %s=?)",
                    item->key, item->section, near);
    else
        place_error(parser, item->line, item->column, "unknown key %s in [%s]", item->key, item->section);
}

static void handle_key(Parser *parser, const IniItem *item)
{
    MatchKey key = parser->section == SECTION_MATCH ? find_match_key(item->key) : _MATCH_KEY_INVALID;
    PolicySetter set = parser->section == SECTION_POLICY ? find_policy_key(item->key) : NULL;

    if (parser->section == SECTION_OTHER || g_str_has_prefix(item->key, "X-"))
        return;
    parser->section_items++;
    if (key >= 0)
        set_match(parser, item, key);
    else if (set && item->value[0] == '\0')
        value_error(parser, item, 0, "empty value: leave the line out instead");
    else if (set)
        set(parser, item);
    else
        unknown_key(parser, item);
}

/* What can only be said of a section when it is over. */
static void end_section(Parser *parser)
{
    bool nothing_said = parser->diagnostics->len == parser->section_said;

    if (parser->section == SECTION_MATCH && parser->section_items == 0 && nothing_said)
        place_error(parser, parser->section_line, 1,
                    "empty [Match]: it would match every device; if that is meant, write Any=yes");
    parser->section = SECTION_NONE;
}

static void start_match(Parser *parser)
{
    parser->section = SECTION_MATCH;
    parser->match = rule_match_new();
    g_ptr_array_add(parser->rule->matches, parser->match);
}

static void start_policy(Parser *parser, const IniItem *item)
{
    if (parser->policy_line > 0) {
        place_error(parser, item->line, item->column,
                    "a second [Policy], the first is in line %u: one file is one rule", parser->policy_line);
        parser->section = SECTION_OTHER;
        return;
    }
    parser->section = SECTION_POLICY;
    parser->policy_line = item->line;
}

static void unknown_section(Parser *parser, const IniItem *item)
{
    static const char *const names[] = {"Match", "Policy", NULL};
    const char *near = diagnostic_suggest(item->section, names);

    if (near)
        place_error(parser, item->line, item->column, "unknown section [%s] (did you mean [%s]?)",
                    item->section, near);
    else
        place_error(parser, item->line, item->column,
                    "unknown section [%s]: a rule has [Match] and [Policy]", item->section);
}

static void handle_header(Parser *parser, const IniItem *item)
{
    end_section(parser);
    parser->section_line = item->line;
    parser->section_items = 0;
    parser->section_said = parser->diagnostics->len;

    if (g_str_equal(item->section, "Match"))
        start_match(parser);
    else if (g_str_equal(item->section, "Policy"))
        start_policy(parser, item);
    else {
        parser->section = SECTION_OTHER;
        if (!g_str_has_prefix(item->section, "X-"))
            unknown_section(parser, item);
    }
}

static void handle_item(const IniItem *item, void *userdata)
{
    Parser *parser = userdata;

    if (parser->n_errors > ERRORS_MAX)
        return;
    if (item->key)
        handle_key(parser, item);
    else
        handle_header(parser, item);
}

/* What is right line by line and still no rule. */
static void check_whole(Parser *parser)
{
    const Rule *rule = parser->rule;

    if (rule->matches->len == 0)
        place_error(parser, 0, 0, "no [Match] section: it says which devices the rule is for");
    if (parser->policy_line == 0)
        place_error(parser, 0, 0, "no [Policy] section: it says what the rule wants");
    else if (rule->type_line == 0 && rule->forbid_line == 0 && parser->n_errors == 0)
        place_error(parser, parser->policy_line, 1,
                    "[Policy] has neither Type= nor Forbid=: it wants nothing");
}

static void warn(Parser *parser, unsigned line, const char *text)
{
    diagnostics_add(parser->diagnostics, DIAGNOSTIC_WARNING, parser->file, line, 1, "%s", text);
}

static void warn_about_whole(Parser *parser)
{
    const Rule *rule = parser->rule;

    if (rule->has_type && !rule->keep && (rule->forbid & DOMAIN_TYPE_BIT(rule->type)))
        warn(parser, rule->type_line, "Type= is void: the same file forbids that type");
    if (rule->keep && rule->unbind == UNBIND_IDLE)
        warn(parser, parser->unbind_line, "Unbind= says nothing beside Type=keep, which never unbinds");
    if (rule->accept != 0 && rule->unbind == UNBIND_NEVER)
        warn(parser, parser->accept_line, "Accept= says nothing without Unbind=idle");
}

Rule *rule_parse(const char *data, size_t size, const char *file, GPtrArray *diagnostics)
{
    g_autoptr(Rule) rule = g_new(Rule, 1);
    Parser parser = {.file = file, .diagnostics = diagnostics, .rule = rule};
    int r;

    *rule = (Rule){
        .file = g_strdup(file),
        .matches = g_ptr_array_new_with_free_func((GDestroyNotify) rule_match_free),
        .type = _DOMAIN_TYPE_INVALID,
        .unbind = UNBIND_NEVER,
    };

    if (size == 0) {
        place_error(&parser, 0, 0, "empty file: to mask a rule, link its name to /dev/null");
        return NULL;
    }
    if (size > RULE_FILE_MAX_SIZE) {
        place_error(&parser, 0, 0, "larger than %d KiB: this is not a rule file", RULE_FILE_MAX_SIZE / 1024);
        return NULL;
    }

    r = ini_read(data, size, file, diagnostics, handle_item, &parser);
    end_section(&parser);
    if (r >= 0)
        check_whole(&parser);
    if (r < 0 || parser.n_errors > 0)
        return NULL;
    warn_about_whole(&parser);
    if (rule->keep)
        rule->unbind = UNBIND_NEVER;
    return g_steal_pointer(&rule);
}
