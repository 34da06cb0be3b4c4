/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "evidence.h"
#include "sysfs.h"

/* What a device is rather than who uses it: virtual functions, infrastructure. */

static void judge_virtual_functions(const Member *member, char **names, GPtrArray *findings)
{
    unsigned n = 0;

    for (char **name = names; *name; name++)
        n += g_str_has_prefix(*name, "virtfn") && g_ascii_isdigit((*name)[strlen("virtfn")]);
    if (n > 0)
        findings_add(findings, FINDING_VF, FINDING_ABSOLUTE, member->name, member->name, member->name,
                     "%s has %u virtual functions that would go with it; write 0 to /%s/sriov_numvfs first",
                     member->name, n, member->syspath);
}

/* Device links (Documentation/driver-api/device_link.rst): unbinding a supplier makes the kernel unbind its
 * consumers. */
static void judge_consumers(const Member *member, char **names, GPtrArray *findings)
{
    for (char **name = names; *name; name++)
        if (g_str_has_prefix(*name, "consumer:"))
            findings_add(findings, FINDING_UNKNOWN, FINDING_FATAL, member->name, *name, member->name,
                         "another device needs %s (%s) and its use cannot be judged; unbind that first",
                         member->name, *name);
}

static void judge_links(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(evidence->root_fd, member->syspath, &names);
    if (r < 0) {
        g_autofree char *source = g_strdup_printf("/%s: %s", member->syspath, g_strerror(-r));

        findings_add_unread(findings, member->name, source);
        return;
    }
    judge_virtual_functions(member, names, findings);
    judge_consumers(member, names, findings);
}

/* PCI classes (base class and subclass, include/linux/pci_ids.h) without which the machine does not go on:
 * returns their name, or NULL. */
static const char *infrastructure_class(uint32_t class_code)
{
    static const struct {
        uint32_t class;
        const char *name;
    } classes[] = {
        { 0x0800, "an interrupt controller" },
        { 0x0801, "a DMA controller" },
        { 0x0802, "a timer" },
        { 0x0803, "a clock" },
        { 0x0804, "a hot-plug controller" },
        { 0x0806, "an IOMMU" },
        { 0x0880, "a system peripheral" },
        { 0x0c07, "an IPMI interface" },
    };

    if (class_code == FACT_NO_ID)
        return NULL;
    if (class_code >> 16 == 0x06)
        return "a bridge";
    if (class_code >> 16 == 0x05)
        return "memory";
    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++)
        if (class_code >> 8 == classes[i].class)
            return classes[i].name;
    return NULL;
}

static const char *infrastructure_subsystem(const char *subsystem)
{
    static const struct {
        const char *subsystem, *name;
    } subsystems[] = {
        { "watchdog", "a watchdog" },    { "tpm", "a TPM" },      { "tpmrm", "a TPM" },
        { "ipmi", "an IPMI interface" }, { "rtc", "a clock" },    { "nd", "persistent memory" },
        { "dax", "persistent memory" },  { "cxl", "CXL memory" },
    };

    for (size_t i = 0; subsystem && i < G_N_ELEMENTS(subsystems); i++)
        if (strcmp(subsystem, subsystems[i].subsystem) == 0)
            return subsystems[i].name;
    return NULL;
}

static void add_infrastructure(const Member *member, const char *object, const char *what,
                               GPtrArray *findings)
{
    findings_add(findings, FINDING_INFRASTRUCTURE, FINDING_ABSOLUTE, member->name, object, member->name,
                 "%s is or holds %s, which this machine cannot do without; set the boot default instead",
                 member->name, what);
}

static void judge_infrastructure(const Member *member, GPtrArray *findings)
{
    const Device *device = member->device;
    const char *what = infrastructure_class(device->facts->class_code);

    if (device->facts->bridge)
        what = "a bridge";
    if (device->is_iommu)
        what = "an IOMMU";
    if (what)
        add_infrastructure(member, member->name, what, findings);
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        what = infrastructure_subsystem(descendant->subsystem);
        if (what)
            add_infrastructure(member, descendant->name, what, findings);
    }
    if (device->driver && !device->unbindable)
        findings_add(findings, FINDING_INFRASTRUCTURE, FINDING_ABSOLUTE, member->name, device->driver,
                     member->name,
                     "the driver %s of %s has no unbind (suppress_bind_attrs); set the boot default instead",
                     device->driver, member->name);
}

void findings_judge_shape(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    judge_links(evidence, member, findings);
    judge_infrastructure(member, findings);
}
