/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "command-line.h"
#include "complaint.h"

#define COMMAND_LINE_ADVICE                                                                                 \
    "The kernel command line is in /etc/default/grub on most systems; 'update-grub' puts it in force "      \
    "for the next boot."

static bool has_table(int root_fd, const char *name)
{
    g_autofree char *path = g_strconcat("sys/firmware/acpi/tables/", name, NULL);

    return faccessat(root_fd, path, F_OK, 0) >= 0;
}

static void complain_of_word(GPtrArray *complaints, const char *word)
{
    g_autofree char *advice =
        g_strdup_printf("Take %s off the kernel command line and boot. " COMMAND_LINE_ADVICE, word);

    complain(complaints, COMPLAINT_IOMMU_OFF, advice, "%s on the kernel command line turns the IOMMU off",
             word);
}

/* DMAR: VT-d. Whether it is used without a word depends on CONFIG_INTEL_IOMMU_DEFAULT_ON. */
static void look_at_intel(const CommandLine *line, GPtrArray *complaints)
{
    if (line->intel_off_word)
        complain_of_word(complaints, line->intel_off_word);
    else if (!line->intel_on_word)
        complain(complaints, COMPLAINT_IOMMU_NOT_USED,
                 "Add intel_iommu=on to the kernel command line and boot. " COMMAND_LINE_ADVICE,
                 "the firmware offers VT-d, and this kernel does not use it unless it is told to");
    else
        complain(complaints, COMPLAINT_IOMMU_NOT_USED,
                 "Run 'journalctl -k -g DMAR' to see what the kernel says of it.",
                 "the firmware offers VT-d and it is turned on, but no device is in an IOMMU group");
}

static void look_at_amd(const CommandLine *line, GPtrArray *complaints)
{
    if (line->amd_off_word)
        complain_of_word(complaints, line->amd_off_word);
    else
        complain(complaints, COMPLAINT_IOMMU_NOT_USED,
                 "Run 'journalctl -k -g AMD-Vi' to see what the kernel says of it.",
                 "the firmware offers AMD-Vi, but no device is in an IOMMU group");
}

static void look_for_iommu(int root_fd, const CommandLine *line, GPtrArray *complaints)
{
    if (line->off_word)
        complain_of_word(complaints, line->off_word);
    else if (has_table(root_fd, "DMAR"))
        look_at_intel(line, complaints);
    else if (has_table(root_fd, "IVRS"))
        look_at_amd(line, complaints);
    else if (has_table(root_fd, "VIOT") || has_table(root_fd, "IORT"))
        complain(complaints, COMPLAINT_IOMMU_NOT_USED,
                 "Run 'journalctl -k -g iommu' to see what the kernel says of it.",
                 "the firmware describes where IOMMUs are, but no device is in an IOMMU group");
    else
        complain(complaints, COMPLAINT_IOMMU_NOT_OFFERED,
                 "Turn on VT-d, AMD-Vi, IOMMU or SMMU in the firmware's setup; a virtual machine has to be "
                 "given one.",
                 "the firmware offers no IOMMU");
}

static void look_at_words(const Host *host, GPtrArray *complaints)
{
    for (char **word = host->facts->kernel_command_line; *word && strcmp(*word, "--") != 0; word++) {
        const char *right;
        g_autofree char *fault = command_line_fault(*word, host->facts->architecture, &right),
                        *advice = NULL;

        if (!fault)
            continue;
        advice = right ? g_strdup_printf("Write %s in its place. " COMMAND_LINE_ADVICE, right)
                       : g_strdup("Take it off, or correct it. " COMMAND_LINE_ADVICE);
        complain(complaints, COMPLAINT_WORD_IGNORED, advice, "%s on the kernel command line is ignored: %s",
                 *word, fault);
    }
}

static bool any_in_identity(const Machine *machine)
{
    for (guint i = 0; i < machine->groups->len; i++)
        if (((const MachineGroup *) machine->groups->pdata[i])->type == DOMAIN_TYPE_IDENTITY)
            return true;
    return false;
}

static void look_at_default(const Machine *machine, const CommandLine *line, GPtrArray *complaints)
{
    if (machine->host->boot_default != DOMAIN_TYPE_IDENTITY || machine->groups->len == 0)
        return;
    complain(complaints,
             any_in_identity(machine) ? COMPLAINT_PASSTHROUGH_DEFAULT : COMPLAINT_PASSTHROUGH_OVERRULED,
             "If it is not meant so, boot with iommu.passthrough=0, and let rules relax what has to be fast "
             "('man iommu-policy.d'). " COMMAND_LINE_ADVICE,
             "%s: the kernel gives every group identity by itself",
             line->passthrough_word ?: "CONFIG_IOMMU_DEFAULT_PASSTHROUGH of this kernel");
}

static void look_at_external(const MachineGroup *group, GPtrArray *complaints)
{
    g_autofree char *advice =
        g_strdup_printf("Run 'iommuctl set %u DMA', and forbid it for good with a rule: "
                        "[Match] Removable=yes, [Policy] Forbid=identity.",
                        group->id);

    for (guint i = 0; group->type == DOMAIN_TYPE_IDENTITY && i < group->devices->len; i++) {
        const Device *device = group->devices->pdata[i];

        if (device->facts->untrusted == TRISTATE_YES)
            complain(complaints, COMPLAINT_EXTERNAL_IDENTITY, advice,
                     "%s in group %u is external, and in identity", device->facts->name, group->id);
    }
}

void doctor_look_at_host(int root_fd, const Machine *machine, GPtrArray *complaints)
{
    const Host *host = machine->host;
    CommandLine line;

    command_line_read(host->facts->kernel_command_line, host->facts->architecture, &line);
    if (machine->groups->len == 0)
        look_for_iommu(root_fd, &line, complaints);
    look_at_words(host, complaints);
    look_at_default(machine, &line, complaints);
    for (guint i = 0; i < machine->groups->len; i++)
        look_at_external(machine->groups->pdata[i], complaints);
    if (host->disabled)
        complain(complaints, COMPLAINT_DISABLED, "Boot without it when that is no longer meant.", "%s",
                 host->disabled);
}
