/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "early-note.h"
#include "iommu-policy-names.h"
#include "tree.h"
#include "unit.h"

#define HOST IOMMU_POLICY_EARLY_DIR "/host"
#define BOOT_ID "6f1c2a52-3d0e-4c51-9f0b-0a9e5f6f7a11"
#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define FIRST "iommu-policy-early=1\nboot-id=" BOOT_ID "\n"
#define HEAD FIRST "digest=" DIGEST "\nfrozen=no\n"
#define TIMES "begin-usec=1500000\nend-usec=1503250\nerrors=0\n"
#define GROUP "group=7\noutcome=set\nfrom=DMA-FQ\nwanted=identity\ntype=identity\n"
#define TEXTS "wanted-by=/etc/iommu-policy.d/30-x.conf:4\ntext=\n"
#define MEMBER "bus=pci\nname=0000:00:04.0\ninode=12345\n"
#define GOOD HEAD TIMES GROUP TEXTS MEMBER "end\n"

static RecordMember *add_member(EarlyGroup *group, const char *name, uint64_t inode)
{
    RecordMember *member = record_members_add(group->members);

    member->bus = g_strdup("pci");
    member->name = g_strdup(name);
    member->inode = inode;
    return member;
}

static EarlyNote *make_note(void)
{
    EarlyNote *note = early_note_new();
    EarlyGroup *group = early_note_add_group(note, 7);

    note->boot_id = g_strdup(BOOT_ID);
    note->digest = g_strdup(DIGEST);
    note->begin_usec = 1500000;
    note->end_usec = 1503250;
    group->outcome = EARLY_SET;
    group->from = DOMAIN_TYPE_DMA_FQ;
    group->wanted = group->type = DOMAIN_TYPE_IDENTITY;
    group->wanted_by = g_strdup("/etc/iommu-policy.d/30-x.conf:4");
    group->text = g_strdup("");
    add_member(group, "0000:00:04.0", 12345);
    return note;
}

START_TEST(text_is_as_documented)
{
    g_autoptr(EarlyNote) note = make_note();
    g_autofree char *text = early_note_to_text(note);

    ck_assert_str_eq(text, GOOD);
}
END_TEST

START_TEST(text_and_back)
{
    g_autoptr(EarlyNote) note = make_note(), read_back = NULL;
    EarlyGroup *group = early_note_add_group(note, 9);
    g_autofree char *text = NULL, *again = NULL, *error = NULL;
    static const uint64_t unbound[] = { 12345, 1, UINT64_MAX };

    note->frozen = true;
    note->errors = 3;
    note->disabled = g_strdup("iommu_policy=off on the kernel command line");
    for (size_t i = 0; i < G_N_ELEMENTS(unbound); i++)
        g_array_append_val(note->unbound, unbound[i]);
    group->outcome = EARLY_REFUSED;
    group->wanted = DOMAIN_TYPE_AUTO;
    group->text = g_strdup("auto by x.conf:1: a line\nof \xff");
    add_member(group, "a", 1);
    add_member(group, "b", UINT64_MAX);
    text = early_note_to_text(note);
    ck_assert_int_eq(early_note_from_text(text, strlen(text), &read_back, &error), 0);
    ck_assert(read_back->frozen);
    ck_assert_uint_eq(read_back->errors, 3);
    ck_assert_str_eq(read_back->disabled, note->disabled);
    ck_assert_uint_eq(read_back->unbound->len, G_N_ELEMENTS(unbound));
    ck_assert_mem_eq(read_back->unbound->data, unbound, sizeof unbound);
    ck_assert_uint_eq(read_back->groups->len, 2);
    group = read_back->groups->pdata[1];
    ck_assert_int_eq(group->outcome, EARLY_REFUSED);
    ck_assert_int_eq(group->from, _DOMAIN_TYPE_INVALID);
    ck_assert_int_eq(group->type, _DOMAIN_TYPE_INVALID);
    ck_assert_str_eq(group->text, "auto by x.conf:1: a line\nof \xff");
    ck_assert_uint_eq(group->members->len, 2);
    again = early_note_to_text(read_back);
    ck_assert_str_eq(text, again);
}
END_TEST

