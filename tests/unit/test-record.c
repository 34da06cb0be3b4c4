/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "iommu-policy-names.h"
#include "record.h"
#include "tree.h"
#include "unit.h"

#define CHANGE "run/iommu-policy/change/"
#define KEY "pci:0000:00:04.0"
#define BOOT_ID "6f1c2a52-3d0e-4c51-9f0b-0a9e5f6f7a11"

#define HEAD                                                                                                \
    "iommu-policy-change=1\nboot-id=" BOOT_ID "\norigin=call:uid=1000\ngroup=7\nold-type=DMA\n"             \
    "wanted-type=identity\n"
#define IDENTITY "bus=pci\nname=0000:00:04.0\ninode=12345\n"
#define IDS "vendor=0x1b36\ndevice=0x10\nclass=0x10802\n"
#define BOUND "driver=nvme\nunbinds=yes\n"
#define OVERRIDE "driver-override=\n"
#define GOOD HEAD IDENTITY IDS BOUND OVERRIDE "end\n"

static Record *make_record(void)
{
    Record *record = record_new();
    RecordMember *member = record_add_member(record);

    record->boot_id = g_strdup(BOOT_ID);
    record->origin = g_strdup("call:uid=1000");
    record->group = 7;
    record->old_type = DOMAIN_TYPE_DMA;
    record->wanted_type = DOMAIN_TYPE_IDENTITY;
    member->bus = g_strdup("pci");
    member->name = g_strdup("0000:00:04.0");
    member->inode = 12345;
    member->vendor = 0x1b36;
    member->device = 0x10;
    member->class_code = 0x010802;
    member->driver = g_strdup("nvme");
    member->unbinds = true;
    member->has_driver_override = true;
    return record;
}

START_TEST(text_is_as_documented)
{
    g_autoptr(Record) record = make_record();
    g_autofree char *text = record_to_text(record);

    ck_assert_str_eq(text, GOOD);
}
END_TEST

/* A device that has no group yet, lent to pci-stub. */
#define LENT_HEAD                                                                                           \
    "iommu-policy-change=1\nboot-id=" BOOT_ID "\norigin=rule:/etc/iommu-policy.d/30-a.conf:2\n"           \
    "lent-to=pci-stub\nwanted-type=identity\n"
#define LENT_MEMBER IDENTITY IDS "unbinds=no\n"

START_TEST(text_of_a_lent_device)
{
    static const char text[] = LENT_HEAD LENT_MEMBER OVERRIDE "end\n";
    g_autoptr(Record) record = NULL;
    g_autofree char *error = NULL, *again = NULL;

    ck_assert_int_eq(record_from_text(text, strlen(text), &record, &error), 0);
    ck_assert(record->lent);
    ck_assert_int_eq(record->wanted_type, DOMAIN_TYPE_IDENTITY);
    ck_assert_uint_eq(record->members->len, 1);
    again = record_to_text(record);
    ck_assert_str_eq(text, again);
}
END_TEST

START_TEST(text_and_back)
{
    g_autoptr(Record) record = make_record(), read_back = NULL;
    RecordMember *member = record_add_member(record);
    g_autofree char *text = NULL, *again = NULL, *error = NULL;

    g_free(record->origin);
    record->origin = g_strdup("rule:/etc/a\\b\n\xff\x7f"
                              "end:3");
    member->bus = g_strdup("platform");
    member->name = g_strdup("soc:m\xc3\xa4use");
    member->inode = UINT64_MAX;
    member->driver_override = g_strdup("x y=z\t");
    member->has_driver_override = true;
    text = record_to_text(record);
    ck_assert_int_eq(record_from_text(text, strlen(text), &read_back, &error), 0);
    ck_assert_str_eq(read_back->origin, record->origin);
    ck_assert_uint_eq(read_back->members->len, 2);
    member = read_back->members->pdata[1];
    ck_assert_str_eq(member->name, "soc:m\xc3\xa4use");
    ck_assert_uint_eq(member->inode, UINT64_MAX);
    ck_assert_uint_eq(member->vendor, FACT_NO_ID);
    ck_assert_ptr_null(member->driver);
    ck_assert_str_eq(member->driver_override, "x y=z\t");
    member = read_back->members->pdata[0];
    ck_assert(member->has_driver_override);
    ck_assert_ptr_null(member->driver_override);
    ck_assert(member->unbinds);
    again = record_to_text(read_back);
    ck_assert_str_eq(text, again);
}
END_TEST

