/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-group.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "fake-bus.h"
#include "fake-device.h"
#include "request.h"

static const char *const words_of_type[] = {"DMA", "DMA-FQ", "identity", "auto", "blocked", "unmanaged"};

const char *type_word(const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(words_of_type); i++)
        if (g_strcmp0(words_of_type[i], text) == 0)
            return words_of_type[i];
    return NULL;
}

static bool is(const char *type, const char *word)
{
    return g_strcmp0(type, word) == 0;
}

int iommu_add(Machine *machine, char *const *words)
{
    g_autofree char *path = NULL;
    Node *class = tree_find(machine->tree, "sys/class/iommu");
    Iommu *iommu;

    if (!words[0])
        return -EINVAL;
    path = g_strdup_printf("sys/devices/virtual/iommu/%s", words[0]);
    iommu = g_new0(Iommu, 1);
    iommu->name = g_strdup(words[0]);
    iommu->node = tree_add_directories(machine->tree, path);
    iommu->no_fq = words_have(words, "no-fq");
    iommu->no_identity = words_have(words, "no-identity");
    (void) tree_add(machine->tree, iommu->node, "devices", S_IFDIR | 0755);
    (void) tree_add_link_to(machine->tree, iommu->node, "subsystem", class);
    (void) tree_add_link_to(machine->tree, class, iommu->name, iommu->node);
    command_add_attributes(machine, iommu->node, words);
    iommu_free(machine);
    machine->iommu = iommu;
    return 0;
}

void iommu_free(Machine *machine)
{
    if (!machine->iommu)
        return;
    g_free(machine->iommu->name);
    g_free(g_steal_pointer(&machine->iommu));
}

static Device *member(const Group *group, guint i)
{
    return g_ptr_array_index(group->members, i);
}

/* The type that the IOMMU driver or distrust demands of the group, or NULL. */
static const char *forced_type(const Group *group)
{
    const char *forced = NULL;

    for (guint i = 0; i < group->members->len; i++) {
        if (member(group, i)->untrusted)
            return type_word("DMA");
        forced = member(group, i)->forced ?: forced;
    }
    return forced;
}

unsigned group_owners(const Group *group)
{
    unsigned owners = group->vfio == VFIO_OWNED ? 1 : 0;

    for (guint i = 0; i < group->members->len; i++) {
        const Device *device = member(group, i);

        if (device->driver && !device->driver->managed_dma)
            owners++;
    }
    return owners;
}

/* What the new default domain is, when WANTED can be allocated; iommu_dma_init_domain() turns DMA-FQ into
 * DMA where the driver cannot defer. */
static const char *allocated_type(const Group *group, const char *wanted)
{
    const Iommu *iommu = group->machine->iommu;

    if (iommu && iommu->no_fq && is(wanted, "DMA-FQ"))
        return type_word("DMA");
    return wanted;
}

/* 5.15 to 6.3: iommu_group_store_type() and iommu_change_dev_def_domain(). */
static int store_single(Group *group, const char *word)
{
    const char *forced = forced_type(group), *wanted;
    bool live = is(word, "DMA-FQ") && is(group->type, "DMA");
    const Iommu *iommu = group->machine->iommu;

    if (group->members->len != 1)
        return -EINVAL;
    if (member(group, 0)->driver && !live)
        return -EBUSY;
    if (group->vfio == VFIO_OWNED)
        return -EBUSY;
    if (is(word, "auto"))
        wanted = forced ?: group->machine->boot_default;
    else if (forced && !is(word, forced))
        return -EINVAL;
    else
        wanted = word;
    /* The allocation falls back to DMA without saying so. */
    if (iommu && iommu->no_identity && is(wanted, "identity"))
        wanted = type_word("DMA");
    group->type = live ? wanted : allocated_type(group, wanted);
    return 0;
}

/* 6.4 and later: iommu_group_store_type() and iommu_setup_default_domain(). */
static int store_any(Group *group, const char *word)
{
    const char *forced = forced_type(group), *wanted;
    const Iommu *iommu = group->machine->iommu;

    if (is(word, "DMA-FQ") && is(group->type, "DMA")) {
        group->type = word;
        return 0;
    }
    if (group->members->len == 0 || group_owners(group) > 0)
        return -EPERM;
    if (group->static_domain)
        return is(word, "auto") ? 0 : -EINVAL;
    if (is(word, "auto"))
        wanted = forced ?: group->machine->boot_default;
    else if (forced && !is(word, forced))
        return -EINVAL;
    else
        wanted = word;
    if (is(wanted, group->type))
        return 0;
    if (iommu && iommu->no_identity && is(wanted, "identity"))
        return -EOPNOTSUPP;
    group->type = allocated_type(group, wanted);
    return 0;
}

