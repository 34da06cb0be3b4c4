/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "evidence.h"
#include "nvme-scene.h"
#include "unit.h"

#define ALL FINDINGS_ALL
#define NVMET "sys/kernel/config/nvmet/subsystems/"
#define TARGET "sys/kernel/config/target/core/"
#define GADGET "sys/kernel/config/usb_gadget/"

static void write_attribute(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_strdup_printf("%s/%s", folder, name), *line = g_strconcat(text, "\n", NULL);

    tree_write(tree, path, line);
}

static void add_namespace(const char *folder, const char *device_path, bool enabled)
{
    write_attribute(folder, "device_path", device_path);
    write_attribute(folder, "enable", enabled ? "1" : "0");
}

/* --- processes that have a node open */

static OpenFiles *files;

static void add_file(pid_t pid, bool block, dev_t number, bool locks_shared)
{
    OpenFile *file = g_new0(OpenFile, 1);

    *file = (OpenFile){
        .pid = pid, .is_device = true, .block = block, .number = number, .locks_shared = locks_shared
    };
    g_ptr_array_add(files->files, file);
}

/* Judges the drive with FILES, which need no nodes here, as what processes have open. */
static char *judge(void)
{
    g_autoptr(GPtrArray) findings = findings_new(), descendants = NULL;
    g_autoptr(GString) ids = g_string_new(NULL);
    Evidence evidence = { .root_fd = tree->fd, .files = files };
    Member member = { .syspath = nvme, .name = "0000:00:04.0" };

    ck_assert_int_eq(descendants_read(tree->fd, nvme, &descendants), 0);
    member.descendants = descendants;
    findings_judge_export(&evidence, &member, findings);
    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = g_ptr_array_index(findings, i);

        ck_assert_int_eq(finding->severity, FINDING_FATAL);
        g_string_append_printf(ids, "%s%s", i > 0 ? " " : "", finding->id);
        ck_assert_ptr_null(strstr(finding->text, "pid"));
        ck_assert_ptr_nonnull(strstr(finding->private_text, "pid 812 "));
    }
    return g_string_free(g_steal_pointer(&ids), FALSE);
}

static const struct {
    pid_t pid;
    bool block;
    unsigned ma, mi;
    bool locks_shared;
    const char *ids;
} opened[] = {
    { 812, true, 259, 0, false, "export:nvme0n1@0000:00:04.0" },
    { 812, true, 259, 1, false, "export:nvme0n1p1@0000:00:04.0" },
    { 812, false, 240, 0, false, "export:nvme0@0000:00:04.0" },
    { 812, false, 259, 0, false, "" }, /* a character device of that number */
    { 812, true, 259, 7, false, "" },  /* another disk */
    { 812, true, 259, 0, true, "" },   /* udev takes a look */
    { 812, false, 240, 0, true, "export:nvme0@0000:00:04.0" },
};

START_TEST(open_nodes)
{
    g_autofree char *ids = NULL;

    files = g_new0(OpenFiles, 1);
    files->files = g_ptr_array_new_with_free_func(g_free);
    add_file(opened[_i].pid, opened[_i].block, makedev(opened[_i].ma, opened[_i].mi),
             opened[_i].locks_shared);
    ids = judge();
    ck_assert_str_eq(ids, opened[_i].ids);
    g_clear_pointer(&files, open_files_free);
}
END_TEST

/* udevd's worker has locked the disk, opens its partition, and runs ata_id, which opens the disk too. A
 * stranger does not look just because udevd does; this very process holds claims. */
