/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "scene.h"
#include "unit.h"

START_TEST(ids)
{
    g_autoptr(GPtrArray) findings = findings_new();
    const Finding *finding = findings_add(findings, FINDING_MOUNT, FINDING_ABSOLUTE, "0000:00:04.0",
                                          "/srv/a b\xff\\x20", "nvme0n1>vg0 x", "%s is mounted", "/srv\n");

    ck_assert_str_eq(finding->id, "mount:/srv/a\\x20b\\xff\\x5cx20@nvme0n1>vg0\\x20x");
    ck_assert_str_eq(finding->object, "/srv/a b\357\277\275\\x20");
    ck_assert_str_eq(finding->text, "/srv\357\277\275 is mounted");
    ck_assert_ptr_null(finding->private_text);
    ck_assert_uint_eq(findings->len, 1);
}
END_TEST

static const struct {
    const char *text, *keep, *escaped;
} escapes[] = {
    { "", "", "" },
    { "/srv_1.2:3-x", "", "/srv_1.2:3-x" },
    { "a@b>c", "", "a\\x40b\\x3ec" },
    { "a@b>c", ">", "a\\x40b>c" },
    { "\303\244", "", "\\xc3\\xa4" },
    { "\n\x7f", "", "\\x0a\\x7f" },
};

START_TEST(escaping)
{
    g_autofree char *escaped = escape_object(escapes[_i].text, escapes[_i].keep);

    ck_assert_str_eq(escaped, escapes[_i].escaped);
}
END_TEST

/* Rows: severity, kind, allowed by id, kind accepted, stands in the way. */
static const struct {
    FindingKind kind;
    FindingSeverity severity;
    bool allowed, accepted, blocks;
} rows[] = {
    { FINDING_MOUNT, FINDING_ABSOLUTE, false, false, true },
    { FINDING_MOUNT, FINDING_ABSOLUTE, true, true, true },
    { FINDING_ROUTE, FINDING_FATAL, false, false, true },
    { FINDING_ROUTE, FINDING_FATAL, false, true, true },
    { FINDING_ROUTE, FINDING_FATAL, true, false, false },
    { FINDING_UP, FINDING_DISRUPTIVE, false, false, true },
    { FINDING_UP, FINDING_DISRUPTIVE, false, true, false },
    { FINDING_UP, FINDING_DISRUPTIVE, true, false, false },
    /* What `below` stands for stands in the way by itself. */
    { FINDING_BELOW, FINDING_ABSOLUTE, false, false, false },
    { FINDING_BELOW, FINDING_FATAL, false, false, false },
    /* `unknown` can be fatal, and then no rule passes it. */
    { FINDING_UNKNOWN, FINDING_FATAL, false, true, true },
};

START_TEST(blocking)
{
    g_autoptr(GPtrArray) findings = findings_new(), result = NULL;
    const Finding *finding = findings_add(findings, rows[_i].kind, rows[_i].severity, "m", "o", "w", "text");
    char *allow[] = { (char *) "mount:/other@w", rows[_i].allowed ? finding->id : NULL, NULL };

    result = findings_blocking(findings, rows[_i].accepted ? FINDING_KIND_BIT(rows[_i].kind) : 0, allow);
    ck_assert_uint_eq(result->len, rows[_i].blocks ? 1 : 0);
    if (!rows[_i].allowed) {
        g_autoptr(GPtrArray) without = findings_blocking(findings, 0, NULL);

        ck_assert_uint_eq(without->len, rows[_i].kind != FINDING_BELOW ? 1 : 0);
        if (without->len > 0)
            ck_assert_ptr_eq(without->pdata[0], finding);
    }
}
END_TEST

