/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>

#include "managed-group.h"
#include "persist.h"
#include "tree.h"
#include "unit.h"

typedef struct Scene {
    Tree *tree;
    ManagedGroup group;
    ManagedDevice *card, *bridge;
} Scene;

static ManagedDevice *add(Scene *scene, const char *name, const char *path, bool bridge)
{
    Device *device = g_new0(Device, 1);
    g_autofree char *syspath = g_strdup_printf("sys/devices/%s", path);
    ManagedDevice *managed;

    device->facts = device_facts_new("pci", name, path);
    device->facts->vendor = 0x144d;
    device->facts->device = 0xa808;
    device->facts->bridge = bridge;
    managed = managed_device_new(device, syspath);
    g_ptr_array_add(scene->group.members, managed);
    return managed;
}

static Scene *scene_new(void)
{
    Scene *scene = g_new0(Scene, 1);

    scene->tree = tree_new();
    tree_mkdir(scene->tree, "etc");
    scene->group.members = g_ptr_array_new_with_free_func((GDestroyNotify) managed_device_free);
    scene->bridge = add(scene, "0000:00:05.0", "pci0000:00/0000:00:05.0", true);
    scene->card = add(scene, "0000:01:00.0", "pci0000:00/0000:00:05.0/0000:01:00.0", false);
    return scene;
}

static void scene_free(Scene *scene)
{
    g_ptr_array_unref(scene->group.members);
    tree_free(scene->tree);
    g_free(scene);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

static RuleSet *load(Scene *scene, GPtrArray **ret_diagnostics)
{
    RuleSet *rules = NULL;

    ck_assert_int_eq(rule_set_load(scene->tree->fd, NULL, &rules, ret_diagnostics), 0);
    return rules;
}

static const PersistRequest request = {
    .type = DOMAIN_TYPE_IDENTITY,
    .may_unbind = true,
    .accept = FINDING_KIND_BIT(FINDING_SIGNATURE) | FINDING_KIND_BIT(FINDING_UP),
    .origin = "call:uid=1000",
    .reason = "two\nlines\n[Policy]\nType=auto\\\\ \\",
};

/* What is written is a rule that the reader takes, and that governs the device and nothing else. */
START_TEST(what_is_written_is_a_rule)
{
    g_autoptr(Scene) scene = scene_new();
    g_autofree char *path = persist_path(&scene->group), *text = persist_text(&scene->group, &request);
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(RuleSet) rules = NULL;
    const Rule *rule;

    ck_assert_str_eq(path, "/etc/iommu-policy.d/05-call-pci-0000:00:05.0.conf");
    ck_assert_int_eq(persist_write(scene->tree->fd, path, text), 0);
    rules = load(scene, &diagnostics);
    ck_assert_uint_eq(diagnostics->len, 0);
    ck_assert_uint_eq(rule_set_rules(rules)->len, 1);
    rule = rule_set_rules(rules)->pdata[0];
    ck_assert_str_eq(rule->file, path);
    ck_assert_int_eq(rule->type, DOMAIN_TYPE_IDENTITY);
    ck_assert_int_eq(rule->unbind, UNBIND_IDLE);
    ck_assert_uint_eq(rule->accept, request.accept);
    ck_assert_str_eq(rule->reason, "two lines [Policy] Type=auto");

    scene->card->device->facts->bridge = false;
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "");
    ck_assert_int_eq(rule_match(rule, scene->card->device->facts, host), TRISTATE_YES);
    ck_assert_int_eq(rule_match(rule, scene->bridge->device->facts, host), TRISTATE_NO);
}
END_TEST

START_TEST(written_over_and_readable)
{
    g_autoptr(Scene) scene = scene_new();
    g_autofree char *path = persist_path(&scene->group), *text = NULL;
    const char *new = "[Match]\nAny=yes\n[Policy]\nType=auto\n";
    struct stat st;

    ck_assert_int_eq(persist_write(scene->tree->fd, path, "[Match]\nAny=yes\n[Policy]\nType=DMA\n"), 0);
    ck_assert_int_eq(persist_write(scene->tree->fd, path, new), 0);
    text = tree_read(scene->tree, path + 1);
    ck_assert_str_eq(text, new);
    ck_assert_int_eq(fstatat(scene->tree->fd, path + 1, &st, 0), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0644);
}
END_TEST

