/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-device.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "fake-child.h"
#include "fake-function.h"
#include "request.h"
#include "uevent.h"

/* A probe that is to fail; see control.h. */
typedef struct ProbeFault {
    char *device, *driver, *type;
    int error;
    unsigned remaining;
    unsigned late_ms;
} ProbeFault;

Device *device_get(Machine *machine, const char *name)
{
    return g_hash_table_lookup(machine->devices, name);
}

/* The properties of the device's events, which are also what its uevent file reads. */
static char *device_properties(const Device *device)
{
    GString *text = g_string_new(NULL);

    if (device->driver)
        g_string_append_printf(text, "DRIVER=%s\n", device->driver->name);
    if (g_str_equal(device->bus->name, "pci"))
        g_string_append_printf(text,
                               "PCI_CLASS=%04X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
                               "PCI_SLOT_NAME=%s\nMODALIAS=pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X\n",
                               device->class, device->vendor, device->product, device->subsystem_vendor,
                               device->subsystem_product, device->name, device->vendor, device->product,
                               device->subsystem_vendor, device->subsystem_product, device->class >> 16,
                               device->class >> 8 & 0xff, device->class & 0xff);
    else
        g_string_append_printf(text, "MODALIAS=%s:%s\n", device->bus->name, device->name);
    return g_string_free(text, FALSE);
}

void device_event(const Device *device, const char *action)
{
    g_autofree char *properties = device_properties(device);

    uevent_send(device->machine, action, device->node, device->bus->name, properties);
}

bool device_is_locked(const Device *device)
{
    return device->unbinding;
}

int device_wait_lock(Device *device, Request *request)
{
    g_queue_push_tail(&device->waiting, request);
    return 1;
}

void device_unlock(Device *device)
{
    GQueue waiting = device->waiting;
    Request *request;

    g_queue_init(&device->waiting);
    while ((request = g_queue_pop_head(&waiting)))
        request_perform(request);
}

static void stop_probing(Device *device)
{
    device->probing = sd_event_source_disable_unref(device->probing);
}

static void detach_nodes(Device *device)
{
    Tree *tree = device->machine->tree;

    stop_probing(device);
    children_remove(device);
    tree_remove_child(tree, device->driver->node, device->name);
    tree_remove_child(tree, device->node, "driver");
    tree_remove_child(tree, device->node, "vfio-dev");
    device->driver = NULL;
}

static void detach(Device *device)
{
    detach_nodes(device);
    device_event(device, "unbind");
}

static int on_probe_failed(sd_event_source *source, uint64_t usec, void *data)
{
    detach(data);
    return 0;
}

static int on_probed(sd_event_source *source, uint64_t usec, void *data)
{
    Device *device = data;

    stop_probing(device);
    children_finish(device);
    return 0;
}

static void later(Device *device, unsigned ms, sd_event_time_handler_t handler)
{
    (void) sd_event_add_time_relative(device->machine->event, &device->probing, CLOCK_MONOTONIC,
                                      ms * 1000ULL, 1, handler, device);
}

static ProbeFault *find_fault(const Device *device, const Driver *driver)
{
    for (guint i = 0; i < device->machine->probe_faults->len; i++) {
        ProbeFault *fault = g_ptr_array_index(device->machine->probe_faults, i);

        if (g_str_equal(fault->device, device->name) && fault->remaining > 0
            && (!fault->driver || g_str_equal(fault->driver, driver->name))
            && (!fault->type || (device->group && g_strcmp0(fault->type, device->group->type) == 0))) {
            if (fault->remaining != UINT_MAX)
                fault->remaining--;
            return fault;
        }
    }
    return NULL;
}

static void attach(Device *device, Driver *driver, bool with_children)
{
    Tree *tree = device->machine->tree;
    const char *mask = words_value(device->words, "mask");

    device->driver = driver;
    (void) tree_add_link_to(tree, device->node, "driver", driver->node);
    (void) tree_add_link_to(tree, driver->node, device->name, device->node);
    if (!driver->managed_dma) {
        device->mask_bits = mask ? atoi(mask) : 64;
        if (with_children)
            children_start(device);
    } else if (g_str_has_prefix(driver->name, "vfio")) {
        g_autofree char *path = node_path(device->node), *full = NULL;

        full = g_strdup_printf("%s/vfio-dev/vfio%u", path, device->group ? device->group->id : 0);
        (void) tree_add_directories(tree, full);
    }
    device_event(device, "bind");
}

static void join_group(Device *device)
{
    const char *group = words_value(device->words, "group") ?: "none";
    unsigned id;

    if (device->group || g_str_equal(group, "none"))
        return;
    id = g_str_equal(group, "new") ? group_free_id(device->machine) : strtoul(group, NULL, 10);
    group_join(group_make(device->machine, id, NULL), device);
}

