/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* A table on standard output (libsmartcols): columns as wide as needed, cut to the terminal only on a
 * terminal. */
typedef struct Table Table;
typedef struct libscols_line TableRow;

/* Returns an empty table with these HEADERS (NULL-terminated, borrowed for the call). With TREE the first
 * column shows which row stands below which. */
Table *table_new(const char *const *headers, bool tree);

/* Appends a row of as many CELLS as there are headers, shown printable (terminal.h) and otherwise as they
 * are; below PARENT (NULL: at the top). The row belongs to the table. */
TableRow *table_add(Table *table, TableRow *parent, const char *const *cells);

/* Shows the cell of ROW below the header number COLUMN in COLOUR (terminal.h), where colours are wanted. */
void table_paint(TableRow *row, unsigned column, const char *colour);

/* Returns the table as text, the headers first; the caller frees it. */
char *table_to_string(Table *table);

/* Prints the table, or TEXT_IF_EMPTY and a newline if it has no row. */
void table_print(Table *table, const char *text_if_empty);

void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
