/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "autoprobe-record.h"
#include "device.h"
#include "file-watch.h"

/*
 * sriov_drivers_autoprobe of one physical function, while a 0 of ours may stand in it, and the record that
 * says so. The record is written before the 0, and removed after what was there is back.
 */
typedef struct AutoprobeSetting {
    int root_fd;       /* borrowed */
    FileWatch *files;  /* borrowed */
    void *file;        /* what FILES is to tell of the setting */
    char *key, *bus, *name;
    uint64_t inode;
    int fd;            /* folder of the physical function */
    bool ours;         /* the 0 there is ours */
    int watch;         /* of the setting: only while it is ours, and begun after we have written it, so that
                        * what it tells is never our own write */
    AutoprobeRecord *record; /* as on disk, or NULL */
} AutoprobeSetting;

/* Fills RET for DEVICE at SYSPATH. While the setting is ours FILES tells IN_MODIFY with FILE, for
 * autoprobe_setting_written(). Returns 0; -ENODEV: the device is gone; -errno. RET is to be closed in any
 * case. */
int autoprobe_setting_open(AutoprobeSetting *ret, int root_fd, const char *syspath, const Device *device,
                           FileWatch *files, void *file);

/* Writes the record, with the virtual functions that are there, unless there is one, and then the 0. Returns
 * 0, or -errno: nothing is ours then, but a record may have been left. */
int autoprobe_setting_take(AutoprobeSetting *setting);

/* What an earlier daemon had taken, by its RECORD, which is owned from then on. */
void autoprobe_setting_inherit(AutoprobeSetting *setting, AutoprobeRecord *record);

/* Writes the 1 again, if the 0 is ours; the record stays. */
void autoprobe_setting_give_back(AutoprobeSetting *setting);

/* Removes the record. */
void autoprobe_setting_forget(AutoprobeSetting *setting);

/* Somebody else has written it. What the administrator writes is what is left behind. */
void autoprobe_setting_written(AutoprobeSetting *setting);

/* The device is gone, and its setting with it. */
void autoprobe_setting_gone(AutoprobeSetting *setting);

/* Names of the virtual functions that are there and not in the record; the caller frees. */
char **autoprobe_setting_list_new(const AutoprobeSetting *setting);

/* Gives it back; a record that was not forgotten stays, for who finds it. */
void autoprobe_setting_close(AutoprobeSetting *setting);
