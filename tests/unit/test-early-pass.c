/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A plain tree keeps what is written: a longer word over a shorter one is what the kernel makes of it, too;
 * a shorter one leaves the end of the longer, which is what a kernel shows that does not keep to what it
 * said. */
#include <errno.h>
#include <unistd.h>

#include "early-pass.h"
#include "record.h"
#include "sysfs.h"
#include "rules-fixture.h"
#include "tree.h"
#include "unit.h"

#define NVME 0x010802
#define BRIDGE 0x060400
#define IDENTITY "Class=nvme > Type=identity"
#define STRICT "Class=nvme > Type=DMA"
#define LAZY "Class=nvme > Type=DMA-FQ"

static unsigned told;

static void tell(const EarlyGroup *group)
{
    ck_assert_str_ne(early_outcome_to_string(group->outcome), "");
    told++;
}

static Tree *machine_new(void)
{
    Tree *tree = tree_new();

    tree_write(tree, "proc/cmdline", "root=/dev/sda1 iommu.passthrough=0 iommu.strict=0\n");
    tree_link(tree, "sys/class/iommu/dmar0", "sys/devices/virtual/iommu/dmar0");
    return tree;
}

static void add(Tree *tree, unsigned group, const char *name, const char *driver)
{
    g_free(tree_add_device(tree, &(TreeDevice){ .name = name, .group = (int) group, .driver = driver,
                                                .vendor = 0x144d, .device = 0xa808, .class_code = NVME,
                                                .iommu = "dmar0" }));
}

static EarlyNote *run(Tree *tree, const RuleSet *rules)
{
    EarlyNote *note = early_note_new();
    g_autoptr(Host) host = NULL;

    told = 0;
    ck_assert_int_eq(host_read(tree->fd, &host), 0);
    ck_assert_int_eq(early_pass_run(tree->fd, rules, host, note, tell), 0);
    ck_assert_uint_eq(told, note->groups->len);
    return note;
}

static RuleSet *rules_of(const char *const *lines)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (; *lines; lines++)
        g_ptr_array_add(texts, rule_text(*lines));
    return rules_from_texts((const char *const *) texts->pdata, texts->len);
}
#define RULES(...) rules_of((const char *const[]){ __VA_ARGS__, NULL })

/* The note of one group must be this, and so must be the type. */
static void expect(const EarlyNote *note, Tree *tree, const char *outcome, const char *from,
                   const char *type, const char *text)
{
    g_autofree char *path = NULL, *shown = NULL;
    const EarlyGroup *group;

    ck_assert_uint_eq(note->groups->len, 1);
    group = note->groups->pdata[0];
    path = g_strdup_printf("sys/kernel/iommu_groups/%u/type", group->id);
    shown = g_strchomp(tree_read(tree, path));
    ck_assert_str_eq(early_outcome_to_string(group->outcome), outcome);
    ck_assert_str_eq(domain_type_to_string(group->from), from);
    ck_assert_str_eq(shown, type);
    ck_assert_str_eq(group->text, text);
    if (group->outcome != EARLY_FAILED)
        ck_assert_str_eq(domain_type_to_string(group->type), type);
}

