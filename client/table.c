/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <libsmartcols.h>

#include "terminal.h"

struct Table {
    struct libscols_table *columns;
    unsigned n_columns;
};

Table *table_new(const char *const *headers, bool tree)
{
    Table *table = g_new0(Table, 1);

    table->columns = scols_new_table();
    if (!table->columns)
        g_error("out of memory");
    (void) scols_table_enable_colors(table->columns, colours_wanted());
    /* The library would escape the backslashes of ids once more, and nobody could hand those to --allow. */
    (void) scols_table_enable_noencoding(table->columns, 1);

    for (; headers[table->n_columns]; table->n_columns++)
        if (!scols_table_new_column(table->columns, headers[table->n_columns], 0,
                                    tree && table->n_columns == 0 ? SCOLS_FL_TREE : 0))
            g_error("out of memory");
    return table;
}

TableRow *table_add(Table *table, TableRow *parent, const char *const *cells)
{
    TableRow *row = scols_table_new_line(table->columns, parent);

    if (!row)
        g_error("out of memory");
    for (unsigned i = 0; i < table->n_columns; i++) {
        g_autofree char *cell = printable(cells[i]);

        if (scols_line_set_data(row, i, cell) < 0)
            g_error("out of memory");
    }
    return row;
}

void table_paint(TableRow *row, unsigned column, const char *colour)
{
    (void) scols_cell_set_color(scols_line_get_cell(row, column), colour);
}

char *table_to_string(Table *table)
{
    char *text = NULL;

    if (scols_print_table_to_string(table->columns, &text) < 0)
        g_error("out of memory");
    return text;
}

void table_print(Table *table, const char *text_if_empty)
{
    if (scols_table_get_nlines(table->columns) == 0)
        puts(text_if_empty);
    else
        (void) scols_print_table(table->columns);
}

void table_free(Table *table)
{
    if (!table)
        return;
    scols_unref_table(table->columns);
    g_free(table);
}
