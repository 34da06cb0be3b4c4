/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "early-groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "cleanup.h"
#include "decision.h"
#include "device.h"
#include "forced-type.h"
#include "record.h"
#include "stub-probe.h"
#include "sysfs.h"

typedef struct Groups {
    int root_fd;
    const RuleSet *rules;
    const Host *host;
    EarlyGroupsTell tell;
    const char *family; /* of the IOMMU, NULL if there are several */
    GPtrArray *keys;
} Groups;

static void G_GNUC_PRINTF(2, 3) tell(EarlyGroupsTell teller, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    teller(text);
}

static void add_key(const Groups *groups, const char *key)
{
    if (!g_ptr_array_find_with_equal_func(groups->keys, key, g_str_equal, NULL))
        g_ptr_array_add(groups->keys, g_strdup(key));
}

/* --- what a killed run has left */

/* Loads the record KEY if it is of a loan of this boot and nobody is at work on it. Returns the descriptor
 * that holds its lock, or a negative errno. */
static int open_loan(int root_fd, const char *key, Record **ret)
{
    g_autofree char *boot_id = NULL, *error = NULL;
    g_autoptr(Record) record = NULL;
    _cleanup_close_ int lock_fd = record_lock(root_fd, key, false);
    int r;

    if (lock_fd < 0)
        return lock_fd;
    r = record_load(root_fd, key, &record, &error);
    if (r >= 0)
        r = record_boot_id(root_fd, &boot_id);
    if (r < 0)
        return r;
    if (!record->lent || g_strcmp0(record->boot_id, boot_id) != 0)
        return -ENOENT;
    *ret = g_steal_pointer(&record);
    return TAKE_FD(lock_fd);
}

static void take_back_loans(const Groups *groups)
{
    g_auto(GStrv) keys = NULL;

    record_discard_unfinished(groups->root_fd);
    if (record_list(groups->root_fd, &keys) < 0)
        return;
    for (char **key = keys; *key; key++) {
        g_autoptr(Record) record = NULL;
        _cleanup_close_ int lock_fd = open_loan(groups->root_fd, *key, &record);

        if (lock_fd < 0)
            continue;
        if (stub_probe_take_back(groups->root_fd, record) >= 0)
            add_key(groups, *key);
        else
            tell(groups->tell, "%s is still lent to pci-stub; iommu-policyd tries again", *key);
    }
}

/* --- for whom it is done */

/*
 * What the rules want of DEVICE alone, as it will be: with the IOMMU that will serve it, in the kernel's own
 * type. Who will share its group is not known yet; the pass decides again when it is.
 */
static Decision *decide(const Groups *groups, const Device *device, DomainType *ret_current)
{
    const ShownType shown = { .type = _DOMAIN_TYPE_INVALID };
    DecisionMember member;
    DecisionInput input = {
        .members = &member,
        .n_members = 1,
        .call_type = _DOMAIN_TYPE_INVALID,
        .early_only = true,
    };

    g_free(device->facts->iommu);
    device->facts->iommu = g_strdup(groups->family);
    /* In an initramfs nothing may tell: so that who asks for DMA gets it, if only by having it already. */
    input.current = groups->host->boot_default >= 0 ? groups->host->boot_default : DOMAIN_TYPE_DMA_FQ;
    if (!groups->family || !iommu_family_has_dma_fq(groups->family))
        input.not_given = DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ);
    forced_type_member(groups->host, device, &shown, &member);
    member.unbinds = false;
    input.auto_outcome = forced_type_outcome(groups->host, &member, 1);
    *ret_current = input.current;
    return decision_make(groups->rules, groups->host->facts, &input);
}

/* DMA-FQ can be had from DMA at any time, with the driver bound; and what `auto` gives, the device gets
 * anyway. */
static bool needs_group(const Decision *decision, DomainType current)
{
    if (decision->wanted < 0 || decision->wanted == DOMAIN_TYPE_AUTO || decision->wanted == current ||
        decision->obstacle != PENDING_NONE)
        return false;
    return !(decision->wanted == DOMAIN_TYPE_DMA_FQ && current == DOMAIN_TYPE_DMA);
}

static const char *explain(int error)
{
    switch (error) {
    case -EBUSY:
        return "it got a driver, or somebody is at work on it";
    case -EEXIST:
        return "its driver_override was set by somebody else, and stays";
    case -ENODEV:
        return "it was removed";
    case -ENXIO:
        return "no IOMMU serves it";
    default:
        return g_strerror(-error);
    }
}

static void make_group(const Groups *groups, const Device *device, const Decision *decision)
{
    g_autofree char *key = record_key(device->facts->bus, device->facts->name);
    g_autofree char *origin = g_strconcat("rule:", decision->wanted_by, NULL);
    int r = stub_probe_load(groups->root_fd);

    if (r < 0) {
        tell(groups->tell,
             "%s has no group before its driver binds, and pci-stub, which would make it, is not there",
             device->facts->name);
        return;
    }
    r = stub_probe_lend(groups->root_fd, device, decision->wanted, origin);
    if (r >= 0)
        add_key(groups, key);
    else
        tell(groups->tell, "%s has no group before its driver binds, and none could be made for %s: %s",
             device->facts->name, domain_type_to_string(decision->wanted), explain(r));
}

static void visit(const Groups *groups, const char *name)
{
    g_autofree char *link = g_strdup_printf("sys/bus/pci/devices/%s/iommu_group", name), *syspath = NULL;
    g_autoptr(Device) device = NULL;
    g_autoptr(Decision) decision = NULL;
    DomainType current;

    if (faccessat(groups->root_fd, link, F_OK, 0) >= 0 ||
        device_find(groups->root_fd, "pci", name, &syspath) < 0 ||
        device_read(groups->root_fd, syspath, NULL, &device) < 0 || !stub_probe_fits(device))
        return;
    decision = decide(groups, device, &current);
    if (needs_group(decision, current))
        make_group(groups, device, decision);
}

GPtrArray *early_groups_make(int root_fd, const RuleSet *rules, const Host *host, EarlyGroupsTell teller)
{
    Groups groups = { .root_fd = root_fd, .rules = rules, .host = host, .tell = teller };
    g_autofree char *family = NULL;
    g_auto(GStrv) names = NULL;

    groups.keys = g_ptr_array_new_with_free_func(g_free);
    take_back_loans(&groups);
    if (rule_set_rules(rules)->len == 0 || stub_probe_is_needed(root_fd, &family) <= 0 ||
        sysfs_list(root_fd, "sys/bus/pci/devices", &names) < 0)
        return groups.keys;
    groups.family = family;
    for (char **name = names; *name; name++)
        visit(&groups, *name);
    return groups.keys;
}

void early_groups_end(int root_fd, const GPtrArray *keys, EarlyGroupsTell teller)
{
    for (guint i = 0; i < keys->len; i++) {
        const char *key = keys->pdata[i];
        g_autoptr(Record) record = NULL;
        _cleanup_close_ int lock_fd = open_loan(root_fd, key, &record);
        int r = lock_fd < 0 ? lock_fd : stub_probe_end(root_fd, key, record);

        if (r < 0)
            tell(teller, "%s: what lent it to pci-stub is not at its end: %s; iommu-policyd tries again",
                 key, g_strerror(-r));
    }
}