static const struct {
    const char *text, *error;
} bad[] = {
    { "", "line 0: the text ends where iommu-policy-change=1 should be" },
    { "iommu-policy-change=2\n", "line 1: expected iommu-policy-change=1" },
    { "iommu-policy-call=1\n", "line 1: expected iommu-policy-change=1" },
    { "iommu-policy-change=1", "line 1: the line does not end" },
    { "iommu-policy-change=1\n", "line 1: the text ends where boot-id should be" },
    { "iommu-policy-change=1\r\n", "line 1: control character 0x0d" },
    { "iommu-policy-change=1\nboot-id=1\n", "line 2: boot-id has 1 bytes instead of 36 to 36" },
    { "iommu-policy-change=1\nboot-id="
      "../etc"
      "\n",
      "line 2: boot-id is not a UUID" },
    { LENT_HEAD LENT_MEMBER "driver-override=x\nend\n",
      "line 14: only unbound PCI devices without driver_override are lent" },
    { LENT_HEAD LENT_MEMBER "end\n", "line 13: only unbound PCI devices without driver_override are lent" },
    { LENT_HEAD IDENTITY "driver=nvme\nunbinds=yes\n" OVERRIDE "end\n",
      "line 12: only unbound PCI devices without driver_override are lent" },
    { LENT_HEAD "bus=platform\nname=a\ninode=1\nunbinds=no\n" OVERRIDE "end\n",
      "line 11: only unbound PCI devices without driver_override are lent" },
    { "iommu-policy-change=1\nboot-id=" BOOT_ID "\norigin=x\nlent-to=nvme\n",
      "line 4: expected lent-to=pci-stub" },
    { HEAD, "line 6: the text ends where bus should be" },
    { HEAD "end\n", "line 7: expected bus" },
    { HEAD "bus=\n", "line 7: bus has 0 bytes instead of 1 to 255" },
    { HEAD "bus=..\n", "line 7: bus is not a name" },
    { HEAD "bus=a/b\n", "line 7: bus is not a name" },
    { HEAD "bus=a\\x2fb\n", "line 7: bus is not a name" },
    { HEAD "bus=\\x2E\\x2e\n", "line 7: bus is not a name" },
    { HEAD "bus=a\\x00b\n", "line 7: bad escape in bus" },
    { HEAD "bus=a\\\n", "line 7: bad escape in bus" },
    { HEAD "bus=a\\x\n", "line 7: bad escape in bus" },
    { HEAD "bus=a\\x1\n", "line 7: bad escape in bus" },
    { HEAD "bus=a\\n\n", "line 7: bad escape in bus" },
    { HEAD "name=a\n", "line 7: expected bus" },
    { HEAD "bus=pci\nname=a\ninode=-1\n", "line 9: inode is not a number up to 18446744073709551615" },
    { HEAD "bus=pci\nname=a\ninode=1x\n", "line 9: inode is not a number up to 18446744073709551615" },
    { HEAD "bus=pci\nname=a\ninode=18446744073709551616\n",
      "line 9: inode is not a number up to 18446744073709551615" },
    { HEAD IDENTITY "vendor=1\n", "line 10: vendor is not a hexadecimal number" },
    { HEAD IDENTITY "vendor=0x10000\n", "line 10: vendor is not a number up to 65535" },
    { HEAD IDENTITY "class=0x1000000\n", "line 10: class is not a number up to 16777215" },
    { HEAD IDENTITY "device=0x1\nvendor=0x1\n", "line 11: expected unbinds" },
    { HEAD IDENTITY "unbinds=maybe\n", "line 10: unbinds is neither yes nor no" },
    { HEAD IDENTITY "unbinds=yes\nend\n", "line 10: a member without driver cannot be unbound" },
    { HEAD IDENTITY "driver=../x\n", "line 10: driver is not a name" },
    { HEAD IDENTITY "unbinds=no\n", "line 10: the text ends where end should be" },
    { HEAD IDENTITY "unbinds=no\nend", "line 11: the line does not end" },
    { HEAD IDENTITY "unbinds=no\nend\n\n", "line 12: text after the end" },
    { HEAD IDENTITY "unbinds=no\nend\nx\n", "line 12: text after the end" },
    { HEAD IDENTITY "unbinds=no\nmore=1\nend\n", "line 11: expected end" },
    { HEAD IDENTITY "unbinds=no\n" IDENTITY "unbinds=no\nend\n",
      "line 11: pci:0000:00:04.0 is there twice" },
    { HEAD "bus=pci\nname=\\xe4\ninode=1\nunbinds=no\nbus=pci\nname=\\xe4\ninode=1\nunbinds=no\nend\n",
      "line 11: pci:\xef\xbf\xbd is there twice" },
    { "iommu-policy-change=1\nboot-id=" BOOT_ID "\norigin=\n",
      "line 3: origin has 0 bytes instead of 1 to 4096" },
    { "iommu-policy-change=1\nboot-id=" BOOT_ID "\norigin=x\ngroup=2147483648\n",
      "line 4: group is not a number up to 2147483647" },
    { "iommu-policy-change=1\nboot-id=" BOOT_ID "\norigin=x\ngroup=1\nold-type=auto\n",
      "line 5: old-type is not a type that can be written" },
    { "iommu-policy-change=1\nboot-id=" BOOT_ID "\norigin=x\ngroup=1\nold-type=DMA\nwanted-type=unknown\n",
      "line 6: wanted-type is not a type that can be written" },
    { "iommu-policy-change=1\nboot-id=" BOOT_ID "\norigin=x\ngroup=1\nold-type=DMA\nwanted-type=dma\n",
      "line 6: wanted-type is not a type that can be written" },
};

