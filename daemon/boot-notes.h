/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "early-note.h"

/*
 * What this boot's early passes have left, and what they tell of the next boot's: which devices they came
 * before, and with which rules. Follows the folder run/iommu-policy/early, as an image that is built anew
 * leaves its stamp there.
 */
typedef struct BootNotes BootNotes;

/* Called when what is there is another. */
typedef void (*BootNotesCallback)(void *userdata);

/*
 * Reads what is there: small files of a tmpfs, without waiting. What is not ours, cannot be understood, or
 * is of another boot is logged and counts as absent. Returns 0 with *ret owned by the caller; -errno if
 * the boot id cannot be read or there is no memory. Without a folder that can be followed, changes are not
 * told.
 */
int boot_notes_new(sd_event *event, int root_fd, BootNotesCallback callback, void *userdata,
                   BootNotes **ret);

/* The note of STAGE, borrowed until the next callback; NULL: that pass has left none. */
const EarlyNote *boot_notes_of(const BootNotes *notes, EarlyStage stage);

/*
 * The pass that will come before the driver of a device that has INODE and is bound now, if the next boot
 * goes as this one: EARLY_HOST if the host's pass has seen it without, else EARLY_INITRAMFS if that of the
 * initramfs has. _EARLY_STAGE_INVALID: none; its driver is built in, no pass was made, or it did nothing.
 */
EarlyStage boot_notes_stage_for(const BootNotes *notes, uint64_t inode);

/*
 * Whether the image that the next boot comes from has other rules than those of DIGEST: those of the image
 * that was built last, if one was built since the boot; else those that the pass in the initramfs has
 * read. False if neither is there: the initramfs has no part of ours.
 */
bool boot_notes_is_stale(const BootNotes *notes, const char *digest);

/* The command that builds the image anew: of the tool that has left the stamp, or that is installed.
 * Static. */
const char *boot_notes_rebuild_command(const BootNotes *notes);

/* Accepts NULL; returns NULL. */
BootNotes *boot_notes_free(BootNotes *notes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BootNotes, boot_notes_free)
