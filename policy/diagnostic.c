/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "diagnostic.h"

#include <stdarg.h>
#include <string.h>

static void diagnostic_free(void *p)
{
    Diagnostic *diagnostic = p;

    g_free(diagnostic->file);
    g_free(diagnostic->text);
    g_free(diagnostic);
}

GPtrArray *diagnostics_new(void)
{
    return g_ptr_array_new_with_free_func(diagnostic_free);
}

void diagnostics_add(GPtrArray *diagnostics, DiagnosticSeverity severity, const char *file, unsigned line,
                     unsigned column, const char *format, ...)
{
    Diagnostic *diagnostic = g_new(Diagnostic, 1);
    va_list args;

    *diagnostic = (Diagnostic){
        .file = g_strdup(file),
        .line = line,
        .column = column,
        .severity = severity,
    };
    va_start(args, format);
    diagnostic->text = g_strdup_vprintf(format, args);
    va_end(args);

    g_ptr_array_add(diagnostics, diagnostic);
}

unsigned diagnostics_count(const GPtrArray *diagnostics, DiagnosticSeverity severity)
{
    unsigned n = 0;

    for (unsigned i = 0; i < diagnostics->len; i++) {
        const Diagnostic *diagnostic = diagnostics->pdata[i];

        if (diagnostic->severity == severity)
            n++;
    }
    return n;
}

char *diagnostic_to_string(const Diagnostic *diagnostic)
{
    GString *text = g_string_new(diagnostic->file);

    if (diagnostic->line > 0)
        g_string_append_printf(text, ":%u", diagnostic->line);
    if (diagnostic->line > 0 && diagnostic->column > 0)
        g_string_append_printf(text, ":%u", diagnostic->column);
    g_string_append(text, diagnostic->severity == DIAGNOSTIC_ERROR ? ": error: " : ": warning: ");
    g_string_append(text, diagnostic->text);
    return g_string_free(text, FALSE);
}

/* Longer words are nobody's typing error of a key of ours, and the table below stays on the stack. */
#define WORD_MAX_LENGTH 32

/* Edit distance, two swapped letters being one mistake. A wrong case costs nothing, because it is the
 * commonest mistake and never an ambiguous one. */
static unsigned edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    unsigned table[WORD_MAX_LENGTH + 1][WORD_MAX_LENGTH + 1];

    for (size_t j = 0; j <= n_b; j++)
        table[0][j] = j;

    for (size_t i = 1; i <= n_a; i++) {
        table[i][0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);

            table[i][j] = MIN(MIN(table[i - 1][j], table[i][j - 1]) + 1, table[i - 1][j - 1] + (x != y));
            if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) && y == g_ascii_tolower(a[i - 2]))
                table[i][j] = MIN(table[i][j], table[i - 2][j - 2] + 1);
        }
    }
    return table[n_a][n_b];
}

const char *diagnostic_suggest(const char *word, const char *const *words)
{
    size_t n = strlen(word);
    const char *best = NULL;
    unsigned best_distance = n / 3 + 1;

    if (n == 0 || n > WORD_MAX_LENGTH)
        return NULL;

    for (; *words; words++) {
        size_t n_other = strlen(*words);
        unsigned distance;

        if (n_other > WORD_MAX_LENGTH)
            continue;
        distance = edit_distance(word, n, *words, n_other);
        if (distance < best_distance) {
            best = *words;
            best_distance = distance;
        }
    }
    return best;
}