static const struct {
    const char *rule, *driver, *from; /* of the one drive */
    const char *outcome, *type, *text;
} cases_of_one[] = {
    { IDENTITY, NULL, "DMA-FQ", "set", "identity", "" },
    { IDENTITY, NULL, "identity", "already", "identity", "" },
    { IDENTITY, "nvme", "identity", "already", "identity", "" },
    { IDENTITY, "nvme", "DMA", "bound", "DMA",
      "identity by 10.conf:4: 0000:00:04.0 is bound to nvme already" },
    { LAZY, "nvme", "DMA", "set", "DMA-FQ", "" },
    { LAZY, "nvme", "identity", "bound", "identity",
      "DMA-FQ by 10.conf:4: 0000:00:04.0 is bound to nvme already" },
    { "Class=nvme > Type=auto", NULL, "DMA-FQ", "already", "DMA-FQ", "" },
    /* A rule that would unbind does not here either. */
    { "Class=nvme > Type=identity; Unbind=idle", "nvme", "DMA", "bound", "DMA",
      "identity by 10.conf:4: 0000:00:04.0 is bound to nvme already" },
    { IDENTITY, NULL, "blocked", "refused", "blocked",
      "identity by 10.conf:4: the kernel cannot switch this (its type reads blocked: the kernel lets its "
      "devices do no DMA at all). "
      "Run 'iommuctl show 1' to see what this group can do." },
    /* What the kernel shows is no type that may be written over. */
    { STRICT, NULL, "identity", "failed", "DMAntity",
      "DMA by 10.conf:4: the kernel took the switch and then showed another type (Bad message). "
      "Run 'iommuctl show 1' to see which types this group can have, and 'journalctl -k' for the "
      "kernel's reason." },
    { "Class=nvme > Forbid=DMA-FQ", NULL, "DMA-FQ", "failed", "DMA-FQ",
      "DMA by 10.conf:4: the kernel took the switch and then showed another type (DMA-FQ). "
      "Run 'iommuctl show 1' to see which types this group can have, and 'journalctl -k' for the "
      "kernel's reason." },
};

START_TEST(one_drive)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleSet) rules = RULES(cases_of_one[_i].rule);
    g_autoptr(EarlyNote) note = NULL;
    const EarlyGroup *group;

    add(tree, 1, "0000:00:04.0", cases_of_one[_i].driver);
    tree_set_group(tree, 1, cases_of_one[_i].from, NULL);
    note = run(tree, rules);
    expect(note, tree, cases_of_one[_i].outcome, cases_of_one[_i].from, cases_of_one[_i].type,
           cases_of_one[_i].text);
    group = note->groups->pdata[0];
    ck_assert_uint_eq(group->members->len, 1);
    ck_assert_str_eq(((const RecordMember *) group->members->pdata[0])->name, "0000:00:04.0");
}
END_TEST

/* What is not asked for is only seen to have no driver yet, and what is not written leaves no lock. */
START_TEST(nothing_wanted)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleSet) others = RULES("Class=network > Type=identity"),
                       kept = RULES("Class=nvme > Type=keep"),
                       late = RULES("Driver=nvme > Type=identity"), none = NULL;
    g_autoptr(GPtrArray) diagnostics = NULL;

    add(tree, 1, "0000:00:04.0", NULL);
    for (size_t i = 0; i < 2; i++) {
        g_autoptr(EarlyNote) note = run(tree, i == 0 ? others : late);

        ck_assert_uint_eq(note->groups->len, 0);
    }
    g_autoptr(EarlyNote) note = run(tree, kept);
    ck_assert_uint_eq(note->groups->len, 1);
    ck_assert_int_eq(((const EarlyGroup *) note->groups->pdata[0])->outcome, EARLY_ALREADY);
    ck_assert(!record_any_locks(tree->fd));

    ck_assert_int_eq(rule_set_load(tree->fd, NULL, &none, &diagnostics), 0);
    g_autoptr(EarlyNote) empty = run(tree, none);
    ck_assert_uint_eq(empty->groups->len, 0);
    ck_assert_uint_eq(empty->unbound->len, 1);
}
END_TEST

/* An unbound member that no rule names, or a bound one that is named, stands for all. */
START_TEST(several_members)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleSet) one = RULES("Address=0000:00:04.0 > Type=identity"), all = RULES(IDENTITY);

    add(tree, 1, "0000:00:04.0", NULL);
    add(tree, 1, "0000:00:04.1", NULL);
    g_autoptr(EarlyNote) refused = run(tree, one);
    expect(refused, tree, "refused", "DMA", "DMA",
           "identity by 10.conf:4: no rule that counts asks for identity, or a laxer type, "
           "for 0000:00:04.1");

    tree_bind(tree, "sys/devices/pci0000:00/0000:00:04.1", "nvme");
    g_autoptr(EarlyNote) bound = run(tree, all);
    expect(bound, tree, "bound", "DMA", "DMA",
           "identity by 10.conf:4: 0000:00:04.1 is bound to nvme already");

    tree_bind(tree, "sys/devices/pci0000:00/0000:00:04.1", NULL);
    g_free(tree_add_device(tree, &(TreeDevice){ .name = "0000:00:05.0", .group = 1, .driver = "pcieport",
                                                .class_code = BRIDGE, .iommu = "dmar0" }));
    g_autoptr(EarlyNote) set = run(tree, all);
    expect(set, tree, "set", "DMA", "identity", "");
    ck_assert_uint_eq(((const EarlyGroup *) set->groups->pdata[0])->members->len, 3);
}
END_TEST

