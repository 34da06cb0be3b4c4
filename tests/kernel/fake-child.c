/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-child.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "request.h"
#include "uevent.h"

struct Child {
    Machine *machine;
    char *subsystem;
    char *properties;
    Node *node;
    GPtrArray *links;           /* Node: in sys/class and elsewhere */
};

/* Remembers NODE to take it away with the child; it may be removed by others before. */
static Node *keep(Child *child, Node *node)
{
    node->users++;
    g_ptr_array_add(child->links, node);
    return node;
}

static void drop(gpointer data, gpointer tree)
{
    Node *node = data;

    node->users--;
    if (node->removed)
        tree_release(tree, node);
    else
        tree_remove(tree, node);
}

static int child_uevent_show(Node *node, void *owner, GString *text)
{
    const Child *child = owner;

    g_string_append(text, child->properties);
    return 0;
}

static int child_uevent_store(Node *node, void *owner, const char *value, size_t length, Request *request)
{
    const Child *child = owner;

    return uevent_synthesize(child->machine, value, child->node, child->subsystem, child->properties);
}

static Child *child_new(Device *device, const char *path, const char *subsystem, char *properties)
{
    static const AttributeOperations uevent = {child_uevent_show, child_uevent_store};
    Tree *tree = device->machine->tree;
    g_autofree char *parent_path = node_path(device->node);
    g_autofree char *full = g_build_filename(parent_path, path, NULL);
    g_autofree char *class_path = g_strdup_printf("sys/class/%s", subsystem), *name = NULL;
    Node *class = tree_add_directories(tree, class_path);
    Child *child = g_new0(Child, 1);

    child->machine = device->machine;
    child->subsystem = g_strdup(subsystem);
    child->properties = properties;
    child->links = g_ptr_array_new();
    child->node = tree_add_directories(tree, full);
    name = g_path_get_basename(path);
    (void) tree_add_attribute(tree, child->node, "uevent", 0644, &uevent, child);
    (void) tree_add_link_to(tree, child->node, "subsystem", class);
    (void) keep(child, tree_add_link_to(tree, class, name, child->node));
    g_ptr_array_add(device->children, child);
    return child;
}

static void net_start(Device *device, const char *name)
{
    Tree *tree = device->machine->tree;
    g_autofree char *path = g_strdup_printf("net/%s", name);
    unsigned index = 2 + device->class % 7 + strlen(device->name);
    Child *child = child_new(device, path, "net",
                             g_strdup_printf("INTERFACE=%s\nIFINDEX=%u\n", name, index));

    (void) tree_add_link_to(tree, child->node, "device", device->node);
    (void) tree_add_constant(tree, child->node, "address", "52:54:00:12:34:%02x", index & 0xff);
    (void) tree_add_constant(tree, child->node, "addr_assign_type", "0");
    (void) tree_add_constant(tree, child->node, "dev_id", "0x0");
    (void) tree_add_constant(tree, child->node, "dev_port", "0");
    (void) tree_add_constant(tree, child->node, "flags", "0x1002");
    (void) tree_add_constant(tree, child->node, "ifindex", "%u", index);
    (void) tree_add_constant(tree, child->node, "iflink", "%u", index);
    (void) tree_add_constant(tree, child->node, "operstate", "down");
    (void) tree_add_constant(tree, child->node, "type", "1");
    uevent_send(device->machine, "add", child->node, "net", child->properties);
}

/* What devtmpfs and sys/dev do for a device number. */
static void add_number(Child *child, mode_t type, const char *name, unsigned major, unsigned minor)
{
    Tree *tree = child->machine->tree;
    g_autofree char *number = g_strdup_printf("%u:%u", major, minor);
    Node *folder = tree_add_directories(tree, type == S_IFBLK ? "sys/dev/block" : "sys/dev/char"), *node;

    (void) tree_add_constant(tree, child->node, "dev", "%s", number);
    (void) keep(child, tree_add_link_to(tree, folder, number, child->node));
    node = keep(child, tree_add(tree, tree_add_directories(tree, "dev"), name, type | 0600));
    node->device_number = makedev(major, minor);
}

/* The number at the end of a controller's name. */
static unsigned instance(const char *name)
{
    return atoi(name + strcspn(name, "0123456789"));
}

static int nvme_state_show(Node *node, void *owner, GString *text)
{
    const Device *device = owner;

    g_string_append(text, device->probing ? "connecting\n" : "live\n");
    return 0;
}