START_TEST(refuses_bad_text)
{
    g_autofree char *error = NULL;
    Record *record = NULL;

    ck_assert_int_eq(record_from_text(bad[_i].text, strlen(bad[_i].text), &record, &error), -EBADMSG);
    ck_assert_ptr_null(record);
    ck_assert_str_eq(error, bad[_i].error);
}
END_TEST

/* Whatever is cut off, and wherever a NUL stands, the rest is refused. */
START_TEST(refuses_each_truncation)
{
    for (size_t size = 0; size < strlen(GOOD); size++) {
        g_autofree char *cut = g_memdup2(GOOD, size), *error = NULL, *nul = g_strdup(GOOD),
                        *nul_error = NULL;
        Record *record = NULL;

        ck_assert_int_eq(record_from_text(cut, size, &record, &error), -EBADMSG);
        nul[size] = '\0';
        ck_assert_int_eq(record_from_text(nul, strlen(GOOD), &record, &nul_error), -EBADMSG);
    }
}
END_TEST

START_TEST(writes_loads_lists_removes)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Record) record = make_record(), loaded = NULL;
    g_autofree char *text = NULL, *error = NULL;
    g_auto(GStrv) none = NULL, keys = NULL, after = NULL;
    struct stat st;

    ck_assert_int_eq(record_list(tree->fd, &none), 0);
    ck_assert_ptr_null(none[0]);
    ck_assert_int_eq(record_load(tree->fd, KEY, &loaded, &error), -ENOENT);
    ck_assert_int_eq(record_remove(tree->fd, KEY), 0);

    ck_assert_int_eq(record_write(tree->fd, KEY, record), 0);
    ck_assert_int_eq(record_write(tree->fd, KEY, record), 0);
    text = tree_read(tree, CHANGE KEY);
    ck_assert_str_eq(text, GOOD);
    ck_assert_int_eq(fstatat(tree->fd, "run/iommu-policy/change", &st, 0), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    ck_assert_int_eq(fstatat(tree->fd, CHANGE KEY, &st, 0), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);

    tree_write(tree, CHANGE ".pci:x", "half");
    tree_write(tree, CHANGE "pci:x.lock", "");
    ck_assert_int_eq(record_list(tree->fd, &keys), 0);
    ck_assert_uint_eq(g_strv_length(keys), 1);
    ck_assert_str_eq(keys[0], KEY);
    ck_assert_int_eq(record_load(tree->fd, KEY, &loaded, &error), 0);
    ck_assert_uint_eq(loaded->group, 7);

    ck_assert_int_eq(record_remove(tree->fd, KEY), 0);
    ck_assert_int_eq(record_list(tree->fd, &after), 0);
    ck_assert_ptr_null(after[0]);
}
END_TEST

