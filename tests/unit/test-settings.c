/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "diagnostic.h"
#include "settings.h"
#include "tree.h"
#include "unit.h"

#define SECOND UINT64_C(1000000)
#define CONF "etc/iommu-policy/daemon.conf"

static GPtrArray *load(Tree *tree, Settings *settings)
{
    GPtrArray *diagnostics = diagnostics_new();

    settings_set_defaults(settings);
    ck_assert_int_eq(settings_load(tree->fd, settings, diagnostics), 0);
    return diagnostics;
}

static void check_defaults(const Settings *settings)
{
    ck_assert_uint_eq(settings->settle_usec, 10 * SECOND);
    ck_assert_uint_eq(settings->limits.probe_usec, 90 * SECOND);
    ck_assert_uint_eq(settings->limits.unbind_usec, 30 * SECOND);
    ck_assert_uint_eq(settings->limits.type_usec, 30 * SECOND);
    ck_assert_uint_eq(settings->limits.bind_usec, 180 * SECOND);
}

START_TEST(no_file)
{
    g_autoptr(Tree) tree = tree_new();
    Settings settings;
    g_autoptr(GPtrArray) diagnostics = load(tree, &settings);

    ck_assert_uint_eq(diagnostics->len, 0);
    check_defaults(&settings);
}
END_TEST

START_TEST(every_key)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GPtrArray) diagnostics = NULL;
    Settings settings;

    tree_write(tree, CONF, "[Daemon]\nSettleSec=0\nProbeSec=5\nUnbindTimeoutSec=1\nTypeTimeoutSec=2\n"
                           "BindTimeoutSec= 86400 \nX-Ours=1\n");
    diagnostics = load(tree, &settings);
    ck_assert_uint_eq(diagnostics->len, 0);
    ck_assert_uint_eq(settings.settle_usec, 0);
    ck_assert_uint_eq(settings.limits.probe_usec, 5 * SECOND);
    ck_assert_uint_eq(settings.limits.unbind_usec, SECOND);
    ck_assert_uint_eq(settings.limits.type_usec, 2 * SECOND);
    ck_assert_uint_eq(settings.limits.bind_usec, 86400 * SECOND);
}
END_TEST

START_TEST(empty_is_the_default)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GPtrArray) diagnostics = NULL;
    Settings settings;

    tree_write(tree, CONF, "[Daemon]\nSettleSec=\nProbeSec=\n");
    diagnostics = load(tree, &settings);
    ck_assert_uint_eq(diagnostics->len, 0);
    check_defaults(&settings);
}
END_TEST

static const struct {
    const char *text, *names;
} bad[] = {
    { "[Daemon]\nSettleSec=-1\n", "SettleSec=" },
    { "[Daemon]\nSettleSec=10s\n", "SettleSec=" },
    { "[Daemon]\nUnbindTimeoutSec=0\n", "UnbindTimeoutSec=" },
    { "[Daemon]\nBindTimeoutSec=86401\n", "BindTimeoutSec=" },
    { "[Daemon]\nSetlleSec=10\n", "SetlleSec=" },
    { "[Deamon]\nSettleSec=1\n", "[Deamon]" },
    { "SettleSec=1\n", "daemon.conf" },
    { "\x7f" "ELF", "daemon.conf" },
    { "[Daemon]\n\xe4=1\n", "UTF-8" },
    { "[Daemon]\nSettleSec=\033[2J\n", "control" },
    { "[Daemon]\nSettleSec=1\rProbeSec=x\n", "control" },
    { "[Daemon]\nSettleSec=\\nx\n", "\\nx" },
};

START_TEST(bad_values_keep_what_was_there)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autofree char *text = NULL;
    Settings settings;

    tree_write(tree, CONF, bad[_i].text);
    diagnostics = load(tree, &settings);
    ck_assert_uint_eq(diagnostics->len, 1);
    text = diagnostic_to_string(diagnostics->pdata[0]);
    ck_assert_msg(strstr(text, bad[_i].names), "%s", text);
    ck_assert_msg(strstr(text, "/etc/iommu-policy/daemon.conf"), "%s", text);
    check_defaults(&settings);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("settings");

    tcase_add_test(cases, no_file);
    tcase_add_test(cases, every_key);
    tcase_add_test(cases, empty_is_the_default);
    tcase_add_loop_test(cases, bad_values_keep_what_was_there, 0, G_N_ELEMENTS(bad));
    return unit_run("settings", cases);
}
