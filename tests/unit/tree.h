/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A private root made of plain directories, files and links that looks like /sys, /proc, /run and /etc do,
 * for code that takes a root fd. It does not answer as a kernel does: what is written stays as written.
 * Everything aborts on failure, so that tests need not check their own scenery. PATH never starts with a
 * slash.
 */
typedef struct Tree {
    char *path; /* of the root, below the folder for temporary files */
    int fd;     /* O_PATH, to be given as root_fd */
} Tree;

/* Makes an empty root with sys/devices, sys/kernel/iommu_groups, sys/class/iommu, proc, run/iommu-policy. */
Tree *tree_new(void);

/* Removes the root and all below it. Accepts NULL. */
void tree_free(Tree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tree, tree_free)

/* Makes the directory PATH and its parents; one that exists is fine. */
void tree_mkdir(Tree *tree, const char *path);

/*
 * Replaces the content of the file PATH, making its parents. TEXT is written as it is: attributes end with
 * "\n".
 */
void tree_write(Tree *tree, const char *path, const char *text);

/* The same with any bytes. */
void tree_write_bytes(Tree *tree, const char *path, const void *data, size_t size);

/* The content of the file PATH; NULL if there is none. The caller frees it. */
char *tree_read(Tree *tree, const char *path);

/*
 * Makes PATH a link to TARGET, a path below the root too, with the relative text sysfs would use. Replaces a
 * link.
 */
void tree_link(Tree *tree, const char *path, const char *target);

/* Removes PATH and all below it; it need not exist. */
void tree_remove(Tree *tree, const char *path);

typedef struct TreeDevice {
    const char *bus;       /* NULL: "pci" */
    const char *name;      /* "0000:00:04.0" */
    const char *parent;    /* below sys/devices: "pci0000:00/0000:00:05.0"; NULL: the bus's own */
    uint16_t vendor, device, subsystem_vendor, subsystem_device; /* of pci */
    uint32_t class_code;   /* of pci: 0x010802 */
    const char *driver;    /* NULL: not bound */
    int group;             /* below 0: none. Made with type "DMA" if it does not exist */
    const char *iommu;     /* name below sys/class/iommu; NULL: no link */
    const char *removable; /* NULL: no such attribute */
    const char *physfn;    /* SYSPATH of the physical function; NULL: not a virtual function */
} TreeDevice;

/*
 * Adds a device with the links and attributes that the kernel gives it. Returns its SYSPATH
 * ("sys/devices/..."); the caller frees it.
 */
char *tree_add_device(Tree *tree, const TreeDevice *device);

/*
 * Points the `driver` link of SYSPATH at DRIVER of its bus (made with bind and unbind if missing), or takes
 * it away.
 */
void tree_bind(Tree *tree, const char *syspath, const char *driver);

/* Adds group ID or changes its `type`; RESERVED may be NULL: the MSI window of x86. */
void tree_set_group(Tree *tree, unsigned id, const char *type, const char *reserved);