int device_probe(Device *device, Driver *driver)
{
    bool async = driver->async && !device->machine->exact;
    ProbeFault *fault;

    /* pci_device_can_probe() */
    if (device->physical && !device->override && !functions_autoprobe(device->physical->functions))
        return -ENODEV;
    join_group(device);
    if (!driver->managed_dma && device->group && device->group->vfio == VFIO_OWNED)
        return -EBUSY;
    fault = find_fault(device, driver);
    if (fault && fault->late_ms == 0 && !async)
        return -fault->error;

    attach(device, driver, !fault);
    if (fault)
        later(device, fault->late_ms ?: device->machine->async_ms, on_probe_failed);
    else if (driver->managed_dma)
        return 0;
    else if (async)
        later(device, device->machine->async_ms, on_probed);
    else
        children_finish(device);
    return 0;
}

int device_unbind(Device *device, Request *request)
{
    bool wait = device->driver->managed_dma && g_str_has_prefix(device->driver->name, "vfio")
                && device->group && device->group->vfio != VFIO_NONE && request;

    if (!wait) {
        detach(device);
        return 0;
    }
    /* The link is gone at once, the lock is held until the user has closed the device. */
    detach_nodes(device);
    device->unbinding = request;
    return 1;
}

void device_user_gone(Device *device)
{
    Request *request = g_steal_pointer(&device->unbinding);

    if (!request)
        return;
    device_event(device, "unbind");
    request_complete(request, 0);
    device_unlock(device);
}

static int override_show(Node *node, void *owner, GString *text)
{
    const Device *device = owner;

    g_string_append_printf(text, "%s\n", device->override ?: "(null)");
    return 0;
}

/* driver_set_override(): one line; an empty one clears. */
static int override_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    Device *device = owner;

    if (length >= 4095)
        return -EINVAL;
    if (device_is_locked(device) && !device->machine->exact)
        return device_wait_lock(device, request);
    g_free(device->override);
    device->override = g_strndup(value, strcspn(value, "\n"));
    if (*device->override == '\0')
        g_clear_pointer(&device->override, g_free);
    return 0;
}

static int uevent_show(Node *node, void *owner, GString *text)
{
    g_autofree char *properties = device_properties(owner);

    g_string_append(text, properties);
    return 0;
}

/* A synthetic `add` is what loads a module (udev does it, modalias in hand). */
static int uevent_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    Device *device = owner;
    g_autofree char *properties = device_properties(device);
    int r = uevent_synthesize(device->machine, value, device->node, device->bus->name, properties);

    if (r == 0 && g_str_has_prefix(value, "add") && !device->driver && device->bus->absent->len > 0)
        bus_probe_device(device->bus, device, true);
    return r;
}

static int mask_show(Node *node, void *owner, GString *text)
{
    const Device *device = owner;

    g_string_append_printf(text, "%u\n", device->mask_bits);
    return 0;
}

static int enable_show(Node *node, void *owner, GString *text)
{
    const Device *device = owner;

    g_string_append_printf(text, "%d\n", device->driver ? 1 : 0);
    return 0;
}

static int remove_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    device_remove(owner);
    return 0;
}

/* The first 64 bytes of configuration space: ids, class, and no capabilities; or all of it, with one. */
static void add_config(Device *device)
{
    static const AttributeOperations constant = {};
    unsigned char bytes[64] = {
        device->vendor & 0xff, device->vendor >> 8, device->product & 0xff, device->product >> 8,
        [9] = device->class & 0xff, device->class >> 8 & 0xff, device->class >> 16,
        [14] = device->class >> 8 == 0x0604 ? 1 : 0,
        [44] = device->subsystem_vendor & 0xff, device->subsystem_vendor >> 8,
        device->subsystem_product & 0xff, device->subsystem_product >> 8,
    };
    Node *node = tree_add_attribute(device->machine->tree, device->node, "config", 0644, &constant, NULL);

    g_string_append_len(node->text, (char *) bytes, sizeof(bytes));
    if (!words_have(device->words, "pasid"))
        return;
    g_string_set_size(node->text, PCI_CFG_SPACE_EXP_SIZE);
    memset(node->text->str + sizeof(bytes), 0, PCI_CFG_SPACE_EXP_SIZE - sizeof(bytes));
    node->text->str[PCI_CFG_SPACE_SIZE] = PCI_EXT_CAP_ID_PASID;
    node->text->str[PCI_CFG_SPACE_SIZE + 2] = 1; /* its version; there is no next one */
}