/* A missing run/iommu-policy, as in an initramfs, is made. */
START_TEST(makes_its_folders)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Record) record = make_record();

    tree_remove(tree, "run/iommu-policy");
    ck_assert_int_eq(record_write(tree->fd, KEY, record), 0);
    tree_remove(tree, "run");
    ck_assert_int_eq(record_write(tree->fd, KEY, record), -ENOENT);
}
END_TEST

START_TEST(writes_nothing_that_could_not_be_read)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Record) record = make_record();
    RecordMember *member = record->members->pdata[0];

    g_free(member->driver);
    member->driver = g_strdup("a/b");
    ck_assert_int_eq(record_write(tree->fd, KEY, record), -EINVAL);
    g_free(member->driver);
    member->driver = g_strdup("nvme");
    for (unsigned i = 0; i < 2000; i++) {
        member = record_add_member(record);
        member->bus = g_strdup("pci");
        member->name = g_strdup_printf("%u", i);
    }
    ck_assert_int_eq(record_write(tree->fd, KEY, record), -EINVAL);
    ck_assert_int_ne(faccessat(tree->fd, "run/iommu-policy/change", F_OK, 0), 0);
}
END_TEST

START_TEST(judges_files)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *large = g_strnfill(64 * 1024 + 1, 'x');
    Record *record = NULL;

    tree_write(tree, "elsewhere", GOOD);
    tree_mkdir(tree, CHANGE "folder");
    ck_assert_int_eq(symlinkat("../../../elsewhere", tree->fd, CHANGE "link"), 0);
    ck_assert_int_eq(mkfifoat(tree->fd, CHANGE "fifo", 0600), 0);
    tree_write(tree, CHANGE "open", GOOD);
    ck_assert_int_eq(fchmodat(tree->fd, CHANGE "open", 0620, 0), 0);
    tree_write(tree, CHANGE "large", large);
    tree_write(tree, CHANGE "binary",
               "\x7f"
               "ELF");
    for (const char *const *key =
             (const char *const[]){ "folder", "link", "fifo", "open", "large", "binary", NULL };
         *key; key++) {
        g_autofree char *error = NULL;

        ck_assert_int_eq(record_load(tree->fd, *key, &record, &error), -EBADMSG);
        ck_assert_ptr_nonnull(error);
    }
    ck_assert_ptr_null(record);
    if (geteuid() == 0) {
        g_autofree char *error = NULL;

        tree_write(tree, CHANGE "foreign", GOOD);
        ck_assert_int_eq(fchownat(tree->fd, CHANGE "foreign", 65534, 65534, 0), 0);
        ck_assert_int_eq(record_load(tree->fd, "foreign", &record, &error), -EBADMSG);
    }
}
END_TEST

static const struct {
    const char *bus, *name, *key;
} keys[] = {
    { "pci", "0000:00:04.0", KEY },
    { "platform", "soc@0/x y", "platform:soc\\x400\\x2fx\\x20y" },
    { "platform", "m\xc3\xa4use", "platform:m\\xc3\\xa4use" },
    { "platform", "a.lock", "platform:a\\x2elock" },
    { "platform", "a.lock.b", "platform:a.lock.b" },
    { ".x", "y", "\\x2ex:y" },
};

START_TEST(makes_keys)
{
    g_autofree char *key = record_key(keys[_i].bus, keys[_i].name);

    ck_assert_str_eq(key, keys[_i].key);
}
END_TEST