START_TEST(udev_looks)
{
    g_autofree char *during = NULL, *with_stranger = NULL;

    scene_add_process(tree, 812, "dd", 1, "/");
    tree_write(tree, "proc/812/status", "Name:\tdd\nPPid:\t1\n");
    scene_add_process(tree, 701, "ata_id", 1, "/");
    tree_write(tree, "proc/701/status", "Name:\tata_id\nPPid:\t700\n");
    files = g_new0(OpenFiles, 1);
    files->files = g_ptr_array_new_with_free_func(g_free);
    add_file(700, true, makedev(259, 0), true);
    add_file(700, true, makedev(259, 1), false);
    add_file(701, true, makedev(259, 0), false);
    add_file(getpid(), true, makedev(259, 0), false);
    during = judge();
    ck_assert_str_eq(during, "");
    add_file(812, true, makedev(259, 1), false);
    with_stranger = judge();
    ck_assert_str_eq(with_stranger, "export:nvme0n1p1@0000:00:04.0");
    g_clear_pointer(&files, open_files_free);
}
END_TEST

/* A drive that another machine or a person on a console uses is still one that nobody here has mounted. */
START_TEST(signature_beside_an_export)
{
    scene_udev(tree, "259:1", "ID_FS_TYPE=xfs");
    add_namespace(NVMET "nqn.2026-01.example:a/namespaces/1", "/dev/nvme0n1", true);
    expect("export:nvmet/nqn.2026-01.example:a/1@nvme0n1 signature:xfs@nvme0n1p1");
}
END_TEST

/* --- the kernel's targets */

START_TEST(nvme_target)
{
    g_autoptr(GPtrArray) findings = NULL;
    const char *const one = NVMET "nqn.2026-01.example:a/namespaces/1";

    expect("");
    tree_mkdir(tree, NVMET);
    expect("");
    tree_mkdir(tree, NVMET "nqn.2026-01.example:a/namespaces");
    expect("");
    add_namespace(one, "/dev/nvme0n1p1", false);
    expect("");
    add_namespace(one, "/dev/nvme0n1p1", true);
    findings = scene_expect(tree, nvme, ALL, "export:nvmet/nqn.2026-01.example:a/1@nvme0n1p1");
    ck_assert_int_eq(((Finding *) findings->pdata[0])->severity, FINDING_FATAL);
    /* Another disk. */
    scene_add_child(tree, "sys/devices/pci0000:00/0000:00:05.0/block/sda", "block", "8:0");
    add_namespace(one, "/dev/sda", true);
    expect("");
    tree_remove(tree, NVMET "nqn.2026-01.example:a");
    expect("");
}
END_TEST

/* The administrator named the disk by one of its links; a file lies on a file system that is mounted. */
START_TEST(nvme_target_by_another_name)
{
    tree_link(tree, "dev/disk/by-id/nvme-QEMU_1", "dev/nvme0n1");
    tree_write(tree, "srv/image", "");
    add_namespace(NVMET "a/namespaces/1", "/dev/disk/by-id/nvme-QEMU_1", true);
    add_namespace(NVMET "a/namespaces/2", "/srv/image", true);
    expect("export:nvmet/a/1@nvme0n1");
}
END_TEST

/* The node says which controller it is, here with the number of /dev/null. */
START_TEST(nvme_target_pass_through)
{
    g_autofree char *dev = g_strconcat(nvme, "/nvme/nvme0/dev", NULL);

    tree_write(tree, dev, "1:3\n");
    tree_mkdir(tree, "dev");
    ck_assert_int_eq(symlinkat("/dev/null", tree->fd, "dev/nvme0"), 0);
    ck_assert_int_eq(symlinkat("/dev/zero", tree->fd, "dev/nvme1"), 0);
    add_namespace(NVMET "a/passthru", "/dev/nvme1", true);
    expect("");
    add_namespace(NVMET "a/passthru", "/dev/nvme0", false);
    expect("");
    add_namespace(NVMET "a/passthru", "/dev/nvme0", true);
    expect("export:nvmet/a/passthru@nvme0");
}
END_TEST

