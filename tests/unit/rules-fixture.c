/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rules-fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diagnostic.h"

RuleTree *rule_tree_new(void)
{
    RuleTree *tree = g_new(RuleTree, 1);

    tree->path = g_dir_make_tmp("iommu-policy-rules-XXXXXX", NULL);
    ck_assert_ptr_nonnull(tree->path);
    tree->root_fd = open(tree->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(tree->root_fd, 0);
    return tree;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void rule_tree_free(RuleTree *tree)
{
    (void) nftw(tree->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    (void) close(tree->root_fd);
    g_free(tree->path);
    g_free(tree);
}

char *rule_tree_path(const RuleTree *tree, const char *path)
{
    return g_build_filename(tree->path, path, NULL);
}

void rule_tree_write(RuleTree *tree, const char *path, const char *content, gssize length)
{
    g_autofree char *full = rule_tree_path(tree, path), *directory = g_path_get_dirname(full);

    ck_assert_int_eq(g_mkdir_with_parents(directory, 0755), 0);
    ck_assert(g_file_set_contents_full(full, content, length, G_FILE_SET_CONTENTS_CONSISTENT, 0644, NULL));
    ck_assert_int_eq(chmod(full, 0644), 0);
}

RuleSet *rule_tree_load(RuleTree *tree, RuleSet *previous, unsigned errors)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    RuleSet *set = NULL;

    ck_assert_int_eq(rule_set_load(tree->root_fd, previous, &set, &diagnostics), 0);
    for (unsigned i = 0; i < diagnostics->len; i++) {
        g_autofree char *text = diagnostic_to_string(diagnostics->pdata[i]);

        ck_assert_msg(!strstr(text, ": error: ") || i < errors, "%s", text);
    }
    ck_assert_uint_eq(diagnostics_count(diagnostics, DIAGNOSTIC_ERROR), errors);
    ck_assert_int_eq(rule_set_is_frozen(set), errors > 0);
    return set;
}

RuleSet *rules_from_texts(const char *const *texts, size_t n)
{
    g_autoptr(RuleTree) tree = rule_tree_new();

    for (size_t i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("etc/iommu-policy.d/%02zu.conf", (i + 1) * 10);

        rule_tree_write(tree, path, texts[i], -1);
    }
    return rule_tree_load(tree, NULL, 0);
}

static void append_section(GString *text, const char *name, const char *keys)
{
    g_auto(GStrv) split = g_strsplit(keys, ";", -1);

    g_string_append_printf(text, "[%s]\n", name);
    for (char **key = split; *key; key++)
        g_string_append_printf(text, "%s\n", g_strstrip(*key));
}

char *rule_text(const char *line)
{
    g_auto(GStrv) halves = g_strsplit(line, ">", 2), matches = g_strsplit(halves[0], "|", -1);
    GString *text = g_string_new(NULL);

    for (char **match = matches; *match; match++)
        append_section(text, "Match", *match);
    append_section(text, "Policy", halves[1]);
    return g_string_free(text, FALSE);
}

DeviceFacts *nvme_facts(const char *name)
{
    g_autofree char *path = g_strdup_printf("pci0000:00/%s", name);
    DeviceFacts *facts = device_facts_new("pci", name, path);

    facts->vendor = 0x144d;
    facts->device = 0xa808;
    facts->subsystem_vendor = 0x144d;
    facts->subsystem_device = 0xa801;
    facts->class_code = 0x010802;
    facts->modalias = g_strdup("pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02");
    facts->untrusted = TRISTATE_NO;
    facts->virtual_function = TRISTATE_NO;
    facts->reserved_direct = TRISTATE_NO;
    facts->iommu = g_strdup("intel");
    return facts;
}