/* Both capabilities are needed: CAP_SYS_RAWIO is bit 17, CAP_SYS_ADMIN bit 21. */
static bool may_write_type(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", pid), *text = NULL;
    const char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return true;
    line = strstr(text, "\nCapEff:");
    return !line || (~g_ascii_strtoull(line + 8, NULL, 16) & (1 << 17 | 1 << 21)) == 0;
}

static int type_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    Group *group = owner;
    g_autofree char *text = g_strdup(value);
    const char *word;
    /* The older kernels know nothing of a static domain. */
    bool has_domain = group->type || (group->static_domain && group->machine->exact);

    if (!may_write_type(request->pid))
        return -EACCES;
    /* sysfs_streq(): one newline at the end is allowed, nothing else. */
    if (length > 0 && text[length - 1] == '\n')
        text[length - 1] = '\0';
    word = type_word(text);
    if (!has_domain || !word || is(word, "blocked") || is(word, "unmanaged"))
        return -EINVAL;
    return group->machine->exact ? store_any(group, word) : store_single(group, word);
}

static int type_show(Node *node, void *owner, GString *text)
{
    const Group *group = owner;

    g_string_append_printf(text, "%s\n", group->type ?: "unknown");
    return 0;
}

static int reserved_show(Node *node, void *owner, GString *text)
{
    const Group *group = owner;

    g_string_append(text, "0x00000000fee00000 0x00000000feefffff msi\n");
    for (guint i = 0; i < group->members->len; i++)
        if (member(group, i)->reserved)
            g_string_append_printf(text, "%s\n", member(group, i)->reserved);
    return 0;
}

Group *group_get(Machine *machine, unsigned id)
{
    return g_hash_table_lookup(machine->groups, GUINT_TO_POINTER(id + 1));
}

unsigned group_free_id(Machine *machine)
{
    unsigned id = 0;

    while (group_get(machine, id))
        id++;
    return id;
}

Group *group_make(Machine *machine, unsigned id, const char *type)
{
    static const AttributeOperations type_operations = {type_show, type_store};
    static const AttributeOperations reserved_operations = {reserved_show, NULL};
    g_autofree char *path = g_strdup_printf("sys/kernel/iommu_groups/%u", id);
    Group *group = group_get(machine, id);

    if (group)
        return group;
    group = g_new0(Group, 1);
    group->machine = machine;
    group->id = id;
    group->type = type ? type_word(type) : machine->boot_default;
    group->members = g_ptr_array_new();
    group->node = tree_add_directories(machine->tree, path);
    (void) tree_add(machine->tree, group->node, "devices", S_IFDIR | 0755);
    (void) tree_add_attribute(machine->tree, group->node, "type", 0644, &type_operations, group);
    (void) tree_add_attribute(machine->tree, group->node, "reserved_regions", 0444, &reserved_operations,
                              group);
    g_hash_table_insert(machine->groups, GUINT_TO_POINTER(id + 1), group);
    return group;
}

void group_join(Group *group, Device *device)
{
    Machine *machine = group->machine;

    g_ptr_array_add(group->members, device);
    device->group = group;
    if (group->members->len == 1 && forced_type(group))
        group->type = forced_type(group);
    (void) tree_add_link_to(machine->tree, node_child(group->node, "devices"), device->name, device->node);
    (void) tree_add_link_to(machine->tree, device->node, "iommu_group", group->node);
    if (machine->iommu) {
        Node *clients = node_child(machine->iommu->node, "devices");

        (void) tree_add_link_to(machine->tree, device->node, "iommu", machine->iommu->node);
        (void) tree_add_link_to(machine->tree, clients, device->name, device->node);
    }
}

static void group_free(Group *group)
{
    tree_remove(group->machine->tree, group->node);
    g_hash_table_remove(group->machine->groups, GUINT_TO_POINTER(group->id + 1));
    g_ptr_array_unref(group->members);
    g_free(group);
}

void group_leave(Group *group, Device *device)
{
    Machine *machine = group->machine;

    g_ptr_array_remove(group->members, device);
    device->group = NULL;
    tree_remove_child(machine->tree, node_child(group->node, "devices"), device->name);
    if (machine->iommu)
        tree_remove_child(machine->tree, node_child(machine->iommu->node, "devices"), device->name);
    if (group->members->len == 0)
        group_free(group);
}

void group_set_vfio(Group *group, VfioState state)
{
    group->vfio = state;
    if (state != VFIO_NONE)
        return;
    for (guint i = 0; i < group->members->len; i++)
        device_user_gone(member(group, i));
}

void groups_forget_users(Machine *machine)
{
    g_autoptr(GList) groups = g_hash_table_get_values(machine->groups);

    for (GList *l = groups; l; l = l->next)
        group_set_vfio(l->data, VFIO_NONE);
}

void groups_free(Machine *machine)
{
    g_autoptr(GList) groups = g_hash_table_get_values(machine->groups);

    for (GList *l = groups; l; l = l->next)
        group_free(l->data);
    g_hash_table_unref(machine->groups);
    iommu_free(machine);
}