static void nvme_start(Device *device, const char *name)
{
    static const AttributeOperations state = {nvme_state_show, NULL};
    Tree *tree = device->machine->tree;
    unsigned number = instance(name);
    const char *serial = words_value(device->words, "serial");
    g_autofree char *path = g_strdup_printf("nvme/%s", name), *made_up = g_strdup_printf("FAKE%04u", number);
    Child *child = child_new(device, path, "nvme",
                             g_strdup_printf("MAJOR=241\nMINOR=%u\nDEVNAME=%s\nNVME_TRTYPE=pcie\n",
                                             number, name));

    (void) tree_add_link_to(tree, child->node, "device", device->node);
    (void) tree_add_constant(tree, child->node, "model", "Fake NVMe");
    (void) tree_add_constant(tree, child->node, "serial", "%s", serial ?: made_up);
    (void) tree_add_constant(tree, child->node, "address", "%s", device->name);
    (void) tree_add_attribute(tree, child->node, "state", 0444, &state, device);
    (void) tree_add_constant(tree, child->node, "transport", "pcie");
    add_number(child, S_IFCHR, name, 241, number);
    uevent_send(device->machine, "add", child->node, "nvme", child->properties);
}

static void nvme_finish(Device *device, const char *name)
{
    Tree *tree = device->machine->tree;
    unsigned number = instance(name), sequence = ++device->machine->disk_sequence;
    g_autofree char *disk = g_strdup_printf("%sn1", name), *path = g_strdup_printf("nvme/%s/%s", name, disk);
    Child *child = child_new(device, path, "block",
                             g_strdup_printf("MAJOR=259\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=disk\nDISKSEQ=%u\n",
                                             number * 16, disk, sequence));

    (void) tree_add_link_to(tree, child->node, "device", child->node->parent);
    (void) tree_add(tree, child->node, "holders", S_IFDIR | 0755);
    (void) tree_add(tree, child->node, "slaves", S_IFDIR | 0755);
    (void) tree_add_constant(tree, child->node, "diskseq", "%u", sequence);
    (void) tree_add_constant(tree, child->node, "removable", "0");
    (void) tree_add_constant(tree, child->node, "ro", "0");
    (void) tree_add_constant(tree, child->node, "size", "2097152");
    (void) keep(child, tree_add_link_to(tree, tree_add_directories(tree, "sys/block"), disk, child->node));
    add_number(child, S_IFBLK, disk, 259, number * 16);
    uevent_send(device->machine, "add", child->node, "block", child->properties);
}

static void split(const Device *device, char **ret_kind, char **ret_name)
{
    const char *colon = device->child ? strchr(device->child, ':') : NULL;

    *ret_kind = colon ? g_strndup(device->child, colon - device->child) : NULL;
    *ret_name = colon ? g_strdup(colon + 1) : NULL;
}

void children_start(Device *device)
{
    g_autofree char *kind = NULL, *name = NULL;

    split(device, &kind, &name);
    if (!kind)
        return;
    if (g_str_equal(kind, "net"))
        net_start(device, name);
    else if (g_str_equal(kind, "nvme"))
        nvme_start(device, name);
    else {
        g_autofree char *path = g_build_filename(kind, name, NULL);
        Child *child = child_new(device, path, kind, g_strdup(""));

        (void) tree_add_link_to(device->machine->tree, child->node, "device", device->node);
        uevent_send(device->machine, "add", child->node, kind, NULL);
    }
}

void children_finish(Device *device)
{
    g_autofree char *kind = NULL, *name = NULL;

    split(device, &kind, &name);
    if (kind && g_str_equal(kind, "nvme") && device->children->len == 1 &&
        !words_have(device->words, "no-disk"))
        nvme_finish(device, name);
}

void children_remove(Device *device)
{
    while (device->children->len > 0) {
        Child *child = g_ptr_array_steal_index(device->children, device->children->len - 1);
        Node *folder = child->node->parent;

        uevent_send(device->machine, "remove", child->node, child->subsystem, child->properties);
        g_ptr_array_foreach(child->links, drop, device->machine->tree);
        tree_remove(device->machine->tree, child->node);
        if (folder != device->node && g_hash_table_size(folder->children) == 0)
            tree_remove(device->machine->tree, folder);
        g_ptr_array_unref(child->links);
        g_free(child->subsystem);
        g_free(child->properties);
        g_free(child);
    }
}
