/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Whether an NVMe controller lives on after its driver was unbound. It does as long as anything at all holds
 * one of its nodes: a descriptor of a process, but also one on its way through a socket, or a user inside
 * the kernel. Its subsystem shows it: the link with the controller's name goes when the controller is freed,
 * the subsystem itself after that, with its last controller (drivers/nvme/host/core.c, nvme_free_ctrl();
 * subsystems exist since Linux 4.15).
 */
typedef struct NvmeController {
    char *name;         /* "nvme0" */
    char *subsystem;    /* "sys/devices/virtual/nvme-subsystem/nvme-subsys0" */
    uint64_t inode;     /* of the subsystem's directory: its name is given again */
    bool alone;         /* no other controller is in that subsystem */
} NvmeController;

void nvme_controller_free(NvmeController *controller);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NvmeController, nvme_controller_free)

/*
 * Lists the controllers below the device SYSPATH, which is bound, with their subsystems; one without (its
 * probe is on its way) is left out. Does not block. Returns 0 with a list that owns its elements, empty
 * where there is no NVMe; -errno of reading.
 */
int nvme_controllers_read(int root_fd, const char *syspath, GPtrArray **ret);

/* True if the kernel has not freed CONTROLLER yet. Does not block. */
bool nvme_controller_is_alive(int root_fd, const NvmeController *controller);
