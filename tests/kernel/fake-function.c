/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-function.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "request.h"

/* Between the enabling of virtual functions and the first of them (sriov_enable()). */
#define ENABLE_USEC (100 * G_TIME_SPAN_MILLISECOND)

struct Functions {
    Device *device; /* the physical function */
    unsigned total;
    bool autoprobe;
    GPtrArray *names;   /* of those that are there */
    unsigned wanted;    /* by the write that is under way */
    Request *changing;
    sd_event_source *timer;
};

bool functions_autoprobe(const Functions *functions)
{
    return functions->autoprobe;
}

static char *function_name(const Device *device, unsigned index)
{
    unsigned domain = 0, bus = 0, slot = 0, number = 0;

    (void) sscanf(device->name, "%x:%x:%x.%x", &domain, &bus, &slot, &number);
    number += slot * 8 + index + 1;
    return g_strdup_printf("%04x:%02x:%02x.%x", domain, bus + number / 256, number / 8 % 32, number % 8);
}

static void add_function(Functions *functions, unsigned index)
{
    const Device *device = functions->device;
    g_autofree char *name = function_name(device, index);
    g_autofree char *id = g_strdup_printf("id=%04x:%04x", device->vendor, device->product);
    g_autofree char *class = g_strdup_printf("class=%06x", device->class);
    g_autofree char *physical = g_strdup_printf("physfn=%s", device->name);
    g_autofree char *parent = device->parent ? g_strdup_printf("parent=%s", device->parent->name) : NULL;
    char *words[] = {
        "pci", name, "group=new", "attr:sriov_vf_msix_count=0", id, class, physical, parent, NULL,
    };

    g_ptr_array_add(functions->names, g_strdup(name));
    (void) device_add(device->machine, words);
}

static void remove_functions(Functions *functions)
{
    while (functions->names->len > 0) {
        const char *name = functions->names->pdata[functions->names->len - 1];
        Device *device = device_get(functions->device->machine, name);

        if (device)
            device_remove(device);
        g_ptr_array_set_size(functions->names, functions->names->len - 1);
    }
}

static int on_enabled(sd_event_source *source, uint64_t usec, void *data)
{
    Functions *functions = data;
    Request *request = g_steal_pointer(&functions->changing);

    functions->timer = sd_event_source_disable_unref(functions->timer);
    for (unsigned i = 0; i < functions->wanted; i++)
        add_function(functions, i);
    device_event(functions->device, "change");
    request_complete(request, 0);
    device_unlock(functions->device);
    return 0;
}

static int number_show(Node *node, void *owner, GString *text)
{
    const Functions *functions = owner;

    g_string_append_printf(text, "%u\n", functions->names->len);
    return 0;
}

/* sriov_numvfs_store() */
static int number_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    Functions *functions = owner;
    unsigned number = strtoul(value, NULL, 0);

    if (number > functions->total)
        return -ERANGE;
    if (functions->changing)
        return device_wait_lock(functions->device, request);
    if (number == functions->names->len)
        return 0;
    if (!functions->device->driver)
        return -ENOENT;
    if (number == 0) {
        remove_functions(functions);
        device_event(functions->device, "change");
        return 0;
    }
    if (functions->names->len > 0)
        return -EBUSY;
    functions->wanted = number;
    functions->changing = request;
    (void) sd_event_add_time_relative(functions->device->machine->event, &functions->timer, CLOCK_MONOTONIC,
                                      ENABLE_USEC, 1, on_enabled, functions);
    return 1;
}

static int autoprobe_show(Node *node, void *owner, GString *text)
{
    const Functions *functions = owner;

    g_string_append(text, functions->autoprobe ? "1\n" : "0\n");
    return 0;
}

/* kstrtobool(), as far as it is used. */
static int autoprobe_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    Functions *functions = owner;

    if (*value != '0' && *value != '1')
        return -EINVAL;
    functions->autoprobe = *value == '1';
    return 0;
}

Functions *functions_new(Device *device, unsigned total)
{
    static const AttributeOperations number = {number_show, number_store};
    static const AttributeOperations autoprobe = {autoprobe_show, autoprobe_store};
    Functions *functions = g_new0(Functions, 1);
    Tree *tree = device->machine->tree;

    functions->device = device;
    functions->total = total;
    functions->autoprobe = true;
    functions->names = g_ptr_array_new_with_free_func(g_free);
    (void) tree_add_constant(tree, device->node, "sriov_totalvfs", "%u", total);
    (void) tree_add_constant(tree, device->node, "sriov_vf_device", "%x", device->product);
    (void) tree_add_attribute(tree, device->node, "sriov_numvfs", 0644, &number, functions);
    (void) tree_add_attribute(tree, device->node, "sriov_drivers_autoprobe", 0644, &autoprobe, functions);
    return functions;
}

Functions *functions_free(Functions *functions)
{
    Request *request;

    if (!functions)
        return NULL;
    functions->timer = sd_event_source_disable_unref(functions->timer);
    request = g_steal_pointer(&functions->changing);
    if (request)
        request_complete(request, -ENODEV);
    remove_functions(functions);
    g_ptr_array_unref(functions->names);
    g_free(functions);
    return NULL;
}

static char *link_name(const Device *device)
{
    const Functions *functions = device->physical->functions;
    guint index = 0;

    (void) g_ptr_array_find_with_equal_func(functions->names, device->name, g_str_equal, &index);
    return g_strdup_printf("virtfn%u", index);
}

void function_link(Device *device)
{
    g_autofree char *name = link_name(device);
    Tree *tree = device->machine->tree;

    (void) tree_add_link_to(tree, device->physical->node, name, device->node);
    (void) tree_add_link_to(tree, device->node, "physfn", device->physical->node);
    device_event(device, "change");
}

void function_unlink(Device *device)
{
    g_autofree char *name = link_name(device);
    Tree *tree = device->machine->tree;

    tree_remove_child(tree, device->physical->node, name);
    tree_remove_child(tree, device->node, "physfn");
}