/* While a file is refused no group is relaxed; a stricter type is given. */
START_TEST(frozen)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleTree) files = rule_tree_new();
    g_autoptr(RuleSet) relaxing = NULL, tightening = NULL;
    g_autofree char *identity = rule_text(IDENTITY), *strict = rule_text(STRICT);

    rule_tree_write(files, "etc/iommu-policy.d/20.conf", "[Match]\nAny=yes\n", -1);
    rule_tree_write(files, "etc/iommu-policy.d/10.conf", identity, -1);
    relaxing = rule_tree_load(files, NULL, 1);
    rule_tree_write(files, "etc/iommu-policy.d/10.conf", strict, -1);
    tightening = rule_tree_load(files, NULL, 1);

    add(tree, 1, "0000:00:04.0", NULL);
    ck_assert(rule_set_is_frozen(relaxing));
    g_autoptr(EarlyNote) refused = run(tree, relaxing);
    expect(refused, tree, "refused", "DMA", "DMA",
           "identity by 10.conf:4: a rule file is refused: until it is mended, nothing is "
           "relaxed for a rule");
    /* It is tried: what a plain tree makes of that is not what a kernel does. */
    tree_set_group(tree, 1, "identity", NULL);
    g_autoptr(EarlyNote) tried = run(tree, tightening);
    ck_assert_int_eq(((const EarlyGroup *) tried->groups->pdata[0])->outcome, EARLY_FAILED);
}
END_TEST

START_TEST(untrusted)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleSet) rules = RULES("Class=nvme > Type=DMA-FQ");

    g_free(tree_add_device(tree, &(TreeDevice){ .name = "0000:00:04.0", .group = 1, .class_code = NVME,
                                                .iommu = "dmar0", .removable = "removable" }));
    g_autoptr(EarlyNote) note = run(tree, rules);
    ck_assert_uint_eq(note->groups->len, 1);
    expect(note, tree, "already", "DMA", "DMA", "");
    ck_assert_str_eq(((const EarlyGroup *) note->groups->pdata[0])->wanted_by, "kernel");
}
END_TEST

/* DMA-FQ only where the IOMMU is known to have it. */
START_TEST(unknown_iommu)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleSet) rules = RULES(LAZY);

    g_free(tree_add_device(tree, &(TreeDevice){ .name = "0000:00:04.0", .group = 1, .class_code = NVME,
                                                .iommu = "mtk-iommu.1" }));
    g_autoptr(EarlyNote) note = run(tree, rules);
    ck_assert_uint_eq(note->groups->len, 0);
}
END_TEST

START_TEST(reserved_regions_are_an_early_key)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleSet) rules = RULES("Class=nvme; ReservedDirect=no > Type=identity");

    add(tree, 1, "0000:00:04.0", NULL);
    add(tree, 2, "0000:00:05.0", NULL);
    tree_set_group(tree, 2, "DMA", "0x0000000000000000 0x0000000000ffffff direct\n");
    g_autoptr(EarlyNote) note = run(tree, rules);
    expect(note, tree, "set", "DMA", "identity", "");
    ck_assert_uint_eq(((const EarlyGroup *) note->groups->pdata[0])->id, 1);
}
END_TEST