START_TEST(refuses_bad_keys)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(Record) record = make_record();
    g_autofree char *error = NULL;
    Record *loaded = NULL;

    for (const char *const *key =
             (const char *const[]){ "", "..", ".x", "a/b", "a.lock", "platform:a@b", NULL };
         *key; key++) {
        ck_assert_int_eq(record_write(tree->fd, *key, record), -EINVAL);
        ck_assert_int_eq(record_load(tree->fd, *key, &loaded, &error), -EINVAL);
        ck_assert_int_eq(record_remove(tree->fd, *key), -EINVAL);
        ck_assert_int_eq(record_lock(tree->fd, *key, false), -EINVAL);
        ck_assert_int_eq(record_is_locked(tree->fd, *key), -EINVAL);
    }
}
END_TEST

START_TEST(locks_exclude)
{
    g_autoptr(Tree) tree = tree_new();
    int first, second;

    ck_assert_int_eq(record_is_locked(tree->fd, KEY), 0);
    ck_assert_int_ne(faccessat(tree->fd, "run/iommu-policy/change", F_OK, 0), 0);
    first = record_lock(tree->fd, KEY, false);
    ck_assert_int_ge(first, 0);
    ck_assert_int_eq(record_is_locked(tree->fd, KEY), 1);
    ck_assert_int_eq(record_lock(tree->fd, KEY, false), -EWOULDBLOCK);
    close(first);
    ck_assert_int_eq(record_is_locked(tree->fd, KEY), 0);
    ck_assert_int_eq(faccessat(tree->fd, CHANGE KEY ".lock", F_OK, 0), 0);
    second = record_lock(tree->fd, KEY, true);
    ck_assert_int_ge(second, 0);
    close(second);
}
END_TEST

START_TEST(lock_tells_what_its_holder_does)
{
    static const char *const unreadable[] = { "", "12", "12 \n", "12 unbind", "x unbind\n",
                                              "12 \377\n", "-1 a\n" };
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *step = NULL;
    uint64_t until;
    int fd;

    ck_assert_int_eq(record_lock_read(tree->fd, KEY, &step, &until), -ENOENT);
    fd = record_lock(tree->fd, KEY, false);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(record_lock_read(tree->fd, KEY, &step, &until), -ENODATA);
    record_lock_note(fd, "a step with a long name", 4711);
    record_lock_note(fd, "unbind 0000:00:04.0", 12);
    ck_assert_int_eq(record_lock_read(tree->fd, KEY, &step, &until), 0);
    ck_assert_str_eq(step, "unbind 0000:00:04.0");
    ck_assert_uint_eq(until, 12);
    close(fd);
    for (size_t i = 0; i < G_N_ELEMENTS(unreadable); i++) {
        tree_write(tree, CHANGE KEY ".lock", unreadable[i]);
        ck_assert_msg(record_lock_read(tree->fd, KEY, &step, &until) == -ENODATA, "%s", unreadable[i]);
    }
}
END_TEST

/* Somebody who only looks, all the time, never makes a lock seem taken, nor a taken one seem free. */
START_TEST(looking_does_not_disturb)
{
    g_autoptr(Tree) tree = tree_new();
    int fd = record_lock(tree->fd, KEY, false);
    pid_t looker;

    ck_assert_int_ge(fd, 0);
    close(fd);
    looker = fork();
    if (looker == 0)
        for (;;)
            (void) record_is_locked(tree->fd, KEY);
    for (unsigned i = 0; i < 2000; i++) {
        fd = record_lock(tree->fd, KEY, false);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(record_lock(tree->fd, KEY, false), -EWOULDBLOCK);
        close(fd);
    }
    kill(looker, SIGKILL);
    ck_assert_int_eq(waitpid(looker, NULL, 0), looker);
}
END_TEST

START_TEST(unfinished_records_are_discarded)
{
    g_autoptr(Tree) tree = tree_new();
    static const char unfinished[] = IOMMU_POLICY_CHANGE_DIR "/." KEY;
    int fd = record_lock(tree->fd, KEY, false);

    ck_assert_int_ge(fd, 0);
    tree_write(tree, unfinished, "version=");
    record_discard_unfinished(tree->fd); /* its writer is at work */
    ck_assert_int_eq(faccessat(tree->fd, unfinished, F_OK, 0), 0);
    close(fd);
    record_discard_unfinished(tree->fd);
    ck_assert_int_ne(faccessat(tree->fd, unfinished, F_OK, 0), 0);
}
END_TEST

