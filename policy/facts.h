/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What a rule may ask of a device and of the host: plain values, filled by whoever read the device
 * (daemon/kernel/device.c) and borrowed by matching. A value that is not known *yet* is another thing than
 * one that is known to be absent: matching is three-valued.
 */

typedef enum Tristate {
    TRISTATE_NO = 0,
    TRISTATE_YES = 1,
    TRISTATE_UNKNOWN = 2,
} Tristate;

/* No such id: a platform device has no vendor, a bridge may have no subsystem id. */
#define FACT_NO_ID UINT32_MAX

typedef struct DeviceFacts {
    /* Early: known before a driver binds. Strings are owned; NULL is known-absent. */
    char *bus;            /* "pci", "platform", ... never NULL */
    char *name;           /* "0000:3b:00.0", never NULL */
    char *path;           /* below /sys/devices, without leading slash: "pci0000:00/0000:00:04.0" */
    uint32_t vendor, device;                     /* FACT_NO_ID: none */
    uint32_t subsystem_vendor, subsystem_device; /* FACT_NO_ID: none */
    uint32_t class_code;                         /* 24 bits, 0x010802; FACT_NO_ID: none */
    char *modalias;
    Tristate untrusted;        /* removable of the member, an ancestor or its PF, or an external-facing
                                * ancestor; unknown counts as untrusted where types are judged */
    Tristate virtual_function;
    uint32_t pf_vendor, pf_device; /* of the PF of a virtual function; FACT_NO_ID: none */
    char *iommu;               /* "intel", "amd", "smmu-v3", "virtio", ...; NULL: no IOMMU */
    Tristate reserved_direct;  /* has a `direct` reserved region; unknown until a worker has read it */

    bool foreseen;             /* a virtual function that is not there yet: name, path, subsystem ids and
                                * modalias are not known */

    /* Late: known once udev has processed the device, the driver once it has been bound. */
    bool driver_known;
    char *driver;              /* the last driver bound; kept while our own change runs */
    bool udev_known;           /* the next three are known; NULL then means known-absent */
    GHashTable *properties;    /* char * -> char *, owned */
    char **mac_addresses;      /* permanent addresses, lower case */
    char **serials;

    /* Not asked by rules, but needed to decide, or to be shown. */
    unsigned dma_mask_bits;    /* as the driver said that is, or was last seen, bound; 0: none has been */
    bool bridge;               /* a PCI bridge of any kind */
    bool manages_dma; /* bound to a driver that manages DMA itself (pcieport, vfio-pci, pci-stub, ...) */
} DeviceFacts;

/* Returns new facts with every id FACT_NO_ID and every Tristate TRISTATE_UNKNOWN; bus, name and path are
 * copied. */
DeviceFacts *device_facts_new(const char *bus, const char *name, const char *path);

/* Frees FACTS and all it owns; accepts NULL. */
void device_facts_free(DeviceFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceFacts, device_facts_free)

typedef struct HostFacts {
    char *architecture; /* as systemd's ConditionArchitecture= spells it: "x86-64", "arm64", "ppc64-le" */
    char **kernel_command_line; /* words of /proc/cmdline */
    unsigned memory_bits;       /* how many bits the address of the last byte of RAM has; 0: not known */
} HostFacts;

HostFacts *host_facts_new(const char *architecture, const char *command_line);
void host_facts_free(HostFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostFacts, host_facts_free)
