/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"

#include "complaint.h"
#include "diagnostic.h"
#include "rule-absent.h"
#include "rule-set.h"
#include "sysfs.h"

/* The buses whose devices a rule can name; what is not in a group is here all the same. */
static const char *const buses[] = {"pci", "platform"};

static void add_bus(int root_fd, const char *bus, GPtrArray *devices)
{
    g_autofree char *folder = g_strdup_printf("sys/bus/%s/devices", bus);
    g_auto(GStrv) names = NULL;

    if (sysfs_list(root_fd, folder, &names) < 0)
        return;
    for (size_t i = 0; names[i]; i++) {
        g_autofree char *syspath = NULL;
        g_autoptr(Device) device = NULL;

        if (device_find(root_fd, bus, names[i], &syspath) >= 0 &&
            device_read(root_fd, syspath, NULL, &device) >= 0 && device->group < 0)
            g_ptr_array_add(devices, g_steal_pointer(&device));
    }
}

/* Devices that are in no group: array of Device. */
static GPtrArray *devices_outside(int root_fd)
{
    GPtrArray *devices = g_ptr_array_new_with_free_func((GDestroyNotify) device_free);

    for (size_t i = 0; i < G_N_ELEMENTS(buses); i++)
        add_bus(root_fd, buses[i], devices);
    return devices;
}

/* The facts of all, borrowed. */
static GPtrArray *all_facts(const Machine *machine, const GPtrArray *outside)
{
    GPtrArray *facts = g_ptr_array_new();

    for (guint i = 0; i < machine->groups->len; i++) {
        const GPtrArray *members = ((const MachineGroup *) machine->groups->pdata[i])->devices;

        for (guint j = 0; j < members->len; j++)
            g_ptr_array_add(facts, ((const Device *) members->pdata[j])->facts);
    }
    for (guint i = 0; i < outside->len; i++)
        g_ptr_array_add(facts, ((const Device *) outside->pdata[i])->facts);
    return facts;
}

static void look_at_names(const Rule *rule, const Machine *machine, const GPtrArray *facts,
                          GPtrArray *complaints)
{
    g_autoptr(GPtrArray) absent = rule_absent(rule, machine->host->facts,
                                              (const DeviceFacts *const *) facts->pdata, facts->len);

    for (guint i = 0; i < absent->len; i++) {
        const AbsentName *name = absent->pdata[i];

        complain(
            complaints, name->place ? COMPLAINT_NAME_ABSENT : COMPLAINT_ID_ABSENT,
            "Run 'iommuctl list --tree' to see what is here, correct the file, then run 'iommuctl reload'.",
            "%s: no device of this machine is %s", rule->file, name->text);
    }
}

static void take_diagnostics(const GPtrArray *diagnostics, GPtrArray *complaints)
{
    for (guint i = 0; i < diagnostics->len; i++) {
        const Diagnostic *diagnostic = diagnostics->pdata[i];
        g_autofree char *line = diagnostic_to_string(diagnostic);

        if (diagnostic->severity == DIAGNOSTIC_ERROR)
            complain(complaints, COMPLAINT_RULE_REFUSED,
                     "Correct the file, see that 'iommuctl check' is content, then run 'iommuctl reload'.",
                     "%s", line);
    }
}

int doctor_look_at_rules(int root_fd, const Machine *machine, GPtrArray *complaints)
{
    g_autoptr(GPtrArray) diagnostics = NULL, outside = NULL, facts = NULL;
    g_autoptr(RuleSet) rules = NULL;
    int r;

    r = rule_set_load_once(root_fd, &rules, &diagnostics);
    if (r < 0)
        return r;

    take_diagnostics(diagnostics, complaints);
    outside = devices_outside(root_fd);
    facts = all_facts(machine, outside);
    for (guint i = 0; i < rule_set_rules(rules)->len; i++)
        look_at_names(rule_set_rules(rules)->pdata[i], machine, facts, complaints);
    return 0;
}
