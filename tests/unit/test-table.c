/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <locale.h>
#include <stdlib.h>

#include "table.h"
#include "unit.h"

static const char *const headers[] = {"GROUP", "TYPE", "DEVICES", NULL};

START_TEST(columns_are_aligned)
{
    static const char *const first[] = {"7", "DMA-FQ", "0000:00:04.0"};
    static const char *const second[] = {"12", "-", "0000:01:00.0, 0000:01:00.1"};
    g_autoptr(Table) table = table_new(headers, false);
    char *text;

    table_paint(table_add(table, NULL, first), 1, "red");
    (void) table_add(table, NULL, second);
    text = table_to_string(table);
    ck_assert_str_eq(text, "GROUP TYPE   DEVICES\n"
                           "7     DMA-FQ 0000:00:04.0\n"
                           "12    -      0000:01:00.0, 0000:01:00.1");
    free(text);
}
END_TEST

START_TEST(tree_shows_members_below)
{
    static const char *const group[] = {"7", "DMA-FQ", ""};
    static const char *const device[] = {"0000:00:04.0", "", "nvme"};
    g_autoptr(Table) table = table_new(headers, true);
    char *text;

    (void) table_add(table, table_add(table, NULL, group), device);
    text = table_to_string(table);
    ck_assert_str_eq(text, "GROUP          TYPE   DEVICES\n"
                           "7              DMA-FQ \n"
                           "`-0000:00:04.0        nvme");
    free(text);
}
END_TEST

START_TEST(control_characters_do_not_reach_the_terminal)
{
    static const char *const row[] = {"7", "\033[2J", "a\nb"};
    g_autoptr(Table) table = table_new(headers, false);
    char *text;

    (void) table_add(table, NULL, row);
    text = table_to_string(table);
    ck_assert_ptr_null(strchr(text, '\033'));
    ck_assert_ptr_null(strstr(text, "a\nb"));
    free(text);
}
END_TEST

START_TEST(finding_ids_can_be_copied)
{
    static const char *const row[] = {"input:USB\\x20Keyboard@0000:05:00.0", "", ""};
    g_autoptr(Table) table = table_new(headers, false);
    char *text;

    (void) table_add(table, NULL, row);
    text = table_to_string(table);
    ck_assert_ptr_nonnull(strstr(text, "\ninput:USB\\x20Keyboard@0000:05:00.0 "));
    free(text);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("text");

    setlocale(LC_ALL, "C");
    tcase_add_test(tests, columns_are_aligned);
    tcase_add_test(tests, tree_shows_members_below);
    tcase_add_test(tests, control_characters_do_not_reach_the_terminal);
    tcase_add_test(tests, finding_ids_can_be_copied);
    return unit_run("table", tests);
}
