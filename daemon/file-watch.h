/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * Tells what is done to files, by inotify(7). sd_event_add_inotify_fd(3) does so for one file; it keeps each
 * file open until the loop turns, and there are more groups than a process may have files open.
 */
typedef struct FileWatch FileWatch;

/* FILE is what file_watch_add() was given, MASK what was done to it. Where events were lost it is called for
 * every file, with IN_Q_OVERFLOW. It may add and remove watches. */
typedef void (*FileWatchCallback)(void *file, uint32_t mask, void *userdata);

/* PRIORITY: of its source in the loop. Returns 0 with *ret owned by the caller, or -errno. */
int file_watch_new(sd_event *event, int64_t priority, FileWatchCallback callback, void *userdata,
                   FileWatch **ret);

/*
 * Watches PATH below DIR_FD for MASK (IN_OPEN, IN_MODIFY, ...) from now on. The same file added again has
 * its mask replaced. The watch ends by itself when the file is gone. FILE is borrowed, and not looked at.
 * Returns the number of the watch, which is not given again, for file_watch_remove(); or -errno.
 */
int file_watch_add(FileWatch *watch, int dir_fd, const char *path, uint32_t mask, void *file);

/* Ends the watch NUMBER. What was done to the file before and is not told yet is not told any more. */
void file_watch_remove(FileWatch *watch, int number);

FileWatch *file_watch_free(FileWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FileWatch, file_watch_free)