static void add_pci_attributes(Device *device)
{
    static const AttributeOperations mask = {mask_show, NULL}, enable = {enable_show, NULL};
    static const AttributeOperations removing = {NULL, remove_store};
    Tree *tree = device->machine->tree;
    Node *node = device->node;
    g_autofree char *properties = device_properties(device);
    const char *modalias = strstr(properties, "MODALIAS=") + strlen("MODALIAS=");

    (void) tree_add_constant(tree, node, "vendor", "0x%04x", device->vendor);
    (void) tree_add_constant(tree, node, "device", "0x%04x", device->product);
    (void) tree_add_constant(tree, node, "subsystem_vendor", "0x%04x", device->subsystem_vendor);
    (void) tree_add_constant(tree, node, "subsystem_device", "0x%04x", device->subsystem_product);
    (void) tree_add_constant(tree, node, "class", "0x%06x", device->class);
    (void) tree_add_constant(tree, node, "revision", "0x00");
    (void) tree_add_constant(tree, node, "modalias", "%.*s", (int) strcspn(modalias, "\n"), modalias);
    (void) tree_add_constant(tree, node, "numa_node", "-1");
    (void) tree_add_constant(tree, node, "local_cpulist", "0-1");
    (void) tree_add_attribute(tree, node, "dma_mask_bits", 0444, &mask, device);
    (void) tree_add_attribute(tree, node, "consistent_dma_mask_bits", 0444, &mask, device);
    (void) tree_add_attribute(tree, node, "enable", 0644, &enable, device);
    (void) tree_add_attribute(tree, node, "remove", 0200, &removing, device);
    add_config(device);
}

static void add_nodes(Device *device)
{
    static const AttributeOperations override = {override_show, override_store};
    static const AttributeOperations uevent = {uevent_show, uevent_store};
    Tree *tree = device->machine->tree;

    (void) tree_add_link_to(tree, device->node, "subsystem", device->bus->node);
    (void) tree_add_link_to(tree, device->bus->devices, device->name, device->node);
    (void) tree_add_attribute(tree, device->node, "driver_override", 0644, &override, device);
    (void) tree_add_attribute(tree, device->node, "uevent", 0644, &uevent, device);
    if (words_have(device->words, "removable"))
        (void) tree_add_constant(tree, device->node, "removable", "removable");
    if (g_str_equal(device->bus->name, "pci"))
        add_pci_attributes(device);
    else {
        g_autofree char *properties = device_properties(device);

        (void) tree_add_constant(tree, device->node, "modalias", "%.*s",
                                 (int) strcspn(properties, "\n") - 9, properties + 9);
    }
    command_add_attributes(device->machine, device->node, device->words);
}

static void parse_pair(const char *text, unsigned *first, unsigned *second)
{
    if (text)
        (void) sscanf(text, "%x:%x", first, second);
}

static Device *device_new(Machine *machine, Bus *bus, Device *parent, char *const *words)
{
    Device *device = g_new0(Device, 1);
    const char *class = words_value(words, "class"), *override = words_value(words, "override");

    device->machine = machine;
    device->bus = bus;
    device->parent = parent;
    device->words = g_strdupv((char **) words);
    device->name = g_strdup(words[1]);
    device->override = g_strdup(override);
    device->mask_bits = 32;
    device->class = class ? strtoul(class, NULL, 16) : 0xff0000;
    device->untrusted = words_have(words, "untrusted");
    device->forced = type_word(words_value(words, "forced"));
    device->reserved = g_strdup(words_value(words, "reserved"));
    device->child = g_strdup(words_value(words, "child"));
    device->children = g_ptr_array_new();
    g_queue_init(&device->waiting);
    parse_pair(words_value(words, "id"), &device->vendor, &device->product);
    device->subsystem_vendor = device->vendor;
    device->subsystem_product = device->product;
    parse_pair(words_value(words, "subsystem"), &device->subsystem_vendor, &device->subsystem_product);
    return device;
}

static Node *make_directory(const Device *device)
{
    g_autofree char *folder = NULL, *path = NULL;

    if (device->parent)
        folder = node_path(device->parent->node);
    else if (g_str_equal(device->bus->name, "pci"))
        folder = g_strdup_printf("sys/devices/pci%.7s", device->name);
    else
        folder = g_strdup_printf("sys/devices/%s", device->bus->name);
    path = g_build_filename(folder, device->name, NULL);
    return tree_add_directories(device->machine->tree, path);
}

int device_add(Machine *machine, char *const *words)
{
    const char *parent_name = words_value(words, "parent"), *physical = words_value(words, "physfn");
    const char *functions = words_value(words, "functions");
    Bus *bus = words[0] ? bus_get(machine, words[0]) : NULL;
    Device *device, *parent = parent_name ? device_get(machine, parent_name) : NULL;

    if (!bus || (parent_name && !parent))
        return -ENOENT;
    if (!words[1])
        return -EINVAL;
    if (device_get(machine, words[1]))
        return -EEXIST;

    device = device_new(machine, bus, parent, words);
    device->node = make_directory(device);
    g_hash_table_insert(machine->devices, device->name, device);
    add_nodes(device);
    if (!words_have(words, "at-probe"))
        join_group(device);
    if (functions)
        device->functions = functions_new(device, strtoul(functions, NULL, 10));
    device->physical = physical ? device_get(machine, physical) : NULL;
    device_event(device, "add");
    if (device->physical)
        function_link(device);
    bus_probe_device(bus, device, true);
    return 0;
}

