/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "evidence.h"

/*
 * What cannot be judged is in use. A member counts as judged if judge_class() knows its class and each
 * device below it belongs to a subsystem whose use is seen elsewhere (disks, interfaces, owners, open nodes)
 * or that has no use of its own.
 */

/* With a list of drivers only these lead to devices that are judged themselves. */
typedef struct JudgedSubsystem {
    const char *name;
    const char *const *drivers;
} JudgedSubsystem;

static const char *const virtio_drivers[] = { "virtio_blk",   "virtio_gpu",  "virtio_input", "virtio_net",
                                              "virtio_scsi", "virtio_snd", NULL };
static const char *const scsi_drivers[] = { "sd", "sr", "ses", "st", "ch", NULL };
static const char *const mmc_drivers[] = { "mmcblk", NULL };
static const char *const usb_switch_drivers[] = { "intel_xhci_usb_sw", NULL };
/* They make interfaces and RDMA devices, which are judged, below the PCI device itself. */
static const char *const auxiliary_drivers[] = { "bnxt_re.rdma",  "irdma.gen_1",       "irdma.gen_2",
                                                 "mana_ib.rdma",  "mlx5_core.eth",     "mlx5_core.eth-rep",
                                                 "mlx5_ib.rdma",  "mlx5_ib.multiport", "mlx5_ib.rep",
                                                 NULL };

static const JudgedSubsystem judged_subsystems[] = {
    /* disks and the way to them */
    { "block" }, { "bdi" }, { "nvme" }, { "nvme-generic" }, { "nvme-subsystem" }, { "scsi", scsi_drivers },
    { "scsi_device" }, { "scsi_disk" }, { "scsi_generic" }, { "scsi_host" }, { "bsg" }, { "enclosure" },
    { "ata_port" }, { "ata_link" }, { "ata_device" }, { "sas_host" }, { "sas_phy" }, { "sas_port" },
    { "sas_device" }, { "sas_end_device" }, { "sas_expander" }, { "mmc", mmc_drivers }, { "mmc_host" },
    { "mmc_rpmb" }, { "scsi_tape" }, { "scsi_changer" },
    /* interfaces, and what a card has beside them */
    { "net" }, { "ptp" }, { "pps" }, { "mdio_bus" }, { "i2c-adapter" }, { "i2c" }, { "i2c-dev" },
    { "ieee80211" }, { "rfkill" }, { "infiniband" }, { "infiniband_mad" }, { "infiniband_srp" },
    { "infiniband_verbs" },
    /* what people see, hear and touch, and what is there for it alone */
    { "drm" }, { "graphics" }, { "backlight" }, { "drm_dp_aux_dev" }, { "input" }, { "hid" }, { "hidraw" },
    { "usbmisc" }, { "sound" }, { "ac97" }, { "hdaudio" },
    /* owners */
    { "vfio-dev" }, { "uio" }, { "mdev" }, { "vdpa" },
    /* nobody uses these alone */
    { "hwmon" }, { "thermal" }, { "wakeup" }, { "leds" }, { "nvmem" }, { "pci_express" },
    { "power_supply" }, { "serial-base" }, { "usbmon" }, { "usb_role" }, { "platform", usb_switch_drivers },
    { "virtio", virtio_drivers }, { "auxiliary", auxiliary_drivers },
};

/*
 * A USB interface is used through what its driver makes of it: a disk, a network interface, a sound card,
 * which the interface that came first has for all of one device. A driver that shows nothing, or a program
 * that drives it (usbfs), cannot be judged.
 */
static bool usb_is_judged(const Member *member, const Descendant *interface)
{
    static const char *const of_devices[] = { "usb", "hub", NULL };
    g_autofree char *device = g_path_get_dirname(interface->path);
    size_t n = strlen(device);

    if (!interface->driver || g_strv_contains(of_devices, interface->driver))
        return true;
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *other = g_ptr_array_index(member->descendants, i);

        if (other->subsystem && !descendant_is(other, "usb") && strncmp(other->path, device, n) == 0 &&
            other->path[n] == '/')
            return true;
    }
    return false;
}

