/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rules-fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf-files.h"
#include "diagnostic.h"
#include "unit.h"

static const char *const directories[] = {"etc/x.d", "run/x.d", "usr/lib/x.d", NULL};

/* Reads, and returns "PATH=CONTENT ..." of what is in force; *ret_said is what was said. */
static char *read_all(RuleTree *tree, char **ret_said)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new(), files = NULL;
    GString *text = g_string_new(NULL), *said = g_string_new(NULL);

    ck_assert_int_eq(conf_files_read(tree->root_fd, directories, diagnostics, &files), 0);
    for (unsigned i = 0; i < files->len; i++) {
        const ConfFile *file = files->pdata[i];

        g_string_append_printf(text, "%s=%.*s ", file->path, (int) g_bytes_get_size(file->content),
                               (const char *) g_bytes_get_data(file->content, NULL));
    }
    for (unsigned i = 0; i < diagnostics->len; i++) {
        g_autofree char *line = diagnostic_to_string(diagnostics->pdata[i]);

        g_string_append_printf(said, "%s\n", line);
    }
    *ret_said = g_string_free(said, FALSE);
    return g_string_free(text, FALSE);
}

static void check_read(RuleTree *tree, const char *expected, const char *expected_said)
{
    g_autofree char *said = NULL, *text = read_all(tree, &said);

    ck_assert_str_eq(text, expected);
    ck_assert_str_eq(said, expected_said);
}

static void link_to(RuleTree *tree, const char *target, const char *path)
{
    g_autofree char *full = rule_tree_path(tree, path), *directory = g_path_get_dirname(full);

    ck_assert_int_eq(g_mkdir_with_parents(directory, 0755), 0);
    ck_assert_int_eq(symlink(target, full), 0);
}

static void change_mode(RuleTree *tree, const char *path, mode_t mode)
{
    g_autofree char *full = rule_tree_path(tree, path);

    ck_assert_int_eq(chmod(full, mode), 0);
}

START_TEST(test_nothing)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    check_read(tree, "", "");
}
END_TEST

START_TEST(test_order_and_hiding)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    rule_tree_write(tree, "usr/lib/x.d/10-a.conf", "vendor", -1);
    rule_tree_write(tree, "usr/lib/x.d/50-b.conf", "vendor", -1);
    rule_tree_write(tree, "run/x.d/50-b.conf", "run", -1);
    rule_tree_write(tree, "etc/x.d/30-c.conf", "admin", -1);
    rule_tree_write(tree, "etc/x.d/.hidden.conf", "no", -1);
    rule_tree_write(tree, "etc/x.d/60-old.conf~", "no", -1);
    rule_tree_write(tree, "etc/x.d/README", "no", -1);
    check_read(tree, "/usr/lib/x.d/10-a.conf=vendor /etc/x.d/30-c.conf=admin /run/x.d/50-b.conf=run ", "");
}
END_TEST

START_TEST(test_mask)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    rule_tree_write(tree, "usr/lib/x.d/a.conf", "vendor", -1);
    rule_tree_write(tree, "usr/lib/x.d/b.conf", "vendor", -1);
    rule_tree_write(tree, "run/x.d/b.conf", "run", -1);
    link_to(tree, "/dev/null", "etc/x.d/a.conf");
    link_to(tree, "/dev/null", "etc/x.d/b.conf");
    check_read(tree, "", "");
}
END_TEST

/* A truncated file must not disarm what it hides, nor pass in silence. */
START_TEST(test_empty_file)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    rule_tree_write(tree, "usr/lib/x.d/a.conf", "vendor", -1);
    rule_tree_write(tree, "etc/x.d/a.conf", "", 0);
    check_read(tree, "", "/etc/x.d/a.conf: error: empty file: to mask a rule, link its name to /dev/null\n");
}
END_TEST

START_TEST(test_links)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    rule_tree_write(tree, "srv/rules/real", "real", -1);
    link_to(tree, "/srv/rules/real", "etc/x.d/a.conf");
    link_to(tree, "../../srv/rules/real", "etc/x.d/b.conf");
    link_to(tree, "/srv/rules/none", "etc/x.d/c.conf");
    link_to(tree, "d.conf", "etc/x.d/d.conf");
    check_read(
        tree, "/etc/x.d/a.conf=real /etc/x.d/b.conf=real ",
        "/etc/x.d/c.conf: error: a link that leads nowhere: to mask a rule, link its name to /dev/null\n"
        "/etc/x.d/d.conf: error: cannot be opened: Too many levels of symbolic links\n");

    change_mode(tree, "srv/rules/real", 0666);
    check_read(
        tree, "",
        "/etc/x.d/a.conf: error: can be written by everybody: it could say what root did not\n"
        "/etc/x.d/b.conf: error: can be written by everybody: it could say what root did not\n"
        "/etc/x.d/c.conf: error: a link that leads nowhere: to mask a rule, link its name to /dev/null\n"
        "/etc/x.d/d.conf: error: cannot be opened: Too many levels of symbolic links\n");
}
END_TEST

