/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "crypto-engine.h"
#include "evidence.h"
#include "sysfs.h"

/*
 * What the machine itself works with: "infrastructure:MEMBER@MEMBER" for a member of such a class,
 * "infrastructure:CHILD@MEMBER" for one that holds such a device, "infrastructure:DRIVER@MEMBER" for a
 * driver that cannot be unbound or that watches the memory, "infrastructure:crypto/ALGORITHM@MEMBER" for an
 * engine that ciphers for somebody now.
 */

#define BASE_CLASS_STORAGE 0x01

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
        { "watchdog", "a watchdog" },         { "tpm", "a TPM" },      { "tpmrm", "a TPM" },
        { "ipmi", "an IPMI interface" },      { "rtc", "a clock" },    { "nd", "persistent memory" },
        { "dax", "persistent memory" },       { "cxl", "CXL memory" }, { "iommu", "an IOMMU" },
        { "edac", "memory error detection" },
    };

    for (size_t i = 0; subsystem && i < G_N_ELEMENTS(subsystems); i++)
        if (strcmp(subsystem, subsystems[i].subsystem) == 0)
            return subsystems[i].name;
    return NULL;
}

/* The first watchdog has, beside its own device, an old one of a class of odds and ends
 * (drivers/watchdog/watchdog_dev.c). */
static const char *infrastructure_child(const Descendant *descendant)
{
    if (descendant_is(descendant, "misc") && strcmp(descendant->name, "watchdog") == 0)
        return "a watchdog";
    return infrastructure_subsystem(descendant->subsystem);
}

bool descendant_is_infrastructure(const Descendant *descendant)
{
    return infrastructure_child(descendant);
}

static void add_infrastructure(const Member *member, const char *object, const char *what,
                               GPtrArray *findings)
{
    findings_add(findings, FINDING_INFRASTRUCTURE, FINDING_ABSOLUTE, member->name, object, member->name,
                 "%s is or holds %s, which this machine cannot do without; set the boot default instead",
                 member->name, what);
}

static void judge_children(const Member *member, GPtrArray *findings)
{
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);
        const char *what = infrastructure_child(descendant);

        /* An IOMMU's own function is one by itself. */
        if (what && !(member->device->is_iommu && descendant_is(descendant, "iommu")))
            add_infrastructure(member, descendant->name, what, findings);
    }
}

static void judge_driver(const Member *member, GPtrArray *findings)
{
    const Device *device = member->device;

    if (!device->driver)
        return;
    if (!device->unbindable)
        findings_add(findings, FINDING_INFRASTRUCTURE, FINDING_ABSOLUTE, member->name, device->driver,
                     member->name,
                     "the driver %s of %s has no unbind (suppress_bind_attrs); set the boot default instead",
                     device->driver, member->name);
    /* What these make lies below /sys/devices/system/edac, not below the device
     * (drivers/edac/edac_mc_sysfs.c): the driver's name tells ("igen6_edac", "synps-edac"). */
    if (strstr(device->driver, "edac"))
        add_infrastructure(member, device->driver, "memory error detection", findings);
}

/* Adds the module of DRIVER, which may have none. */
static void add_module(int root_fd, const char *bus, const char *driver, GPtrArray *modules)
{
    g_autofree char *link = NULL;
    char *module;

    if (!bus || !driver)
        return;
    link = g_strdup_printf("sys/bus/%s/drivers/%s/module", bus, driver);
    if (sysfs_link_name(root_fd, link, &module) >= 0)
        g_ptr_array_add(modules, module);
}

/* A disk's or an HBA's driver ciphers for nobody. */
static void judge_crypto(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    g_autoptr(GPtrArray) modules = g_ptr_array_new_with_free_func(g_free), algorithms = NULL;
    const DeviceFacts *facts = member->device->facts;
    int r;

    if (facts->class_code != FACT_NO_ID && facts->class_code >> 16 == BASE_CLASS_STORAGE)
        return;
    add_module(evidence->root_fd, facts->bus, member->device->driver, modules);
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        add_module(evidence->root_fd, descendant->subsystem, descendant->driver, modules);
    }
    if (modules->len == 0)
        return;
    g_ptr_array_add(modules, NULL);
    r = crypto_engine_algorithms_in_use(evidence->root_fd, (char **) modules->pdata, &algorithms);
    if (r < 0) {
        g_autofree char *source = g_strdup_printf("/proc/crypto: %s", g_strerror(-r));

        findings_add_unread(findings, member->name, source);
    }
    for (unsigned i = 0; algorithms && i < algorithms->len; i++) {
        const char *algorithm = g_ptr_array_index(algorithms, i);
        g_autofree char *object = g_strdup_printf("crypto/%s", algorithm);

        findings_add(findings, FINDING_INFRASTRUCTURE, FINDING_ABSOLUTE, member->name, object, member->name,
                     "%s or one of its kind ciphers for somebody (%s in /proc/crypto); stop that first "
                     "(dm-crypt, IPsec)",
                     member->name, algorithm);
    }
}

void findings_judge_infrastructure(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    const Device *device = member->device;
    const char *what = infrastructure_class(device->facts->class_code);

    if (device->facts->bridge)
        what = "a bridge";
    if (device->is_iommu)
        what = "an IOMMU";
    if (what)
        add_infrastructure(member, member->name, what, findings);
    judge_children(member, findings);
    judge_driver(member, findings);
    judge_crypto(evidence, member, findings);
}