static bool is_judged(const Member *member, const Descendant *descendant)
{
    if (descendant_is(descendant, "usb"))
        return usb_is_judged(member, descendant);
    for (size_t i = 0; i < G_N_ELEMENTS(judged_subsystems); i++) {
        const JudgedSubsystem *judged = &judged_subsystems[i];

        if (strcmp(descendant->subsystem, judged->name) == 0)
            return !judged->drivers || !descendant->driver ||
                   g_strv_contains(judged->drivers, descendant->driver);
    }
    return false;
}

/* Users of an unknown InfiniBand interface would be a fatal finding; the rest that is not judged, a
 * disruptive one. */
static void judge_descendants(const Member *member, GPtrArray *findings)
{
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);
        bool is_infiniband;

        if (!descendant->subsystem || is_judged(member, descendant) ||
            descendant_is_infrastructure(descendant))
            continue;
        is_infiniband = g_str_has_prefix(descendant->subsystem, "infiniband");
        findings_add(findings, FINDING_UNKNOWN, is_infiniband ? FINDING_FATAL : FINDING_DISRUPTIVE,
                     member->name, descendant->subsystem, member->name,
                     "the use of %s below %s (%s) cannot be judged; stop what uses it and allow this",
                     descendant->name, member->name, descendant->subsystem);
    }
}

static bool has_any(const Member *member, const char *const *subsystems)
{
    for (; *subsystems; subsystems++)
        if (descendants_have(member->descendants, *subsystems))
            return true;
    return false;
}

static void add_unknown_class(const Member *member, GPtrArray *findings)
{
    uint32_t class_code = member->device->facts->class_code;
    g_autofree char *object = class_code == FACT_NO_ID ? g_strdup("no-class")
                                                       : g_strdup_printf("class-%06x", class_code);

    findings_add(findings, FINDING_UNKNOWN, FINDING_DISRUPTIVE, member->name, object, member->name,
                 "the use of %s (driver %s) cannot be judged; stop what uses it and allow this",
                 member->name, member->device->driver);
}

static void judge_class(const Member *member, GPtrArray *findings)
{
    static const char *const storage[] = { "block",  "nvme",     "scsi_host", "ata_port",
                                           "virtio", "mmc_host", NULL };
    static const char *const display[] = { "drm", "graphics", NULL }, *const sound[] = { "sound", NULL };
    static const char *const input[] = { "input", NULL }, *const usb[] = { "usb", NULL };
    static const char *const rdma[] = { "infiniband", NULL };
    static const char *const any[] = { "block", "net", "drm", "graphics", "sound", "input", "usb", NULL };
    uint32_t class_code = member->device->facts->class_code;
    bool is_judged_class;

    switch (class_code == FACT_NO_ID ? class_code : class_code >> 16) {
    case 0x02: /* network: what has no interface may have it in another namespace, which says more */
        return;
    case 0x05: /* memory, bridges, system peripherals: infrastructure, which says more */
    case 0x06:
    case 0x08:
        return;
    case 0x01:
        is_judged_class = has_any(member, storage);
        break;
    case 0x03:
        is_judged_class = has_any(member, display);
        break;
    case 0x04:
        is_judged_class = has_any(member, sound);
        break;
    case 0x09:
        is_judged_class = has_any(member, input);
        break;
    case 0x0c: /* serial buses: USB by what is plugged in, InfiniBand, IPMI as infrastructure */
        is_judged_class = class_code >> 8 == 0x0c07 ||
                          (class_code >> 8 == 0x0c03 && has_any(member, usb)) ||
                          (class_code >> 8 == 0x0c06 && has_any(member, rdma));
        break;
    case FACT_NO_ID:
        is_judged_class = has_any(member, any);
        break;
    default:
        is_judged_class = false;
    }
    if (!is_judged_class)
        add_unknown_class(member, findings);
}

void findings_judge_unknown(const Member *member, GPtrArray *findings)
{
    if (!member->device->driver)
        return;
    judge_descendants(member, findings);
    if (!member_is_for_user_space(member))
        judge_class(member, findings);
}