/* A directory may be a link, too; it then leads to where the root says, not the machine. */
START_TEST(test_linked_directory)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    rule_tree_write(tree, "srv/rules/a.conf", "real", -1);
    rule_tree_write(tree, "etc/other", "", 0);
    link_to(tree, "/srv/rules", "etc/x.d");
    check_read(tree, "/etc/x.d/a.conf=real ", "");
}
END_TEST

START_TEST(test_modes)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    rule_tree_write(tree, "usr/lib/x.d/a.conf", "vendor", -1);
    rule_tree_write(tree, "etc/x.d/a.conf", "a", -1);
    rule_tree_write(tree, "etc/x.d/b.conf", "b", -1);
    rule_tree_write(tree, "etc/x.d/c.conf", "c", -1);
    change_mode(tree, "etc/x.d/a.conf", 0664);
    change_mode(tree, "etc/x.d/b.conf", 0646);
    check_read(tree, "/etc/x.d/c.conf=c ",
               "/etc/x.d/a.conf: error: can be written by its group: it could say what root did not\n"
               "/etc/x.d/b.conf: error: can be written by everybody: it could say what root did not\n");
}
END_TEST

/* Whoever can put names into a directory must not be able to hide a vendor's Forbid= with one. */
START_TEST(test_directory_mode)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    rule_tree_write(tree, "usr/lib/x.d/a.conf", "vendor", -1);
    rule_tree_write(tree, "etc/x.d/a.conf", "a", -1);
    link_to(tree, "/dev/null", "run/x.d/a.conf");
    change_mode(tree, "etc/x.d", 0777);
    change_mode(tree, "run/x.d", 0775);
    check_read(tree, "/usr/lib/x.d/a.conf=vendor ",
               "/etc/x.d: error: the directory can be written by everybody: no file in it is read\n"
               "/run/x.d: error: the directory can be written by its group: no file in it is read\n");
}
END_TEST

START_TEST(test_owner)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autofree char *path = rule_tree_path(tree, "etc/x.d/a.conf"),
                    *directory = rule_tree_path(tree, "run/x.d");

    /* Only root can give files away; everybody else has the rest of these tests. */
    if (geteuid() != 0)
        return;
    rule_tree_write(tree, "etc/x.d/a.conf", "a", -1);
    rule_tree_write(tree, "run/x.d/b.conf", "b", -1);
    ck_assert_int_eq(chown(path, 65534, 65534), 0);
    ck_assert_int_eq(chown(directory, 65534, 65534), 0);
    check_read(tree, "",
               "/run/x.d: error: the directory is not owned by root: no file in it is read\n"
               "/etc/x.d/a.conf: error: is not owned by root: it could say what root did not\n");

    /* In a tree that belongs to somebody else, his files are as good as those of root. */
    ck_assert_int_eq(chown(tree->path, 65534, 65534), 0);
    check_read(tree, "/etc/x.d/a.conf=a /run/x.d/b.conf=b ", "");
}
END_TEST

START_TEST(test_not_regular)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autofree char *fifo = NULL, *directory = NULL, *bad_name = NULL;

    rule_tree_write(tree, "etc/x.d/z.conf", "z", -1);
    fifo = rule_tree_path(tree, "etc/x.d/fifo.conf");
    directory = rule_tree_path(tree, "etc/x.d/directory.conf");
    bad_name = rule_tree_path(tree, "etc/x.d/new\nline\xff.conf");
    ck_assert_int_eq(mkfifo(fifo, 0644), 0);
    ck_assert_int_eq(mkdir(directory, 0755), 0);
    ck_assert_int_eq(mkdir(bad_name, 0755), 0);
    check_read(tree, "/etc/x.d/z.conf=z ",
               "/etc/x.d/directory.conf: error: not a regular file\n"
               "/etc/x.d/fifo.conf: error: not a regular file\n"
               "/etc/x.d/new\xef\xbf\xbdline\xef\xbf\xbd.conf: error: "
               "the name of the file is no text in UTF-8\n");
}
END_TEST

START_TEST(test_too_large)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autofree char *content = g_strnfill(1024 * 1024, 'a'), *said = NULL, *text = NULL;

    rule_tree_write(tree, "etc/x.d/a.conf", content, CONF_FILE_MAX_SIZE + 1);
    rule_tree_write(tree, "etc/x.d/b.conf", content, 1024 * 1024);
    check_read(tree, "",
               "/etc/x.d/a.conf: error: larger than 64 KiB: this is not a rule file\n"
               "/etc/x.d/b.conf: error: larger than 64 KiB: this is not a rule file\n");

    rule_tree_write(tree, "etc/x.d/a.conf", content, CONF_FILE_MAX_SIZE);
    text = read_all(tree, &said);
    ck_assert_msg(strlen(text) > CONF_FILE_MAX_SIZE, "%s", said);
}
END_TEST

