/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Good and bad rule files: tests/rules/good/NAME.conf must be taken without a word,
 * tests/rules/bad/NAME.conf must be refused with exactly the lines of NAME.expected. `test-rule-parse
 * --write tests/rules` writes the .expected files anew from what the reader says now; read the difference
 * before you commit it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diagnostic.h"
#include "ini-reader.h"
#include "rule-parse.h"
#include "unit.h"

static const char *corpus;
static bool writing;

static GPtrArray *list_corpus(const char *kind)
{
    g_autofree char *path = g_build_filename(corpus, kind, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    ck_assert_msg(dir, "no corpus at %s", path);
    while ((name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(names, g_build_filename(path, name, NULL));
    return names;
}

static char *all_diagnostics(const GPtrArray *diagnostics)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < diagnostics->len; i++) {
        g_autofree char *line = diagnostic_to_string(diagnostics->pdata[i]);

        g_string_append_printf(text, "%s\n", line);
    }
    return g_string_free(text, FALSE);
}

/* Parses the file PATH under its last name and returns all that was said of it. */
static char *parse_path(const char *path, Rule **ret_rule)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autofree char *content = NULL, *name = g_path_get_basename(path);
    gsize size;

    ck_assert(g_file_get_contents(path, &content, &size, NULL));
    *ret_rule = rule_parse(content, size, name, diagnostics);
    return all_diagnostics(diagnostics);
}

START_TEST(test_good)
{
    g_autoptr(GPtrArray) paths = list_corpus("good");

    ck_assert_uint_ge(paths->len, 8);
    for (unsigned i = 0; i < paths->len; i++) {
        g_autoptr(Rule) rule = NULL;
        g_autofree char *said = parse_path(paths->pdata[i], &rule);

        ck_assert_msg(rule && *said == '\0', "%s: %s", (char *) paths->pdata[i], said);
    }
}
END_TEST

START_TEST(test_bad)
{
    g_autoptr(GPtrArray) paths = list_corpus("bad");

    ck_assert_uint_ge(paths->len, 36);
    for (unsigned i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".conf"));
        g_autofree char *expected_path = g_strconcat(stem, ".expected", NULL), *expected = NULL;
        g_autoptr(Rule) rule = NULL;
        g_autofree char *said = parse_path(path, &rule);

        ck_assert_msg(!rule, "%s was taken", path);
        if (writing)
            ck_assert(g_file_set_contents(expected_path, said, -1, NULL));
        ck_assert_msg(g_file_get_contents(expected_path, &expected, NULL, NULL), "%s is missing",
                      expected_path);
        ck_assert_str_eq(said, expected);
    }
}
END_TEST

static void check_refused(const char *data, size_t size, const char *expected)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(Rule) rule = rule_parse(data, size, "x.conf", diagnostics);
    g_autofree char *said = all_diagnostics(diagnostics);

    ck_assert_ptr_null(rule);
    ck_assert_str_eq(said, expected);
}

START_TEST(test_large)
{
    g_autoptr(GString) text = g_string_new("[Match]\nAny=yes\n[Policy]\nType=DMA\n");
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(Rule) rule = NULL;

    while (text->len < RULE_FILE_MAX_SIZE - 1)
        g_string_append_c(text, '#');
    g_string_append_c(text, '\n');
    rule = rule_parse(text->str, text->len, "x.conf", diagnostics);
    ck_assert_ptr_nonnull(rule);

    g_string_append_c(text, '\n');
    check_refused(text->str, text->len, "x.conf: error: larger than 64 KiB: this is not a rule file\n");
    while (text->len < 1024 * 1024)
        g_string_append(text, "Class=nvme\n");
    check_refused(text->str, text->len, "x.conf: error: larger than 64 KiB: this is not a rule file\n");
}
END_TEST

START_TEST(test_long_line)
{
    g_autoptr(GString) text = g_string_new("[Match]\nSerial=");

    while (text->len < RULE_FILE_MAX_SIZE)
        g_string_append_c(text, 'a');
    check_refused(text->str, text->len,
                  "x.conf:2:65529: error: no newline at the end: the file may be cut off\n");
}
END_TEST

/* A file full of mistakes does not fill the journal. */
START_TEST(test_many_errors)
{
    g_autoptr(GString) text = g_string_new("[Match]\n");
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(Rule) rule = NULL;

    while (text->len < RULE_FILE_MAX_SIZE - 16)
        g_string_append(text, "Nonsense=1\n");
    rule = rule_parse(text->str, text->len, "x.conf", diagnostics);
    ck_assert_ptr_null(rule);
    ck_assert_uint_le(diagnostics->len, 40);
}
END_TEST