START_TEST(a_lock_ends_with_its_holder)
{
    g_autoptr(Tree) tree = tree_new();
    int ready[2], fd;
    char byte = 0;
    pid_t holder;

    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    holder = fork();
    if (holder == 0) {
        (void) record_lock(tree->fd, KEY, true);
        (void) !write(ready[1], &byte, 1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(record_is_locked(tree->fd, KEY), 1);
    kill(holder, SIGKILL);
    fd = record_lock(tree->fd, KEY, true);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
}
END_TEST

START_TEST(calls)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(CallRecord) call = call_record_new(), loaded = NULL;
    RecordMember *member = call_record_add_member(call);
    g_autofree char *text = NULL, *error = NULL, *bad_error = NULL;
    g_auto(GStrv) names = NULL;

    call->boot_id = g_strdup(BOOT_ID);
    call->origin = g_strdup("call:uid=0");
    call->type = DOMAIN_TYPE_DMA_FQ;
    call->reason = g_strdup("two\nlines");
    member->bus = g_strdup("pci");
    member->name = g_strdup("0000:00:04.0");
    member->inode = 5;
    ck_assert_int_eq(call_record_write(tree->fd, KEY, call), 0);
    text = tree_read(tree, "run/iommu-policy/call/" KEY);
    ck_assert_str_eq(text, "iommu-policy-call=1\nboot-id=" BOOT_ID "\norigin=call:uid=0\ntype=DMA-FQ\n"
                           "reason=two\\x0alines\nbus=pci\nname=0000:00:04.0\ninode=5\nend\n");
    ck_assert_int_eq(call_record_list(tree->fd, &names), 0);
    ck_assert_str_eq(names[0], KEY);
    ck_assert_int_eq(call_record_load(tree->fd, KEY, &loaded, &error), 0);
    ck_assert_str_eq(loaded->reason, "two\nlines");
    ck_assert_int_eq(loaded->type, DOMAIN_TYPE_DMA_FQ);
    ck_assert_int_eq(call_record_remove(tree->fd, KEY), 0);
    ck_assert_int_eq(call_record_load(tree->fd, KEY, &loaded, &error), -ENOENT);

    tree_write(tree, "run/iommu-policy/call/x", "iommu-policy-call=1\n");
    ck_assert_int_eq(call_record_load(tree->fd, "x", &loaded, &bad_error), -EBADMSG);
    ck_assert_str_eq(bad_error, "line 1: the text ends where boot-id should be");
}
END_TEST

START_TEST(boot_id)
{
    g_autoptr(Tree) tree = tree_new();
    g_autofree char *id = NULL;

    ck_assert_int_eq(record_boot_id(tree->fd, &id), 0);
    ck_assert_str_eq(id, BOOT_ID);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("record");

    tcase_add_test(cases, text_is_as_documented);
    tcase_add_test(cases, text_of_a_lent_device);
    tcase_add_test(cases, text_and_back);
    tcase_add_loop_test(cases, refuses_bad_text, 0, G_N_ELEMENTS(bad));
    tcase_add_test(cases, refuses_each_truncation);
    tcase_add_test(cases, writes_loads_lists_removes);
    tcase_add_test(cases, makes_its_folders);
    tcase_add_test(cases, writes_nothing_that_could_not_be_read);
    tcase_add_test(cases, judges_files);
    tcase_add_loop_test(cases, makes_keys, 0, G_N_ELEMENTS(keys));
    tcase_add_test(cases, refuses_bad_keys);
    tcase_add_test(cases, locks_exclude);
    tcase_add_test(cases, lock_tells_what_its_holder_does);
    tcase_add_test(cases, looking_does_not_disturb);
    tcase_add_test(cases, a_lock_ends_with_its_holder);
    tcase_add_test(cases, unfinished_records_are_discarded);
    tcase_add_test(cases, calls);
    tcase_add_test(cases, boot_id);
    return unit_run("record", cases);
}