static const struct {
    const char *text, *error;
} bad[] = {
    { "", "line 0: the text ends where iommu-policy-early=1 should be" },
    { "iommu-policy-call=1\n", "line 1: expected iommu-policy-early=1" },
    { FIRST, "line 2: the text ends where digest should be" },
    { FIRST "digest=0\n", "line 3: digest has 1 bytes instead of 64 to 64" },
    { FIRST "digest=x\n", "line 3: digest is not a hexadecimal number" },
    { FIRST "digest=\nfrozen=maybe\n", "line 4: frozen is neither yes nor no" },
    { HEAD "disabled=\n", "line 5: disabled has 0 bytes instead of 1 to 4096" },
    { HEAD "begin-usec=-1\n", "line 5: begin-usec is not a number up to 18446744073709551615" },
    { HEAD "begin-usec=1\nend-usec=1\nerrors=4294967296\n",
      "line 7: errors is not a number up to 4294967295" },
    { HEAD TIMES, "line 7: the text ends where end should be" },
    { HEAD TIMES "unbound=1\nunbound=\nend\n",
      "line 9: unbound is not a number up to 18446744073709551615" },
    { HEAD TIMES GROUP TEXTS MEMBER "unbound=1\nend\n", "line 18: expected end" },
    { HEAD TIMES "end\nend\n", "line 9: text after the end" },
    { HEAD TIMES "group=2147483648\n", "line 8: group is not a number up to 2147483647" },
    { HEAD TIMES "group=7\noutcome=done\n", "line 9: expected an outcome" },
    { HEAD TIMES "group=7\n", "line 8: expected an outcome" },
    { HEAD TIMES "group=7\noutcome=set\nfrom=auto\n", "line 10: from is not a type that can be read" },
    { HEAD TIMES "group=7\noutcome=set\nfrom=dma\n", "line 10: from is not a type" },
    { HEAD TIMES "group=7\noutcome=set\nwanted=unknown\n",
      "line 10: wanted is not a type that can be written" },
    { HEAD TIMES "group=7\noutcome=set\ntype=DMA\n", "line 10: expected wanted" },
    { HEAD TIMES GROUP "text=\n", "line 13: expected wanted-by" },
    { HEAD TIMES GROUP TEXTS "end\n", "line 15: expected bus" },
    { HEAD TIMES GROUP TEXTS "bus=..\n", "line 15: bus is not a name" },
    { HEAD TIMES GROUP TEXTS MEMBER MEMBER "end\n", "line 18: pci:0000:00:04.0 is there twice" },
    { HEAD TIMES GROUP TEXTS MEMBER "vendor=0x1\nend\n", "line 18: expected end" },
};

START_TEST(bad_text)
{
    g_autoptr(EarlyNote) note = NULL;
    g_autofree char *error = NULL;

    ck_assert_int_eq(early_note_from_text(bad[_i].text, strlen(bad[_i].text), &note, &error), -EBADMSG);
    ck_assert_str_eq(error, bad[_i].error);
    ck_assert_ptr_null(note);
}
END_TEST

START_TEST(files)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(EarlyNote) note = make_note(), none = NULL, read_back = NULL, refused = NULL;
    g_autofree char *error = NULL, *path = g_build_filename(tree->path, HOST, NULL);
    struct stat st;

    ck_assert_int_eq(early_note_load(tree->fd, EARLY_HOST, &none, &error), -ENOENT);
    ck_assert_int_eq(early_note_write(tree->fd, EARLY_HOST, note), 0);
    ck_assert_int_eq(early_note_write(tree->fd, EARLY_HOST, note), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(early_note_load(tree->fd, EARLY_INITRAMFS, &none, &error), -ENOENT);
    ck_assert_int_eq(early_note_load(tree->fd, EARLY_HOST, &read_back, &error), 0);
    ck_assert_uint_eq(read_back->end_usec, 1503250);

    ck_assert_int_eq(chmod(path, 0620), 0);
    ck_assert_int_eq(early_note_load(tree->fd, EARLY_HOST, &refused, &error), -EBADMSG);
    ck_assert_ptr_null(refused);
}
END_TEST

START_TEST(what_cannot_be_read_is_not_written)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(EarlyNote) note = make_note(), elsewhere = make_note();
    EarlyGroup *group = note->groups->pdata[0];

    g_ptr_array_set_size(group->members, 0);
    ck_assert_int_eq(early_note_write(tree->fd, EARLY_HOST, note), -EINVAL);
    ck_assert_ptr_null(tree_read(tree, HOST));
    tree_remove(tree, "run");
    ck_assert_int_eq(early_note_write(tree->fd, EARLY_HOST, elsewhere), -ENOENT);
}
END_TEST

START_TEST(found_by_members)
{
    g_autoptr(EarlyNote) note = make_note();
    DeviceFacts first_facts = { .bus = (char *) "pci", .name = (char *) "0000:00:04.0" };
    DeviceFacts second_facts = { .bus = (char *) "pci", .name = (char *) "0000:00:04.1" };
    Device first = { .facts = &first_facts, .inode = 12345 };
    Device second = { .facts = &second_facts, .inode = 2 };
    const Device *const both[] = { &second, &first }, *const one[] = { &first };

    ck_assert_ptr_eq(early_note_find(note, one, 1), note->groups->pdata[0]);
    ck_assert_ptr_null(early_note_find(note, both, 2));
    add_member(early_note_add_group(note, 8), "0000:00:04.1", 2);
    add_member(note->groups->pdata[1], "0000:00:04.0", 12345);
    ck_assert_ptr_eq(early_note_find(note, both, 2), note->groups->pdata[1]);
    first.inode++;
    ck_assert_ptr_null(early_note_find(note, one, 1));
    ck_assert_ptr_null(early_note_find(note, both, 2));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("early-note");

    tcase_add_test(cases, text_is_as_documented);
    tcase_add_test(cases, text_and_back);
    tcase_add_loop_test(cases, bad_text, 0, G_N_ELEMENTS(bad));
    tcase_add_test(cases, files);
    tcase_add_test(cases, what_cannot_be_read_is_not_written);
    tcase_add_test(cases, found_by_members);
    return unit_run("early-note", cases);
}
