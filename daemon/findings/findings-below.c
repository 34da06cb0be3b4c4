/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "evidence.h"

/*
 * Which device below a member is what keeps it: the USB stick behind a controller that is mounted, the disk
 * behind an HBA. "below:DEVICE@MEMBER", as severe as the worst finding on that device, stands beside the
 * findings that it sums up and keep their own ids. It says which piece of hardware would have to go, and is
 * not counted when a change is refused: what it stands for is (findings_blocking()).
 */

typedef struct Carrier {
    const Descendant *device;
    FindingSeverity severity;
    GString *ids;
} Carrier;

static void carrier_free(Carrier *carrier)
{
    g_string_free(carrier->ids, TRUE);
    g_free(carrier);
}

/* A USB device; neither one of its interfaces ("1-1:1.0") nor a root hub ("usb1"), which is part of the
 * member. */
static bool is_usb_device(const Descendant *descendant)
{
    return descendant_is(descendant, "usb") && g_ascii_isdigit(descendant->name[0]) &&
           !strchr(descendant->name, ':');
}

/* A logical unit, "0:0:0:0", neither its host nor its target. */
static bool is_scsi_unit(const Descendant *descendant)
{
    return descendant_is(descendant, "scsi") && g_ascii_isdigit(descendant->name[0]);
}

/* "mmc0:0001" */
static bool is_card(const Descendant *descendant)
{
    return descendant_is(descendant, "mmc");
}

/* Of a disk with multipath, which the heads hang on. */
static bool is_nvme_subsystem(const Descendant *descendant)
{
    return descendant_is(descendant, "nvme-subsystem");
}

static bool is_at_or_above(const Descendant *above, const Descendant *descendant)
{
    size_t n = strlen(above->path);

    return strncmp(descendant->path, above->path, n) == 0 &&
           (descendant->path[n] == '\0' || descendant->path[n] == '/');
}

/* The device that carries DESCENDANT: the one that can be taken out, so a USB device before the SCSI unit in
 * it; of several the nearest, as it may hang on a hub. */
static const Descendant *find_carrier(const Member *member, const Descendant *descendant)
{
    static bool (*const tests[])(const Descendant *) = { is_usb_device, is_scsi_unit, is_card,
                                                         is_nvme_subsystem };

    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        for (unsigned j = member->descendants->len; j > 0; j--) { /* parents come first */
            const Descendant *device = g_ptr_array_index(member->descendants, j - 1);

            if (tests[i](device) && is_at_or_above(device, descendant))
                return device;
        }
    return NULL;
}

static const Descendant *find_named(const Member *member, const char *name, size_t length)
{
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (strncmp(descendant->name, name, length) == 0 && descendant->name[length] == '\0')
            return descendant;
    }
    return NULL;
}

/* A finding is on the node or interface where it was seen ("sda1>vg0-srv"), or, if it is of the member as a
 * whole, on the one it is about. */
static const Descendant *find_place(const Member *member, const Finding *finding)
{
    if (strcmp(finding->where, member->name) == 0)
        return find_named(member, finding->object, strlen(finding->object));
    return find_named(member, finding->where, strlen(finding->where)) ?:
           find_named(member, finding->where, strcspn(finding->where, ">"));
}

static void note(GPtrArray *carriers, const Descendant *device, const Finding *finding)
{
    Carrier *carrier = NULL;

    for (unsigned i = 0; i < carriers->len && !carrier; i++) {
        Carrier *other = g_ptr_array_index(carriers, i);

        carrier = other->device == device ? other : NULL;
    }
    if (!carrier) {
        carrier = g_new0(Carrier, 1);
        *carrier = (Carrier){ .device = device, .severity = finding->severity, .ids = g_string_new(NULL) };
        g_ptr_array_add(carriers, carrier);
    }
    carrier->severity = MAX(carrier->severity, finding->severity);
    g_string_append_printf(carrier->ids, "%s%s", carrier->ids->len ? " " : "", finding->id);
}

void findings_judge_below(const Member *member, GPtrArray *findings)
{
    g_autoptr(GPtrArray) carriers = g_ptr_array_new_with_free_func((GDestroyNotify) carrier_free);

    for (unsigned i = 0; i < findings->len; i++) {
        const Finding *finding = g_ptr_array_index(findings, i);
        const Descendant *place, *device;

        if (finding->severity < FINDING_FATAL || strcmp(finding->member, member->name) != 0)
            continue;
        place = find_place(member, finding);
        device = place ? find_carrier(member, place) : NULL;
        if (device)
            note(carriers, device, finding);
    }
    for (unsigned i = 0; i < carriers->len; i++) {
        const Carrier *carrier = g_ptr_array_index(carriers, i);

        findings_add(findings, FINDING_BELOW, carrier->severity, member->name, carrier->device->name,
                     member->name, "%s below %s is in use (%s); end that use or take %s out",
                     carrier->device->name, member->name, carrier->ids->str, carrier->device->name);
    }
}