static void device_free(Device *device)
{
    stop_probing(device);
    g_queue_clear(&device->waiting);
    g_ptr_array_unref(device->children);
    g_strfreev(device->words);
    g_free(device->name);
    g_free(device->override);
    g_free(device->reserved);
    g_free(device->child);
    g_free(device);
}

/* Ends what waits for a device that is going: an unbind by its success, the others by ENODEV. */
static void end_waiting(Device *device)
{
    Request *request;

    if (device->unbinding)
        request_complete(g_steal_pointer(&device->unbinding), 0);
    while ((request = g_queue_pop_head(&device->waiting)))
        request_complete(request, -ENODEV);
}

static Device *find_below(const Device *device)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, device->machine->devices);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((Device *) value)->parent == device)
            return value;
    return NULL;
}

void device_remove(Device *device)
{
    Machine *machine = device->machine;
    Device *below;

    device->functions = functions_free(device->functions);
    while ((below = find_below(device)))
        device_remove(below);
    if (device->physical)
        function_unlink(device);
    end_waiting(device);
    if (device->driver)
        detach(device);
    device_event(device, "remove");
    g_hash_table_remove(machine->devices, device->name);
    tree_remove_child(machine->tree, device->bus->devices, device->name);
    if (device->group)
        group_leave(device->group, device);
    tree_remove(machine->tree, device->node);
    /* A rescan finds no virtual functions. */
    if (!device->physical)
        g_ptr_array_add(machine->unplugged, g_strdupv(device->words));
    device_free(device);
}

void devices_rescan(Machine *machine)
{
    g_autoptr(GPtrArray) found = g_steal_pointer(&machine->unplugged);

    machine->unplugged = g_ptr_array_new_with_free_func((GDestroyNotify) g_strfreev);
    /* A bridge was noted after what is below it. */
    for (guint i = found->len; i > 0; i--)
        (void) device_add(machine, g_ptr_array_index(found, i - 1));
}

void devices_probe_driver(Driver *driver)
{
    g_autoptr(GList) devices = g_hash_table_get_values(driver->bus->machine->devices);

    for (GList *l = devices; l; l = l->next) {
        Device *device = l->data;

        if (device->bus == driver->bus && !device->driver && driver_matches(driver, device))
            (void) device_probe(device, driver);
    }
}

void devices_detach_driver(Driver *driver)
{
    g_autoptr(GList) devices = g_hash_table_get_values(driver->bus->machine->devices);

    for (GList *l = devices; l; l = l->next) {
        Device *device = l->data;

        if (device->driver == driver)
            detach(device);
    }
}

int probe_fault_add(Machine *machine, char *const *words)
{
    const char *count = words_value(words, "count"), *late = words_value(words, "late");
    ProbeFault *fault;

    if (!words[0] || !words[1])
        return -EINVAL;
    for (guint i = machine->probe_faults->len; i > 0; i--) {
        fault = g_ptr_array_index(machine->probe_faults, i - 1);
        if (g_str_equal(fault->device, words[0]))
            fault->remaining = 0;
    }
    if (g_str_equal(words[1], "ok"))
        return 0;
    if (errno_from_name(words[1]) == 0)
        return -EINVAL;
    fault = g_new0(ProbeFault, 1);
    fault->device = g_strdup(words[0]);
    fault->driver = g_strdup(words_value(words, "driver"));
    fault->type = g_strdup(words_value(words, "type"));
    fault->error = errno_from_name(words[1]);
    fault->remaining = count ? strtoul(count, NULL, 10) : UINT_MAX;
    fault->late_ms = late ? strtoul(late, NULL, 10) : 0;
    g_ptr_array_add(machine->probe_faults, fault);
    return 0;
}

static void probe_fault_free(gpointer data)
{
    ProbeFault *fault = data;

    g_free(fault->device);
    g_free(fault->driver);
    g_free(fault->type);
    g_free(fault);
}

void devices_free(Machine *machine)
{
    while (g_hash_table_size(machine->devices) > 0) {
        g_autoptr(GList) devices = g_hash_table_get_values(machine->devices);

        device_remove(devices->data);
    }
    g_hash_table_unref(machine->devices);
    g_ptr_array_set_free_func(machine->probe_faults, probe_fault_free);
    g_ptr_array_unref(machine->probe_faults);
}
