/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot-notes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cleanup.h"
#include "iommu-policy-names.h"
#include "log.h"
#include "record-file.h"

#define STAMP_SIZE_MAX 1024u
#define DIGEST_LENGTH 64u

/* The tools that make images, by the words that they leave in the stamp. */
static const struct {
    const char *word;
    const char *program; /* whose presence tells where no stamp does */
    const char *command;
} builders[] = {
    { "initramfs-tools", "usr/sbin/update-initramfs", "update-initramfs -u" },
    { "dracut", "usr/bin/dracut", "dracut --force" },
};

struct BootNotes {
    int root_fd;
    char *boot_id;
    EarlyNote *of[_EARLY_STAGE_MAX];
    GHashTable *unbound[_EARLY_STAGE_MAX]; /* set of inodes (gint64), NULL without a note */
    char *stamp_digest;                    /* of an image that was built since the boot, or NULL */
    const char *command;                   /* never NULL */
    sd_event_source *source;
    BootNotesCallback callback;
    void *userdata;
};

/* --- notes */

static GHashTable *set_of_inodes(const EarlyNote *note)
{
    GHashTable *set = g_hash_table_new(g_int64_hash, g_int64_equal);

    for (guint i = 0; i < note->unbound->len; i++)
        g_hash_table_add(set, &g_array_index(note->unbound, uint64_t, i));
    return set;
}

static void read_note(BootNotes *notes, EarlyStage stage)
{
    g_autoptr(EarlyNote) note = NULL;
    g_autofree char *error = NULL;
    const char *name = early_stage_to_string(stage);
    int r = early_note_load(notes->root_fd, stage, &note, &error);

    g_clear_pointer(&notes->unbound[stage], g_hash_table_unref);
    g_clear_pointer(&notes->of[stage], early_note_free);
    if (r == -ENOENT)
        return;
    if (r < 0) {
        log_warning("what the early pass (%s) has left cannot be read, and does not count: %s", name,
                    error ?: g_strerror(-r));
        return;
    }
    if (g_strcmp0(note->boot_id, notes->boot_id) != 0) {
        log_notice("what the early pass (%s) has left is of another boot, and does not count", name);
        return;
    }
    if (!note->disabled)
        notes->unbound[stage] = set_of_inodes(note);
    notes->of[stage] = g_steal_pointer(&note);
}

/* --- the stamp */

static bool is_digest(const char *text)
{
    return strlen(text) == DIGEST_LENGTH && strspn(text, "0123456789abcdef") == DIGEST_LENGTH;
}

static const char *installed_command(const BootNotes *notes)
{
    for (size_t i = 0; i < G_N_ELEMENTS(builders); i++)
        if (faccessat(notes->root_fd, builders[i].program, X_OK, 0) >= 0)
            return builders[i].command;
    return builders[0].command;
}

static const char *command_of(const BootNotes *notes, const char *word)
{
    for (size_t i = 0; word && i < G_N_ELEMENTS(builders); i++)
        if (g_str_equal(word, builders[i].word))
            return builders[i].command;
    return installed_command(notes);
}

/* "VERSION DIGEST", and perhaps the tool; words that a later hook adds are passed over. What is not of the
 * kernel that runs says nothing about this machine's next boot. */
