/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>
#include <sys/utsname.h>

#include "boot-notes.h"
#include "tree.h"
#include "unit.h"

#define FOLDER "run/iommu-policy/early/"
#define BOOT_ID "4c0a1f5e-1f5c-4b52-a2f4-86a9ad3b8a35"
#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

typedef struct Scene {
    Tree *tree;
    sd_event *event;
    BootNotes *notes;
    unsigned told;
} Scene;

static void count(void *userdata)
{
    ((Scene *) userdata)->told++;
}

static Scene *scene_new(void)
{
    Scene *scene = g_new0(Scene, 1);

    (void) umask(022);
    scene->tree = tree_new();
    tree_write(scene->tree, "proc/sys/kernel/random/boot_id", BOOT_ID "\n");
    tree_write(scene->tree, "run/iommu-policy/daemon.lock", "");
    ck_assert_int_ge(sd_event_new(&scene->event), 0);
    return scene;
}

static void scene_free(Scene *scene)
{
    (void) boot_notes_free(scene->notes);
    sd_event_unref(scene->event);
    tree_free(scene->tree);
    g_free(scene);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

static void open_notes(Scene *scene)
{
    ck_assert_int_eq(boot_notes_new(scene->event, scene->tree->fd, count, scene, &scene->notes), 0);
}

/* As a pass with these rules leaves it, that has seen the devices INODE and INODE + 1 without a driver. */
static void leave_note(Scene *scene, EarlyStage stage, const char *digest, uint64_t inode,
                       const char *disabled)
{
    g_autoptr(EarlyNote) note = early_note_new();

    note->boot_id = g_strdup(BOOT_ID);
    note->digest = g_strdup(digest);
    note->disabled = g_strdup(disabled);
    for (uint64_t i = inode; i < inode + 2; i++)
        g_array_append_val(note->unbound, i);
    ck_assert_int_eq(early_note_write(scene->tree->fd, stage, note), 0);
}

static void leave_stamp(Scene *scene, const char *version, const char *rest)
{
    g_autofree char *text = g_strdup_printf("%s %s\n", version, rest);

    tree_write(scene->tree, FOLDER "image", text);
}

static char *kernel_release(void)
{
    struct utsname kernel;

    ck_assert_int_eq(uname(&kernel), 0);
    return g_strdup(kernel.release);
}

/* Until everything that has happened was told. */
static void run(Scene *scene)
{
    while (sd_event_run(scene->event, 0) > 0)
        ;
}

START_TEST(nothing_has_been_left)
{
    g_autoptr(Scene) scene = scene_new();

    open_notes(scene);
    ck_assert_ptr_null(boot_notes_of(scene->notes, EARLY_HOST));
    ck_assert_ptr_null(boot_notes_of(scene->notes, EARLY_INITRAMFS));
    ck_assert_int_eq(boot_notes_stage_for(scene->notes, 7), _EARLY_STAGE_INVALID);
    ck_assert(!boot_notes_is_stale(scene->notes, DIGEST_A));
}
END_TEST

START_TEST(which_pass_comes_before_the_driver)
{
    g_autoptr(Scene) scene = scene_new();

    leave_note(scene, EARLY_INITRAMFS, DIGEST_A, 6, NULL);
    leave_note(scene, EARLY_HOST, DIGEST_A, 7, NULL);
    open_notes(scene);
    ck_assert_int_eq(boot_notes_stage_for(scene->notes, 5), _EARLY_STAGE_INVALID);
    ck_assert_int_eq(boot_notes_stage_for(scene->notes, 6), EARLY_INITRAMFS);
    ck_assert_int_eq(boot_notes_stage_for(scene->notes, 7), EARLY_HOST);
    ck_assert_int_eq(boot_notes_stage_for(scene->notes, 8), EARLY_HOST);

    /* A pass that is switched off comes before nothing. */
    leave_note(scene, EARLY_HOST, DIGEST_A, 7, "iommu_policy=off is on the kernel command line");
    run(scene);
    ck_assert_uint_gt(scene->told, 0);
    ck_assert_ptr_nonnull(boot_notes_of(scene->notes, EARLY_HOST));
    ck_assert_int_eq(boot_notes_stage_for(scene->notes, 7), EARLY_INITRAMFS);
    ck_assert_int_eq(boot_notes_stage_for(scene->notes, 8), _EARLY_STAGE_INVALID);
}
END_TEST

START_TEST(stale_until_the_image_is_made_anew)
{
    g_autoptr(Scene) scene = scene_new();
    g_autofree char *release = kernel_release();

    /* The host's pass says nothing of the initramfs. */
    leave_note(scene, EARLY_HOST, DIGEST_B, 7, NULL);
    open_notes(scene);
    ck_assert(!boot_notes_is_stale(scene->notes, DIGEST_A));
    leave_note(scene, EARLY_INITRAMFS, DIGEST_A, 7, NULL);
    run(scene);
    ck_assert(!boot_notes_is_stale(scene->notes, DIGEST_A));
    ck_assert(boot_notes_is_stale(scene->notes, DIGEST_B));

    /* An image for another kernel does not change this. */
    leave_stamp(scene, "1.2.3", DIGEST_B);
    run(scene);
    ck_assert(boot_notes_is_stale(scene->notes, DIGEST_B));
    scene->told = 0;
    leave_stamp(scene, release, DIGEST_B);
    run(scene);
    ck_assert_uint_gt(scene->told, 0);
    ck_assert(!boot_notes_is_stale(scene->notes, DIGEST_B));
    ck_assert(boot_notes_is_stale(scene->notes, DIGEST_A));
}
END_TEST

START_TEST(a_hook_that_was_installed_after_the_boot)
{
    g_autoptr(Scene) scene = scene_new();
    g_autofree char *release = kernel_release();

    open_notes(scene);
    leave_stamp(scene, release, DIGEST_A);
    run(scene);
    ck_assert(!boot_notes_is_stale(scene->notes, DIGEST_A));
    ck_assert(boot_notes_is_stale(scene->notes, DIGEST_B));
}
END_TEST

START_TEST(the_command)
{
    g_autoptr(Scene) scene = scene_new();
    g_autofree char *release = kernel_release();

    open_notes(scene);
    ck_assert_str_eq(boot_notes_rebuild_command(scene->notes), "update-initramfs -u");
    tree_write(scene->tree, "usr/bin/dracut", "");
    ck_assert_int_eq(fchmodat(scene->tree->fd, "usr/bin/dracut", 0755, 0), 0);
    leave_stamp(scene, release, DIGEST_A);
    run(scene);
    ck_assert_str_eq(boot_notes_rebuild_command(scene->notes), "dracut --force");
    /* The tool says it itself, where several are installed. */
    leave_stamp(scene, release, DIGEST_A " initramfs-tools");
    run(scene);
    ck_assert_str_eq(boot_notes_rebuild_command(scene->notes), "update-initramfs -u");
    leave_stamp(scene, release, DIGEST_A " a-tool-of-tomorrow and more");
    run(scene);
    ck_assert_str_eq(boot_notes_rebuild_command(scene->notes), "dracut --force");
    ck_assert(!boot_notes_is_stale(scene->notes, DIGEST_A));
}
END_TEST

START_TEST(what_is_not_sound_does_not_count)
{
    static const char *const stamps[] = {
        "", "\n", "x", " " DIGEST_A "\n", "1.2.3\n", "1.2.3 abc\n", "1.2.3 " DIGEST_A,
        "1.2.3 " DIGEST_A "\n\n",
    };
    g_autoptr(Scene) scene = scene_new();
    g_autofree char *release = kernel_release();

    leave_note(scene, EARLY_INITRAMFS, DIGEST_A, 7, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(stamps); i++) {
        g_auto(GStrv) parts = g_strsplit(stamps[i], "1.2.3", -1);
        g_autofree char *text = g_strjoinv(release, parts);

        tree_write(scene->tree, FOLDER "image", text);
        scene->notes = boot_notes_free(scene->notes);
        open_notes(scene);
        ck_assert_msg(!boot_notes_is_stale(scene->notes, DIGEST_A), "stamp %zu", i);
    }
    tree_write(scene->tree, FOLDER "initramfs", "iommu-policy-early=1\nnonsense\n");
    tree_write(scene->tree, FOLDER "host", "");
    run(scene);
    ck_assert_ptr_null(boot_notes_of(scene->notes, EARLY_INITRAMFS));
    ck_assert_ptr_null(boot_notes_of(scene->notes, EARLY_HOST));
    ck_assert(!boot_notes_is_stale(scene->notes, DIGEST_B));
}
END_TEST

START_TEST(of_another_boot)
{
    g_autoptr(Scene) scene = scene_new();

    leave_note(scene, EARLY_HOST, DIGEST_A, 7, NULL);
    tree_write(scene->tree, "proc/sys/kernel/random/boot_id", "5c0a1f5e-1f5c-4b52-a2f4-86a9ad3b8a35\n");
    open_notes(scene);
    ck_assert_ptr_null(boot_notes_of(scene->notes, EARLY_HOST));
    ck_assert_int_eq(boot_notes_stage_for(scene->notes, 7), _EARLY_STAGE_INVALID);
}
END_TEST

/* What writers have on their way is not looked at. */
START_TEST(only_what_is_ours_wakes)
{
    g_autoptr(Scene) scene = scene_new();

    open_notes(scene);
    tree_write(scene->tree, FOLDER ".image", "half");
    tree_write(scene->tree, FOLDER "other", "");
    run(scene);
    ck_assert_uint_eq(scene->told, 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("boot-notes");

    tcase_add_test(cases, nothing_has_been_left);
    tcase_add_test(cases, which_pass_comes_before_the_driver);
    tcase_add_test(cases, stale_until_the_image_is_made_anew);
    tcase_add_test(cases, a_hook_that_was_installed_after_the_boot);
    tcase_add_test(cases, the_command);
    tcase_add_test(cases, what_is_not_sound_does_not_count);
    tcase_add_test(cases, of_another_boot);
    tcase_add_test(cases, only_what_is_ours_wakes);
    return unit_run("boot-notes", cases);
}