/* Hundreds of members, of which nobody could read the file again. */
START_TEST(too_large)
{
    g_autoptr(Scene) scene = scene_new();
    g_autofree char *path = persist_path(&scene->group), *text = NULL, *found = NULL;

    for (unsigned i = 0; i < 900; i++) {
        g_autofree char *name = g_strdup_printf("0000:%02x:%02x.%u", i / 256 + 2, i / 8 % 32, i % 8);
        g_autofree char *member = g_strdup_printf("pci0000:00/0000:00:05.0/0000:01:00.0/%s", name);

        add(scene, name, member, false);
    }
    text = persist_text(&scene->group, &request);
    ck_assert_uint_gt(strlen(text), 64 * 1024);
    ck_assert_int_eq(persist_write(scene->tree->fd, path, text), -EINVAL);
    found = tree_read(scene->tree, path + 1);
    ck_assert_ptr_null(found);
}
END_TEST

/* What a caller may say without a word of sense in it. */
static const char *const reasons[] = { "", " ", "\\", " \\ \\", "\t", "\xc2\x85", "\xff",
                                       "# x", "[Policy]" };

START_TEST(any_reason)
{
    g_autoptr(Scene) scene = scene_new();
    PersistRequest other = request;
    g_autofree char *path = persist_path(&scene->group), *text = NULL;

    other.reason = reasons[_i];
    text = persist_text(&scene->group, &other);
    ck_assert_int_eq(persist_write(scene->tree->fd, path, text), 0);
}
END_TEST

/* Names that the kernel has given, and some that it could. */
static const char *const names[] = { "Fixed MDIO bus.0", "!x", "#x", "a\\b", "\xe4",
                                     "\xc3\xa4", "a*[1]?\x01" };

START_TEST(any_name)
{
    g_autoptr(Scene) scene = scene_new();
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "");
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(RuleSet) rules = NULL;
    g_autofree char *path = NULL, *text = NULL, *device_path = g_strconcat(names[_i], "/x", NULL);
    ManagedDevice *device;

    g_ptr_array_set_size(scene->group.members, 0);
    device = add(scene, names[_i], device_path, false);
    path = persist_path(&scene->group);
    text = persist_text(&scene->group, &request);
    ck_assert_int_eq(persist_write(scene->tree->fd, path, text), 0);
    rules = load(scene, &diagnostics);
    ck_assert_uint_eq(diagnostics->len, 0);
    ck_assert_int_eq(rule_match(rule_set_rules(rules)->pdata[0], device->device->facts, host), TRISTATE_YES);
}
END_TEST

static const struct {
    const char *file, *text;
    const char *names; /* what the refusal names, NULL: no conflict */
} rivals[] = {
    { "30-other.conf", "[Match]\nAny=yes\n[Policy]\nType=DMA\n", NULL },
    { "01-first.conf", "[Match]\nAddress=0000:01:00.0\n[Policy]\nType=DMA\n", "01-first.conf:4" },
    { "01-first.conf", "[Match]\nAddress=0000:07:00.0\n[Policy]\nType=DMA\n", NULL },
    { "90-guard.conf", "[Match]\nAny=yes\n[Policy]\nForbid=identity\n", "90-guard.conf:4" },
    { "90-guard.conf", "[Match]\nAny=yes\n[Policy]\nForbid=DMA-FQ\n", NULL },
};

START_TEST(conflicts)
{
    g_autoptr(Scene) scene = scene_new();
    g_autofree char *path = g_strdup_printf("etc/iommu-policy.d/%s", rivals[_i].file), *detail = NULL;
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "");
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(RuleSet) rules = NULL;
    bool conflict;

    tree_write(scene->tree, path, rivals[_i].text);
    rules = load(scene, &diagnostics);
    ck_assert_uint_eq(diagnostics->len, 0);
    conflict = persist_conflicts(rules, host, &scene->group, DOMAIN_TYPE_IDENTITY, &detail);
    ck_assert_int_eq(conflict, rivals[_i].names != NULL);
    if (conflict)
        ck_assert_msg(strstr(detail, rivals[_i].names), "%s", detail);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("persist");

    tcase_add_test(cases, what_is_written_is_a_rule);
    tcase_add_test(cases, written_over_and_readable);
    tcase_add_test(cases, too_large);
    tcase_add_loop_test(cases, any_reason, 0, G_N_ELEMENTS(reasons));
    tcase_add_loop_test(cases, any_name, 0, G_N_ELEMENTS(names));
    tcase_add_loop_test(cases, conflicts, 0, G_N_ELEMENTS(rivals));
    return unit_run("persist", cases);
}