START_TEST(through_a_message)
{
    g_autoptr(GPtrArray) findings = findings_new(), copy = NULL;
    g_autoptr(GVariant) message = NULL;
    Finding *one = findings_add(findings, FINDING_OWNER, FINDING_ABSOLUTE, "m1", "o1", "w1", "text 1");
    const Finding *other =
        findings_add(findings, FINDING_UP, FINDING_DISRUPTIVE, "m2", "o2", "w2", "text 2");

    one->private_text = g_strdup("text 1: pid 7");
    message = g_variant_ref_sink(findings_to_variant(findings));
    ck_assert(g_variant_is_of_type(message, G_VARIANT_TYPE(FINDINGS_FORMAT)));
    copy = findings_from_variant(message);
    ck_assert_uint_eq(copy->len, 2);
    for (unsigned i = 0; i < 2; i++) {
        const Finding *a = i == 0 ? one : other, *b = copy->pdata[i];

        ck_assert_str_eq(a->id, b->id);
        ck_assert_str_eq(a->member, b->member);
        ck_assert_int_eq(a->kind, b->kind);
        ck_assert_str_eq(a->object, b->object);
        ck_assert_str_eq(a->text, b->text);
        ck_assert_int_eq(a->severity, b->severity);
        ck_assert_int_eq(g_strcmp0(a->private_text, b->private_text), 0);
    }
}
END_TEST

/* A message that was damaged may only become stricter. */
START_TEST(damaged_message)
{
    g_autoptr(GVariant) message = g_variant_ref_sink(g_variant_new_parsed(
        "[('up:a@b', 'm', 99, 'o', 't', '', 77), ('up:a@b', 'm', -1, 'o', 't', '', -1)]"));
    g_autoptr(GPtrArray) findings = findings_from_variant(message);

    ck_assert_uint_eq(findings->len, 2);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(((Finding *) findings->pdata[i])->kind, FINDING_UNKNOWN);
        ck_assert_int_eq(((Finding *) findings->pdata[i])->severity, FINDING_ABSOLUTE);
    }
}
END_TEST

/* Sorted by member, the most severe first; the same evidence twice is one finding. */
START_TEST(order)
{
    g_autoptr(Tree) tree = scene_new();
    g_autofree char *nvme = scene_add_nvme(tree), *nic = NULL;
    g_autoptr(GPtrArray) findings = NULL;
    static const char *const expected[] = {
        "0000:00:03.0 vf:0000:00:03.0@0000:00:03.0", "0000:00:03.0 netns:no-interface@0000:00:03.0",
        "0000:00:03.0 unknown:misc@0000:00:03.0",    "0000:00:04.0 mount:/a@nvme0n1p1",
        "0000:00:04.0 mount:/z@nvme0n1p1",
    };

    nic = tree_add_device(tree,
                          &(TreeDevice){
                              .name = "0000:00:03.0", .class_code = 0x020000, .driver = "igb", .group = 7 });
    scene_add_child(tree, "sys/devices/pci0000:00/0000:00:03.0/misc/one", "misc", NULL);
    scene_add_child(tree, "sys/devices/pci0000:00/0000:00:03.0/misc/two", "misc", NULL);
    tree_link(tree, "sys/devices/pci0000:00/0000:00:03.0/virtfn0", nvme);
    scene_mount(tree, 1, "259:1", "/z", "ext4", "/dev/nvme0n1p1");
    scene_mount(tree, 1, "259:1", "/a", "ext4", "/dev/nvme0n1p1");
    ck_assert_int_eq(findings_collect(tree->fd, (char *[]){ nvme, nic, NULL }, FINDINGS_ALL, &findings), 0);
    ck_assert_uint_eq(findings->len, G_N_ELEMENTS(expected));
    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];
        g_autofree char *line = g_strdup_printf("%s %s", finding->member, finding->id);

        ck_assert_str_eq(line, expected[i]);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, ids);
    tcase_add_loop_test(tests, escaping, 0, G_N_ELEMENTS(escapes));
    tcase_add_loop_test(tests, blocking, 0, G_N_ELEMENTS(rows));
    tcase_add_test(tests, through_a_message);
    tcase_add_test(tests, damaged_message);
    tcase_add_test(tests, order);
    return unit_run("findings", tests);
}