/* Something that is exported and cannot be found may be this disk. */
START_TEST(target_that_cannot_be_told)
{
    g_autoptr(GPtrArray) findings = NULL;

    add_namespace(NVMET "a/namespaces/1", "/dev/gone", true);
    findings =
        scene_expect(tree, nvme, ALL,
                     "unknown:/sys/kernel/config/nvmet/subsystems/a/namespaces/1/device_path@0000:00:04.0");
    ck_assert_int_eq(((Finding *) findings->pdata[0])->severity, FINDING_FATAL);
    ck_assert_ptr_nonnull(strstr(((Finding *) findings->pdata[0])->text, "/dev/gone"));
    tree_remove(tree, NVMET "a");
    tree_mkdir(tree, NVMET "a/namespaces/1/enable");
    expect("unknown:/sys/kernel/config/nvmet/subsystems/a/namespaces/1/enable@0000:00:04.0");
}
END_TEST

#define IBLOCK_INFO "Status: ACTIVATED  Max Queue Depth: 128  SectorSize: 512  HwMaxSectors: 256\n        "
#define FILEIO_INFO "Status: DEACTIVATED  Max Queue Depth: 128\n        TCM FILEIO ID: 0        File: "

/* Rows: backend, its attributes, the finding. */
static const struct {
    const char *device, *enable, *udev_path, *info, *ids;
} backends[] = {
    { "iblock_0/disk0", "1", "/dev/disk/by-id/that-is-gone",
      IBLOCK_INFO
      "iBlock device: nvme0n1  UDEV PATH: /dev/nvme0n1\n        Major: 259 Minor: 0  CLAIMED: IBLOCK",
      "export:target/iblock_0/disk0@nvme0n1" },
    { "iblock_0/disk0", "1", "/dev/nvme0n1",
      IBLOCK_INFO "iBlock device: sda  UDEV PATH: /dev/sda\n        Major: 8 Minor: 0  CLAIMED: IBLOCK",
      "" },
    { "iblock_0/disk0", "0", "/dev/nvme0n1", IBLOCK_INFO "Major: 0 Minor: 0", "" },
    { "fileio_0/disk1", "1", "", FILEIO_INFO "/dev/nvme0n1p1  Size: 1073741824  Mode: O_DSYNC Async: 0",
      "export:target/fileio_0/disk1@nvme0n1p1" },
    { "fileio_0/disk1", "1", "", FILEIO_INFO "/srv/an image  Size: 1073741824  Mode: O_DSYNC Async: 0", "" },
    { "pscsi_0/disk2", "1", "/dev/nvme0n1",
      "SCSI Device Bus Location: Channel ID: 0 Target ID: 0 LUN: 0 Host ID: 2",
      "export:target/pscsi_0/disk2@nvme0n1" },
    { "pscsi_0/disk2", NULL, "/dev/nvme0n1", "SCSI Device Bus Location: Channel ID: 0",
      "export:target/pscsi_0/disk2@nvme0n1" },
    { "pscsi_0/tape", "1", "", "SCSI Device Bus Location: Channel ID: 0",
      "unknown:/sys/kernel/config/target/core/pscsi_0/tape/udev_path@0000:00:04.0" },
    { "rd_mcp_0/ram", "1", "", "TCM RAMDISK ID: 0", "" },
    { "user_0/tcmu", "1", "/dev/nvme0n1", "Config: glfs", "" },
    { "alua/lu_gps", NULL, NULL, NULL, "" },
};

START_TEST(scsi_target)
{
    g_autofree char *folder = g_strconcat(TARGET, backends[_i].device, NULL);
    g_autofree char *hba = g_path_get_dirname(folder);

    tree_mkdir(tree, folder);
    tree_write(tree, "srv/an image", "");
    write_attribute(hba, "hba_info", "HBA Index: 1");
    if (backends[_i].enable)
        write_attribute(folder, "enable", backends[_i].enable);
    if (backends[_i].udev_path)
        write_attribute(folder, "udev_path", backends[_i].udev_path);
    if (backends[_i].info)
        write_attribute(folder, "info", backends[_i].info);
    expect(backends[_i].ids);
}
END_TEST

