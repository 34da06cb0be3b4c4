/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a rule file: it is taken or refused with a place that lies in the file, and a rule that is
 * taken can be asked about a device. */
#include "diagnostic.h"
#include "fuzz.h"
#include "rule-parse.h"

static DeviceFacts *some_device(void)
{
    DeviceFacts *device = device_facts_new("pci", "0000:00:04.0", "pci0000:00/0000:00:04.0");

    device->vendor = 0x144d;
    device->device = 0xa808;
    device->class_code = 0x010802;
    device->modalias = g_strdup("pci:v0000144Dd0000A808");
    device->udev_known = true;
    device->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(device->properties, g_strdup("ID_PATH"), g_strdup("pci-0000:00:04.0"));
    return device;
}

/* A place is a line of the file, and a byte of that line or the one after its last. */
static void check_place(const Diagnostic *diagnostic, const uint8_t *data, size_t size)
{
    unsigned line = 1, column = 1;

    if (diagnostic->line == 0) {
        g_assert_cmpuint(diagnostic->column, ==, 0);
        return;
    }
    for (size_t i = 0; i < size && line < diagnostic->line; i++)
        line += data[i] == '\n';
    g_assert_cmpuint(line, ==, diagnostic->line);
    line = 1;
    for (size_t i = 0; i < size && line <= diagnostic->line; i++)
        if (data[i] == '\n')
            line++;
        else if (line == diagnostic->line)
            column++;
    g_assert_cmpuint(diagnostic->column, <=, column);
}

static void check_diagnostics(const GPtrArray *diagnostics, const uint8_t *data, size_t size)
{
    for (unsigned i = 0; i < diagnostics->len; i++) {
        g_autofree char *text = diagnostic_to_string(diagnostics->pdata[i]);

        check_shown(text);
        check_place(diagnostics->pdata[i], data, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(Rule) rule = rule_parse((const char *) data, size, "fuzz.conf", diagnostics);
    g_autoptr(DeviceFacts) device = some_device();
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "quiet iommu.strict=1");
    g_autofree char *nearly = NULL;

    g_assert_true((rule == NULL) == (diagnostics_count(diagnostics, DIAGNOSTIC_ERROR) > 0));
    check_diagnostics(diagnostics, data, size);
    if (rule && size < 4096) {
        (void) rule_match(rule, device, host);
        nearly = rule_nearly(rule, device, host);
    }
    return 0;
}
