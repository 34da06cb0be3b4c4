/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

DeviceFacts *device_facts_new(const char *bus, const char *name, const char *path)
{
    DeviceFacts *facts = g_new(DeviceFacts, 1);

    *facts = (DeviceFacts){
        .bus = g_strdup(bus),
        .name = g_strdup(name),
        .path = g_strdup(path),
        .vendor = FACT_NO_ID,
        .device = FACT_NO_ID,
        .subsystem_vendor = FACT_NO_ID,
        .subsystem_device = FACT_NO_ID,
        .class_code = FACT_NO_ID,
        .pf_vendor = FACT_NO_ID,
        .pf_device = FACT_NO_ID,
        .untrusted = TRISTATE_UNKNOWN,
        .virtual_function = TRISTATE_UNKNOWN,
        .reserved_direct = TRISTATE_UNKNOWN,
    };
    return facts;
}

void device_facts_free(DeviceFacts *facts)
{
    if (!facts)
        return;

    g_free(facts->bus);
    g_free(facts->name);
    g_free(facts->path);
    g_free(facts->modalias);
    g_free(facts->iommu);
    g_free(facts->driver);
    g_clear_pointer(&facts->properties, g_hash_table_unref);
    g_strfreev(facts->mac_addresses);
    g_strfreev(facts->serials);
    g_free(facts);
}

HostFacts *host_facts_new(const char *architecture, const char *command_line)
{
    HostFacts *facts = g_new0(HostFacts, 1);
    GPtrArray *words = g_ptr_array_new();
    g_auto(GStrv) split = g_strsplit_set(command_line ?: "", " \t\n", -1);

    for (char **word = split; *word; word++)
        if (**word)
            g_ptr_array_add(words, g_strdup(*word));
    g_ptr_array_add(words, NULL);

    facts->architecture = g_strdup(architecture);
    facts->kernel_command_line = (char **) g_ptr_array_free(words, FALSE);
    return facts;
}

void host_facts_free(HostFacts *facts)
{
    if (!facts)
        return;

    g_free(facts->architecture);
    g_strfreev(facts->kernel_command_line);
    g_free(facts);
}