START_TEST(usb_gadget)
{
    write_attribute(GADGET "g1/functions/mass_storage.0/lun.0", "file", "");
    tree_mkdir(tree, GADGET "g1/functions/ecm.usb0");
    expect("");
    write_attribute(GADGET "g1/functions/mass_storage.0/lun.0", "file", "/dev/nvme0n1");
    expect("export:usb_gadget/g1/mass_storage.0/lun.0@nvme0n1");
}
END_TEST

/* A logical volume on the disk is exported: the disk's holder is what counts, the export is told. */
START_TEST(export_of_what_is_stacked_on_the_disk)
{
    scene_add_child(tree, "sys/devices/virtual/block/dm-0", "block", "253:0");
    tree_write(tree, "sys/devices/virtual/block/dm-0/dm/name", "vg0-lun\n");
    scene_hold(tree, "nvme0n1p1", "dm-0");
    add_namespace(NVMET "a/namespaces/1", "/dev/mapper/vg0-lun", true);
    expect("holder:vg0-lun@nvme0n1p1 export:nvmet/a/1@nvme0n1p1>vg0-lun");
}
END_TEST

/* A card without disks is not kept by what others export. */
START_TEST(not_a_disk)
{
    g_autofree char *card = tree_add_device(
        tree, &(TreeDevice){ .name = "0000:00:05.0", .class_code = 0x030000, .driver = "i915", .group = 8 });

    add_namespace(NVMET "a/namespaces/1", "/dev/gone", true);
    scene_expect_ids(tree, card, ALL, "unknown:class-030000@0000:00:05.0");
}
END_TEST

/* A tape is in use when somebody has it open, by whichever of its nodes; and by a target that names no node.
 */
START_TEST(tape_drive)
{
    g_autofree char *adapter = tree_add_device(
        tree,
        &(TreeDevice){ .name = "0000:00:05.0", .class_code = 0x010700, .driver = "mpt3sas", .group = 8 });
    g_autofree char *host = g_strconcat(adapter, "/host2/scsi_host/host2", NULL);
    g_autofree char *unit = g_strconcat(adapter, "/host2/target2:0:0/2:0:0:0", NULL);
    g_autofree char *tape = g_strconcat(unit, "/scsi_tape/nst0", NULL);

    scene_add_process(tree, 812, "tar", 1, "/");
    scene_add_child(tree, host, "scsi_host", NULL);
    scene_add_child(tree, unit, "scsi", NULL);
    scene_add_child(tree, tape, "scsi_tape", "1:3");
    scene_expect_ids(tree, adapter, ALL, "");
    scene_open(tree, 812, 3, "/dev/null");
    scene_expect_ids(tree, adapter, ALL, "below:2:0:0:0@0000:00:05.0 export:nst0@0000:00:05.0");
    tree_remove(tree, "proc/812");
    write_attribute(TARGET "pscsi_0/tape", "enable", "1");
    write_attribute(TARGET "pscsi_0/tape", "udev_path", "");
    write_attribute(TARGET "pscsi_0/tape", "info", "SCSI Device Bus Location: Channel ID: 0");
    scene_expect_ids(tree, adapter, ALL,
                     "unknown:/sys/kernel/config/target/core/pscsi_0/tape/udev_path@0000:00:05.0");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, open_nodes, 0, G_N_ELEMENTS(opened));
    tcase_add_test(tests, udev_looks);
    tcase_add_test(tests, signature_beside_an_export);
    tcase_add_test(tests, nvme_target);
    tcase_add_test(tests, nvme_target_by_another_name);
    tcase_add_test(tests, nvme_target_pass_through);
    tcase_add_test(tests, target_that_cannot_be_told);
    tcase_add_loop_test(tests, scsi_target, 0, G_N_ELEMENTS(backends));
    tcase_add_test(tests, usb_gadget);
    tcase_add_test(tests, export_of_what_is_stacked_on_the_disk);
    tcase_add_test(tests, not_a_disk);
    tcase_add_test(tests, tape_drive);
    return unit_run("findings-export", tests);
}