START_TEST(test_values_taken)
{
    static const char text[] = "[Match]\nAny=yes\n[Policy]\nReason= a  b \n"
                               "Unbind=idle\nAccept=up\nForbid=identity\nAccept=addr\nType=DMA-FQ\n";
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(Rule) rule = rule_parse(text, strlen(text), "/etc/x.conf", diagnostics);
    g_autofree char *type = NULL, *forbid = NULL;

    ck_assert_ptr_nonnull(rule);
    ck_assert_str_eq(rule->file, "/etc/x.conf");
    ck_assert(rule->has_type && !rule->keep && !rule->late);
    ck_assert_int_eq(rule->type, DOMAIN_TYPE_DMA_FQ);
    ck_assert_uint_eq(rule->forbid, DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY));
    ck_assert_int_eq(rule->unbind, UNBIND_IDLE);
    ck_assert_uint_eq(rule->accept, FINDING_KIND_BIT(FINDING_UP) | FINDING_KIND_BIT(FINDING_ADDR));
    ck_assert_str_eq(rule->reason, "a  b");
    type = rule_origin(rule, false);
    forbid = rule_origin(rule, true);
    ck_assert_str_eq(type, "/etc/x.conf:9");
    ck_assert_str_eq(forbid, "/etc/x.conf:7");
}
END_TEST

START_TEST(test_warnings)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"[Match]\nAny=yes\n[Policy]\nType=identity\nForbid=identity\n",
         "x.conf:4:1: warning: Type= is void: the same file forbids that type\n"},
        {"[Match]\nAny=yes\n[Policy]\nType=DMA\nAccept=up\n",
         "x.conf:5:1: warning: Accept= says nothing without Unbind=idle\n"},
        {"[Match]\nAny=yes\n[Policy]\nType=keep\nUnbind=idle\n",
         "x.conf:5:1: warning: Unbind= says nothing beside Type=keep, which never unbinds\n"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) diagnostics = diagnostics_new();
        g_autoptr(Rule) rule = rule_parse(cases[i].text, strlen(cases[i].text), "x.conf", diagnostics);
        g_autofree char *said = all_diagnostics(diagnostics);

        ck_assert_ptr_nonnull(rule);
        ck_assert_str_eq(said, cases[i].expected);
    }
}
END_TEST

START_TEST(test_suggest)
{
    static const char *const words[] = {"Address", "Class", "Path", NULL};

    ck_assert_str_eq(diagnostic_suggest("Adress", words), "Address");
    ck_assert_str_eq(diagnostic_suggest("CLASS", words), "Class");
    ck_assert_ptr_null(diagnostic_suggest("Driver", words));
    ck_assert_ptr_null(diagnostic_suggest("", words));
    ck_assert_ptr_null(diagnostic_suggest("Addressssssssssssssssssssssssssssssssss", words));
}
END_TEST

/* The reader alone: what it hands on, and where from. */

static void hear(const IniItem *item, void *userdata)
{
    GString *text = userdata;
    unsigned line, column;

    if (!item->key) {
        g_string_append_printf(text, "[%s]@%u:%u ", item->section, item->line, item->column);
        return;
    }
    ini_item_place(item, strlen(item->value), &line, &column);
    g_string_append_printf(text, "%s.%s=<%s>@%u:%u-%u:%u ", item->section, item->key, item->value,
                           item->line, item->column, line, column);
}

START_TEST(test_ini_reader)
{
    static const struct {
        const char *text, *heard;
        int r;
    } cases[] = {
        {"[A]\nb=c\n", "[A]@1:1 A.b=<c>@2:1-2:4 ", 0},
        {"  [A]  \r\n\tb = c d \t\r\n", "[A]@1:3 A.b=<c d>@2:2-2:9 ", 0},
        {"[A]\nb=c=d\n", "[A]@1:1 A.b=<c=d>@2:1-2:6 ", 0},
        {"[A]\nb=\n", "[A]@1:1 A.b=<>@2:1-2:3 ", 0},
        {"[A]\nb=c \\ \n # no\n\n", "[A]@1:1 A.b=<c>@2:1-2:4 ", 0},
        {"[A]\nb=c\\\n  d\n", "[A]@1:1 A.b=<c d>@2:1-3:4 ", 0},
        {"[A]\nb\\\n=c\n", "[A]@1:1 A.b=<c>@2:1-3:3 ", 0},
        {"# [A]\n;b=c\n\n", "", 0},
        {"", "", 0},
        {"[A]\nb=c", "[A]@1:1 A.b=<c>@2:1-2:4 ", -EBADMSG},
        {"b=c\n[A]\n", "[A]@2:1 ", -EBADMSG},
        {"[A\n", "", -EBADMSG},
        {"[A]\nb=c\001\n", "", -EBADMSG},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) heard = g_string_new(NULL);
        g_autoptr(GPtrArray) diagnostics = diagnostics_new();
        int r = ini_read(cases[i].text, strlen(cases[i].text), "x.conf", diagnostics, hear, heard);

        ck_assert_int_eq(r, cases[i].r);
        ck_assert_str_eq(heard->str, cases[i].heard);
        ck_assert_uint_eq(diagnostics->len, r < 0 ? 1 : 0);
    }
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tcase = tcase_create("rule-parse");

    writing = argc > 1 && g_str_equal(argv[1], "--write");
    if (argc != (writing ? 3 : 2))
        return EXIT_FAILURE;
    corpus = argv[argc - 1];

    tcase_add_test(tcase, test_good);
    tcase_add_test(tcase, test_bad);
    tcase_add_test(tcase, test_large);
    tcase_add_test(tcase, test_long_line);
    tcase_add_test(tcase, test_many_errors);
    tcase_add_test(tcase, test_values_taken);
    tcase_add_test(tcase, test_warnings);
    tcase_add_test(tcase, test_suggest);
    tcase_add_test(tcase, test_ini_reader);
    return unit_run("rule-parse", tcase);
}