static int take_stamp(BootNotes *notes, const char *data, size_t size)
{
    g_autofree char *text = g_strndup(data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_auto(GStrv) words = g_strsplit(lines[0] ?: "", " ", -1);
    struct utsname kernel;

    if (strlen(text) != size || g_strv_length(lines) != 2 || *lines[1] || g_strv_length(words) < 2 ||
        !is_digest(words[1]))
        return -EBADMSG;
    if (uname(&kernel) < 0 || !g_str_equal(words[0], kernel.release))
        return -ESTALE;
    notes->stamp_digest = g_strdup(words[1]);
    notes->command = command_of(notes, words[2]);
    return 0;
}

static void read_stamp(BootNotes *notes)
{
    g_autofree char *text = NULL, *error = NULL;
    size_t size;
    int r = record_file_load(notes->root_fd, IOMMU_POLICY_EARLY_DIR, IOMMU_POLICY_EARLY_STAMP,
                             STAMP_SIZE_MAX, &text, &size, &error);

    g_clear_pointer(&notes->stamp_digest, g_free);
    notes->command = installed_command(notes);
    if (r >= 0)
        r = take_stamp(notes, text, size);
    if (r < 0 && r != -ENOENT && r != -ESTALE)
        log_warning("the stamp of a new initramfs cannot be read, and does not count: %s",
                    error ?: r == -EBADMSG ? "not a version and a digest" : g_strerror(-r));
}

/* --- changes */

static void read_all(BootNotes *notes)
{
    for (EarlyStage stage = 0; stage < _EARLY_STAGE_MAX; stage++)
        read_note(notes, stage);
    read_stamp(notes);
}

static bool is_of_interest(const struct inotify_event *event)
{
    if (event->len == 0)
        return (event->mask & IN_Q_OVERFLOW) != 0;
    return g_str_equal(event->name, IOMMU_POLICY_EARLY_STAMP) ||
        g_str_equal(event->name, early_stage_to_string(EARLY_INITRAMFS)) ||
        g_str_equal(event->name, early_stage_to_string(EARLY_HOST));
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
    BootNotes *notes = userdata;

    if (!is_of_interest(event))
        return 0;
    read_all(notes);
    notes->callback(notes->userdata);
    return 0;
}

/* The folder is made, as a hook may be the first that leaves something there. */
static int follow_folder(BootNotes *notes, sd_event *event)
{
    _cleanup_close_ int fd = -EBADF;

    if (mkdirat(notes->root_fd, IOMMU_POLICY_EARLY_DIR, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(notes->root_fd, IOMMU_POLICY_EARLY_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return sd_event_add_inotify_fd(event, &notes->source, fd, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE,
                                   on_change, notes);
}

int boot_notes_new(sd_event *event, int root_fd, BootNotesCallback callback, void *userdata,
                   BootNotes **ret)
{
    g_autoptr(BootNotes) notes = g_new0(BootNotes, 1);
    int r;

    notes->root_fd = root_fd;
    notes->callback = callback;
    notes->userdata = userdata;
    r = record_boot_id(root_fd, &notes->boot_id);
    if (r < 0)
        return r;
    /* First, so that nothing falls between. */
    r = follow_folder(notes, event);
    if (r < 0)
        log_notice("/" IOMMU_POLICY_EARLY_DIR
                   " is not followed: a new initramfs is seen after a restart: %s", g_strerror(-r));
    read_all(notes);
    *ret = g_steal_pointer(&notes);
    return 0;
}

/* --- what it tells */

const EarlyNote *boot_notes_of(const BootNotes *notes, EarlyStage stage)
{
    return notes->of[stage];
}

EarlyStage boot_notes_stage_for(const BootNotes *notes, uint64_t inode)
{
    static const EarlyStage stages[] = { EARLY_HOST, EARLY_INITRAMFS };

    for (size_t i = 0; i < G_N_ELEMENTS(stages); i++)
        if (notes->unbound[stages[i]] && g_hash_table_contains(notes->unbound[stages[i]], &inode))
            return stages[i];
    return _EARLY_STAGE_INVALID;
}

bool boot_notes_is_stale(const BootNotes *notes, const char *digest)
{
    const EarlyNote *note = notes->of[EARLY_INITRAMFS];
    const char *image = notes->stamp_digest ?: note ? note->digest : NULL;

    return image && !g_str_equal(image, digest);
}

const char *boot_notes_rebuild_command(const BootNotes *notes)
{
    return notes->command;
}

BootNotes *boot_notes_free(BootNotes *notes)
{
    if (!notes)
        return NULL;
    CLEAR_SOURCE(notes->source);
    for (EarlyStage stage = 0; stage < _EARLY_STAGE_MAX; stage++) {
        g_clear_pointer(&notes->unbound[stage], g_hash_table_unref);
        g_clear_pointer(&notes->of[stage], early_note_free);
    }
    g_free(notes->stamp_digest);
    g_free(notes->boot_id);
    g_free(notes);
    return NULL;
}
