/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A call that is to last, for a group whose members have any names, paths and ids: what is written must be a
 * rule that our own reader takes without a word, that says what the call said, and that governs these
 * members. An input: numbers, then who asked, why, and for each of two members its name and its path, a line
 * each.
 */
#include <string.h>

#include "diagnostic.h"
#include "fuzz.h"
#include "persist.h"
#include "rule-parse.h"

static ManagedDevice *member_of(Input *numbers, Input *lines)
{
    g_autofree char *name = input_line(lines), *path = input_line(lines), *syspath = NULL;
    uint8_t kind = (uint8_t) input_number(numbers, 1);
    Device *device;

    /* As the kernel has them: something, relative, without an empty part. */
    if (!*name || strchr(name, '/') || !*path || *path == '/' || strstr(path, "//"))
        return NULL;
    device = g_new0(Device, 1);
    device->facts = device_facts_new("pci", name, path);
    if (kind & 1) {
        device->facts->vendor = (uint32_t) input_number(numbers, 2);
        device->facts->device = (uint32_t) input_number(numbers, 2);
    }
    device->facts->bridge = kind & 2;
    syspath = g_strconcat("sys/devices/", path, NULL);
    return managed_device_new(device, syspath);
}

static FindingKindSet accept_of(uint64_t number)
{
    FindingKindSet accept = 0;

    for (FindingKind kind = 0; kind < _FINDING_KIND_MAX; kind++)
        if ((number >> kind & 1) && finding_kind_severity(kind) == FINDING_DISRUPTIVE)
            accept |= FINDING_KIND_BIT(kind);
    return accept;
}

static void check_file(const ManagedGroup *group, const PersistRequest *request)
{
    g_autofree char *path = persist_path(group), *text = persist_text(group, request);
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(Rule) rule = rule_parse(text, strlen(text), path, diagnostics);
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "");

    check_shown(path);
    for (unsigned i = 0; i < diagnostics->len; i++) {
        g_autofree char *complaint = diagnostic_to_string(diagnostics->pdata[i]);

        g_error("%s, in:\n%s", complaint, text);
    }
    g_assert_true(rule->has_type && !rule->keep && rule->forbid == 0);
    g_assert_cmpint(rule->type, ==, request->type);
    g_assert_cmpint(rule->unbind, ==, request->may_unbind ? UNBIND_IDLE : UNBIND_NEVER);
    g_assert_cmpuint(rule->accept, ==, request->accept);
    for (unsigned i = 0; i < group->members->len; i++) {
        const DeviceFacts *facts = ((const ManagedDevice *) group->members->pdata[i])->device->facts;

        if (!facts->bridge && rule_match(rule, facts, host) != TRISTATE_YES)
            g_error("%s is not matched by:\n%s", facts->path, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input numbers = { data, MIN(size, 16) }, lines = { data + numbers.size, size - numbers.size };
    g_autofree char *origin = input_line(&lines), *reason = input_line(&lines);
    g_autoptr(GPtrArray) members = g_ptr_array_new_with_free_func((GDestroyNotify) managed_device_free);
    ManagedGroup group = { .members = members };
    PersistRequest request = {
        .type = (DomainType) (input_number(&numbers, 1) % (DOMAIN_TYPE_AUTO + 1)),
        .may_unbind = input_number(&numbers, 1) & 1,
        .origin = origin,
        .reason = reason,
    };

    if (request.may_unbind)
        request.accept = accept_of(input_number(&numbers, 4));
    for (unsigned i = 0; i < 2; i++) {
        ManagedDevice *member = member_of(&numbers, &lines);

        if (member)
            g_ptr_array_add(members, member);
    }
    if (members->len > 0 && persist_has_member(&group))
        check_file(&group, &request);
    return 0;
}
