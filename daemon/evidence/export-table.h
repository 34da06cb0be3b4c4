/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "block-table.h"
#include "device-node.h"

/*
 * Devices that a target in the kernel has open, as configfs shows it. A target leaves no descriptor, the
 * NVMe target and a SCSI target's file backend do not exclude others either: O_EXCL does not show them.
 *
 * - NVMe target: nvmet/subsystems/NQN/namespaces/ID and .../passthru, `device_path` once `enable` is 1
 *   (drivers/nvme/target/configfs.c). A namespace that is not enabled has nothing open.
 * - SCSI target: target/core/HBA/NAME of the iblock, pscsi and fileio backends, once `enable` is 1; `info`
 *   names the device or file, `udev_path` what the administrator gave
 *   (drivers/target/target_core_configfs.c). The ramdisk backend has no device, that of user space (tcmu) is
 *   a process with a descriptor.
 * - USB gadget: usb_gadget/NAME/functions/mass_storage.NAME/lun.N/file
 *   (drivers/usb/gadget/function/storage_common.c); set means open, whether or not a host is attached.
 *
 * Without configfs, or without the target's folder in it, there is no such target.
 */
typedef struct Export {
    char *object; /* where it stands: "nvmet/NQN/ID", "target/HBA/NAME", "usb_gadget/NAME/FUNCTION/LUN" */
    DeviceNode node;
} Export;

typedef struct ExportTable {
    GPtrArray *exports; /* Export; those of files, which lie on a mounted file system, are left out */
    GPtrArray *unread;  /* char *: what could not be read, or names no device, with the reason */
} ExportTable;

/* Reads the table. BLOCKS helps to find devices whose node is not there. Gaps are told in `unread`. */
ExportTable *export_table_read(int root_fd, const BlockTable *blocks);

void export_table_free(ExportTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExportTable, export_table_free)
