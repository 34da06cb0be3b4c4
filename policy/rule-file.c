/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-file.h"

#include <string.h>

#include "plain-text.h"

/* The bytes that *C begins with and that can stand in a file; 0: none can. */
static size_t text_length(const char *c)
{
    gunichar character = g_utf8_get_char_validated(c, -1);

    if (character == (gunichar) -1 || character == (gunichar) -2 || !is_bus_character(character))
        return 0;
    return (size_t) (g_utf8_next_char(c) - c);
}

/*
 * A value of a match key is a list of globs: what is special in one stands for itself in the file. What ends
 * a word ("platform/Fixed MDIO bus.0"), begins a comment or a negation, escapes, or is no text cannot stand
 * there: "?" matches it, in the daemon's locale each byte of it.
 */
static void append_literal(GString *text, const char *literal)
{
    for (const char *c = literal; *c;) {
        size_t length = text_length(c);

        if (strchr("*?[]", *c))
            g_string_append_printf(text, "[%c]", *c);
        else if (length == 0 || strchr(" \\", *c) || (c == literal && strchr("!#;", *c)))
            g_string_append_c(text, '?');
        else
            g_string_append_len(text, c, (gssize) length);
        c += MAX(length, 1);
    }
}

static void append_match(GString *text, const DeviceFacts *facts)
{
    g_string_append(text, "\n[Match]\nPath=");
    append_literal(text, facts->path);
    g_string_append_c(text, '\n');
    if (facts->vendor != FACT_NO_ID)
        g_string_append_printf(text, "Id=%04x:%04x\n", facts->vendor, facts->device);
}

/* A file is lines of text: what a caller wrote must not become another one, nor make the file unreadable. A
 * value of which nothing is left has no line. */
static void append_line(GString *text, const char *key, const char *value)
{
    g_autoptr(GString) clean = g_string_new(NULL);
    size_t start;

    for (const char *c = value; *c;) {
        size_t length = text_length(c);

        g_string_append_len(clean, length > 0 ? c : " ", (gssize) MAX(length, 1));
        c += MAX(length, 1);
    }
    /* A backslash at the end would take the next line in. */
    while (clean->len > 0 && strchr(" \\", clean->str[clean->len - 1]))
        g_string_truncate(clean, clean->len - 1);
    start = strspn(clean->str, " ");
    if (start < clean->len)
        g_string_append_printf(text, "%s%s\n", key, clean->str + start);
}

static void append_accept(GString *text, FindingKindSet accept)
{
    const char *separator = "Accept=";

    for (FindingKind kind = 0; kind < _FINDING_KIND_MAX; kind++) {
        if (!(accept & FINDING_KIND_BIT(kind)))
            continue;
        g_string_append_printf(text, "%s%s", separator, finding_kind_to_string(kind));
        separator = " ";
    }
    if (*separator == ' ')
        g_string_append_c(text, '\n');
}

char *rule_file_text(const RuleFile *rule, const DeviceFacts *const *members, size_t n_members)
{
    GString *text = g_string_new(NULL);

    append_line(text, "# ", rule->comment);
    for (size_t i = 0; i < n_members; i++)
        if (!members[i]->bridge)
            append_match(text, members[i]);
    g_string_append_printf(text, "\n[Policy]\nType=%s\nUnbind=%s\n", domain_type_to_string(rule->type),
                           unbind_policy_to_string(rule->unbind));
    append_accept(text, rule->accept);
    if (rule->reason)
        append_line(text, "Reason=", rule->reason);
    return g_string_free(text, FALSE);
}
