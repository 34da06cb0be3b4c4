/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the rules make of a group before its drivers are there: when a device is added, and at the next
 * boot. */
#include "decision.h"

/* Nothing late is known then: no driver has been bound, and udev has not seen the device. Borrows from
 * FACTS. */
static DeviceFacts before_driver(const DeviceFacts *facts)
{
    DeviceFacts early = *facts;

    early.driver_known = early.udev_known = early.manages_dma = false;
    early.driver = NULL;
    early.properties = NULL;
    early.mac_addresses = early.serials = NULL;
    early.dma_mask_bits = 0;
    return early;
}

/* The type that DECISION leaves a group of BOOT_DEFAULT in. */
static DomainType outcome(const Decision *decision, DomainType boot_default)
{
    if (decision->wanted < 0)
        return decision->type_forbidden ? _DOMAIN_TYPE_INVALID : boot_default;
    if (decision->settled || decision->obstacle == PENDING_NONE)
        return decision->wanted;
    return _DOMAIN_TYPE_INVALID;
}

Decision *decision_make_early(const RuleSet *rules, const HostFacts *host, const DecisionInput *input)
{
    g_autofree DecisionMember *members = g_new(DecisionMember, MAX(input->n_members, 1));
    g_autofree DeviceFacts *facts = g_new(DeviceFacts, MAX(input->n_members, 1));
    DecisionInput early = *input;

    for (size_t i = 0; i < input->n_members; i++) {
        facts[i] = before_driver(input->members[i].facts);
        members[i] = input->members[i];
        members[i].facts = &facts[i];
        members[i].unbinds = false;
    }
    early.members = members;
    early.early_only = true;
    return decision_make(rules, host, &early);
}

DomainType decision_type_at_boot(const RuleSet *rules, const HostFacts *host, const DecisionInput *input,
                                 DomainType boot_default)
{
    g_autoptr(Decision) decision = NULL;
    DecisionInput early = *input;

    early.current = boot_default < 0 ? DOMAIN_TYPE_DMA : boot_default;
    early.auto_settled = true;
    early.call_type = _DOMAIN_TYPE_INVALID;
    early.call_origin = NULL;
    decision = decision_make_early(rules, host, &early);
    return outcome(decision, boot_default);
}