START_TEST(held_by_others)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleSet) rules = RULES(IDENTITY);
    g_autoptr(CallRecord) call = call_record_new();
    RecordMember *member = call_record_add_member(call);
    int lock;

    add(tree, 1, "0000:00:04.0", NULL);
    lock = record_lock(tree->fd, "pci:0000:00:04.0", false);
    ck_assert_int_ge(lock, 0);
    g_autoptr(EarlyNote) locked = run(tree, rules);
    ck_assert_uint_eq(locked->groups->len, 0);
    close(lock);

    tree_write(tree, "run/iommu-policy/change/pci:0000:00:04.0", "half");
    g_autoptr(EarlyNote) interrupted = run(tree, rules);
    expect(interrupted, tree, "refused", "DMA", "DMA",
           "identity by 10.conf:4: an interrupted change is there, which iommu-policyd recovers");
    tree_remove(tree, "run/iommu-policy/change/pci:0000:00:04.0");

    call->boot_id = g_strdup("6f1c2a52-3d0e-4c51-9f0b-0a9e5f6f7a11");
    call->origin = g_strdup("call:uid=0");
    call->type = DOMAIN_TYPE_DMA;
    member->bus = g_strdup("pci");
    member->name = g_strdup("0000:00:04.0");
    ck_assert_int_eq(sysfs_inode(tree->fd, "sys/devices/pci0000:00/0000:00:04.0", &member->inode), 0);
    ck_assert_int_eq(call_record_write(tree->fd, "pci:0000:00:04.0", call), 0);
    g_autoptr(EarlyNote) called = run(tree, rules);
    expect(called, tree, "refused", "DMA", "DMA",
           "identity by 10.conf:4: a call has asked for a type, and iommu-policyd keeps to it");

    /* The device that the call was about has gone, and this is another one of its name. */
    member->inode++;
    ck_assert_int_eq(call_record_write(tree->fd, "pci:0000:00:04.0", call), 0);
    g_autoptr(EarlyNote) set = run(tree, rules);
    expect(set, tree, "set", "DMA", "identity", "");
}
END_TEST

/* Without a place for locks nobody can say that he is at work, so nothing is written. */
START_TEST(no_place_for_locks)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleSet) rules = RULES(IDENTITY);

    add(tree, 1, "0000:00:04.0", NULL);
    tree_remove(tree, "run");
    g_autoptr(EarlyNote) note = run(tree, rules);
    ck_assert_uint_eq(note->groups->len, 1);
    ck_assert_int_eq(((const EarlyGroup *) note->groups->pdata[0])->outcome, EARLY_FAILED);
}
END_TEST

/* 64 drives of one model, of which every other one will be another driver's. */
START_TEST(many_drives)
{
    g_autoptr(Tree) tree = machine_new();
    g_autoptr(RuleSet) rules = RULES("Id=144d:a808 > Type=identity");

    for (unsigned i = 0; i < 64; i++) {
        g_autofree char *name = g_strdup_printf("0000:%02x:00.0", i + 1);

        add(tree, i, name, NULL);
    }
    g_autoptr(EarlyNote) note = run(tree, rules), again = run(tree, rules);
    ck_assert_uint_eq(note->groups->len, 64);
    for (unsigned i = 0; i < 64; i++) {
        ck_assert_uint_eq(((const EarlyGroup *) note->groups->pdata[i])->id, i);
        ck_assert_int_eq(((const EarlyGroup *) note->groups->pdata[i])->outcome, EARLY_SET);
        ck_assert_int_eq(((const EarlyGroup *) again->groups->pdata[i])->outcome, EARLY_ALREADY);
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("early-pass");

    tcase_add_loop_test(cases, one_drive, 0, G_N_ELEMENTS(cases_of_one));
    tcase_add_test(cases, nothing_wanted);
    tcase_add_test(cases, several_members);
    tcase_add_test(cases, frozen);
    tcase_add_test(cases, untrusted);
    tcase_add_test(cases, unknown_iommu);
    tcase_add_test(cases, reserved_regions_are_an_early_key);
    tcase_add_test(cases, held_by_others);
    tcase_add_test(cases, no_place_for_locks);
    tcase_add_test(cases, many_drives);
    return unit_run("early-pass", cases);
}
