/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What is wrong with a rule file, and where: the place a text editor can jump to. */

typedef enum DiagnosticSeverity {
    DIAGNOSTIC_ERROR,   /* the whole file is refused */
    DIAGNOSTIC_WARNING, /* shown, nothing more */
} DiagnosticSeverity;

typedef struct Diagnostic {
    char *file;
    unsigned line;   /* 1 is the first; 0: the file as a whole */
    unsigned column; /* 1 is the first byte of the line; 0: the line as a whole */
    DiagnosticSeverity severity;
    char *text;
} Diagnostic;

/* Returns an empty list that owns its diagnostics. */
GPtrArray *diagnostics_new(void);

/* Appends one; FILE is copied. */
void diagnostics_add(GPtrArray *diagnostics, DiagnosticSeverity severity, const char *file, unsigned line,
                     unsigned column, const char *format, ...) G_GNUC_PRINTF(6, 7);

/* Returns how many have SEVERITY. */
unsigned diagnostics_count(const GPtrArray *diagnostics, DiagnosticSeverity severity);

/* Returns "file:line:column: error: text"; the caller frees it. Parts that are 0 are left out. */
char *diagnostic_to_string(const Diagnostic *diagnostic);

/* Returns the word of the NULL-terminated WORDS that is nearest to WORD by edit distance, or NULL if none is
 * near enough to be what was meant. */
const char *diagnostic_suggest(const char *word, const char *const *words);