START_TEST(test_too_many)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(GPtrArray) diagnostics = diagnostics_new(), files = NULL;
    g_autofree char *directory = rule_tree_path(tree, "etc/x.d"), *line = NULL;

    ck_assert_int_eq(g_mkdir_with_parents(directory, 0755), 0);
    for (int i = 0; i < CONF_FILES_MAX + 3; i++) {
        g_autofree char *path = g_strdup_printf("%s/%05d.conf", directory, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        ck_assert_int_eq(write(fd, "a", 1), 1);
        (void) close(fd);
    }
    ck_assert_int_eq(conf_files_read(tree->root_fd, directories, diagnostics, &files), 0);
    ck_assert_uint_eq(files->len, CONF_FILES_MAX);
    ck_assert_uint_eq(diagnostics->len, 1);
    line = diagnostic_to_string(diagnostics->pdata[0]);
    ck_assert_str_eq(
        line, "/etc/x.d/04096.conf: error: more than 4096 files: neither this one nor the 2 after it are "
              "read");
}
END_TEST

START_TEST(test_directory_unreadable)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(GPtrArray) diagnostics = diagnostics_new(), files = NULL;

    rule_tree_write(tree, "etc/x.d", "a file", -1);
    ck_assert_int_eq(conf_files_read(tree->root_fd, directories, diagnostics, &files), -ENOTDIR);
    ck_assert_ptr_null(files);
}
END_TEST

START_TEST(test_named)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(ConfFile) file = NULL, none = NULL, directory = NULL;

    rule_tree_write(tree, "srv/a.conf", "a", -1);
    change_mode(tree, "srv/a.conf", 0666);
    file = conf_file_read_named(tree->root_fd, "/srv/a.conf", diagnostics);
    ck_assert_ptr_nonnull(file);
    ck_assert_str_eq(file->path, "/srv/a.conf");
    ck_assert_str_eq(conf_file_name(file), "a.conf");

    none = conf_file_read_named(tree->root_fd, "/srv/b.conf", diagnostics);
    directory = conf_file_read_named(tree->root_fd, "/srv", diagnostics);
    ck_assert_ptr_null(none);
    ck_assert_ptr_null(directory);
    ck_assert_uint_eq(diagnostics_count(diagnostics, DIAGNOSTIC_ERROR), 2);
}
END_TEST

START_TEST(test_fingerprint)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autofree char *before = NULL, *other = NULL, *more = NULL, *written = NULL, *mode = NULL,
                    *target = NULL;

    rule_tree_write(tree, "srv/real", "real", -1);
    rule_tree_write(tree, "etc/x.d/a.conf", "a", -1);
    link_to(tree, "/srv/real", "etc/x.d/b.conf");
    before = conf_files_fingerprint(tree->root_fd, directories);

    rule_tree_write(tree, "etc/x.d/README", "not looked at", -1);
    other = conf_files_fingerprint(tree->root_fd, directories);
    ck_assert_str_eq(before, other);

    rule_tree_write(tree, "usr/lib/x.d/c.conf", "c", -1);
    more = conf_files_fingerprint(tree->root_fd, directories);
    ck_assert_str_ne(before, more);

    rule_tree_write(tree, "etc/x.d/a.conf", "b", -1);
    written = conf_files_fingerprint(tree->root_fd, directories);
    ck_assert_str_ne(more, written);

    change_mode(tree, "etc/x.d/a.conf", 0600);
    mode = conf_files_fingerprint(tree->root_fd, directories);
    ck_assert_str_ne(written, mode);

    rule_tree_write(tree, "srv/real", "unreal", -1);
    target = conf_files_fingerprint(tree->root_fd, directories);
    ck_assert_str_ne(mode, target);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("conf-files");

    tcase_add_test(tcase, test_nothing);
    tcase_add_test(tcase, test_order_and_hiding);
    tcase_add_test(tcase, test_mask);
    tcase_add_test(tcase, test_empty_file);
    tcase_add_test(tcase, test_links);
    tcase_add_test(tcase, test_linked_directory);
    tcase_add_test(tcase, test_modes);
    tcase_add_test(tcase, test_directory_mode);
    tcase_add_test(tcase, test_owner);
    tcase_add_test(tcase, test_not_regular);
    tcase_add_test(tcase, test_too_large);
    tcase_add_test(tcase, test_too_many);
    tcase_add_test(tcase, test_directory_unreadable);
    tcase_add_test(tcase, test_named);
    tcase_add_test(tcase, test_fingerprint);
    return unit_run("conf-files", tcase);
}
