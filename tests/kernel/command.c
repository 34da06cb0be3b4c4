/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fake-bus.h"
#include "fake-device.h"
#include "fake-group.h"
#include "fault.h"
#include "uevent.h"

/* WORDS are those after the command's name. */
typedef int (*CommandFunction)(Machine *machine, char **words, GPtrArray *lines);

static int run_generation(Machine *machine, char **words, GPtrArray *lines)
{
    if (!g_str_equal(words[0], "6.1") && !g_str_equal(words[0], "6.12"))
        return -EINVAL;
    machine->exact = g_str_equal(words[0], "6.12");
    return 0;
}

static int run_boot_default(Machine *machine, char **words, GPtrArray *lines)
{
    if (!type_word(words[0]))
        return -EINVAL;
    machine->boot_default = type_word(words[0]);
    return 0;
}

static int run_async_ms(Machine *machine, char **words, GPtrArray *lines)
{
    machine->async_ms = atoi(words[0]);
    return 0;
}

static int run_iommu(Machine *machine, char **words, GPtrArray *lines)
{
    return iommu_add(machine, words);
}

static int run_bus(Machine *machine, char **words, GPtrArray *lines)
{
    if (bus_get(machine, words[0]))
        return -EEXIST;
    (void) bus_new(machine, words[0]);
    return 0;
}

static int run_driver(Machine *machine, char **words, GPtrArray *lines)
{
    return driver_add(machine, words);
}

static int run_driver_remove(Machine *machine, char **words, GPtrArray *lines)
{
    return driver_remove(machine, words);
}

static int run_group(Machine *machine, char **words, GPtrArray *lines)
{
    Group *group = group_make(machine, strtoul(words[0], NULL, 10), NULL);
    const char *type = words_value(words, "type");

    if (type)
        group->type = type_word(type);
    group->static_domain = g_strcmp0(type, "static") == 0;
    return 0;
}

static int run_device(Machine *machine, char **words, GPtrArray *lines)
{
    return device_add(machine, words);
}

static int run_remove(Machine *machine, char **words, GPtrArray *lines)
{
    Device *device = device_get(machine, words[0]);

    if (!device)
        return -ENODEV;
    device_remove(device);
    return 0;
}

static int run_rescan(Machine *machine, char **words, GPtrArray *lines)
{
    devices_rescan(machine);
    return 0;
}

static bool same_key(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");

    return length == strcspn(b, "=") && strncmp(a, b, length) == 0;
}

/* The description of what was removed last, with WORDS in the place of those with the same key. */
static void describe_anew(Machine *machine, char *const *words)
{
    GPtrArray *unplugged = machine->unplugged;
    g_auto(GStrv) old = unplugged->pdata[unplugged->len - 1];
    g_autoptr(GStrvBuilder) description = g_strv_builder_new();

    for (char **word = old; *word; word++) {
        bool replaced = false;

        for (char *const *other = words; *other; other++)
            replaced |= strchr(*word, '=') && same_key(*word, *other);
        if (!replaced)
            g_strv_builder_add(description, *word);
    }
    g_strv_builder_addv(description, (const char **) words);
    unplugged->pdata[unplugged->len - 1] = g_strv_builder_end(description);
}

static int run_replug(Machine *machine, char **words, GPtrArray *lines)
{
    GPtrArray *others = g_steal_pointer(&machine->unplugged);
    int r;

    machine->unplugged = g_ptr_array_new_with_free_func((GDestroyNotify) g_strfreev);
    r = run_remove(machine, words, lines);
    if (r == 0) {
        describe_anew(machine, words + 1);
        devices_rescan(machine);
    }
    g_ptr_array_unref(machine->unplugged);
    machine->unplugged = others;
    return r;
}

static int run_child(Machine *machine, char **words, GPtrArray *lines)
{
    Device *device = device_get(machine, words[0]);

    if (!device)
        return -ENODEV;
    g_free(device->child);
    device->child = g_strdup(words[1]);
    return 0;
}

static int run_probe(Machine *machine, char **words, GPtrArray *lines)
{
    return probe_fault_add(machine, words);
}

static int run_vfio(Machine *machine, char **words, GPtrArray *lines)
{
    static const char *const states[] = {"none", "open", "owned", NULL};
    Group *group = group_get(machine, strtoul(words[0], NULL, 10));

    if (!group)
        return -ENOENT;
    for (int state = 0; states[state]; state++)
        if (g_str_equal(words[1], states[state])) {
            group_set_vfio(group, state);
            return 0;
        }
    return -EINVAL;
}

static Node *folder_of(Machine *machine, const char *path, char **ret_name)
{
    g_autofree char *folder = g_path_get_dirname(path);

    *ret_name = g_path_get_basename(path);
    return tree_add_directories(machine->tree, g_str_equal(folder, ".") ? "" : folder);
}

static int run_file(Machine *machine, char **words, GPtrArray *lines)
{
    g_autofree char *name = NULL, *text = g_strcompress(words[1]);
    Node *folder = folder_of(machine, words[0], &name), *old = node_child(folder, name);

    if (old && S_ISREG(old->mode) && !old->operations)
        g_string_assign(old->text, text);
    else
        (void) tree_add_file(machine->tree, folder, name, text);
    return 0;
}

/* An attribute without meaning: it takes whatever is written. */
static int plain_store(Node *node, void *owner, const char *value, size_t length, struct Request *request)
{
    g_string_assign(node->text, value);
    return 0;
}

static int run_attribute(Machine *machine, char **words, GPtrArray *lines)
{
    static const AttributeOperations writable = {NULL, plain_store}, constant = {};
    bool read_only = words_have(words + 2, "read-only");
    g_autofree char *name = NULL, *text = g_strcompress(words[1]);
    Node *folder = folder_of(machine, words[0], &name), *node;

    node = tree_add_attribute(machine->tree, folder, name, read_only ? 0444 : 0644,
                              read_only ? &constant : &writable, NULL);
    g_string_printf(node->text, "%s\n", text);
    return 0;
}

static int run_directory(Machine *machine, char **words, GPtrArray *lines)
{
    (void) tree_add_directories(machine->tree, words[0]);
    return 0;
}

static int run_link(Machine *machine, char **words, GPtrArray *lines)
{
    g_autofree char *name = NULL;
    Node *folder = folder_of(machine, words[0], &name);

    (void) tree_add_link(machine->tree, folder, name, words[1]);
    return 0;
}

static int run_unlink(Machine *machine, char **words, GPtrArray *lines)
{
    Node *node = tree_find(machine->tree, words[0]);

    if (!node)
        return -ENOENT;
    tree_remove(machine->tree, node);
    return 0;
}

static int run_node(Machine *machine, char **words, GPtrArray *lines)
{
    g_autofree char *name = NULL;
    Node *node;

    if (g_strv_length(words) != 4)
        return -EINVAL;
    node = tree_add(machine->tree, folder_of(machine, words[0], &name), name,
                    (*words[1] == 'b' ? S_IFBLK : S_IFCHR) | 0600);
    node->device_number = makedev(atoi(words[2]), atoi(words[3]));
    return 0;
}

static void add_lines(GPtrArray *lines, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "\n", -1);

    for (char **part = parts; *part; part++)
        if (part[1] || **part != '\0')
            g_ptr_array_add(lines, g_strdup(*part));
}

static int run_cat(Machine *machine, char **words, GPtrArray *lines)
{
    Node *node = tree_find(machine->tree, words[0]);
    g_autoptr(GString) text = g_string_new(NULL);
    int r = 0;

    if (!node || !S_ISREG(node->mode))
        return -ENOENT;
    if (node->operations && node->operations->show)
        r = node->operations->show(node, node->owner, text);
    else
        g_string_append_len(text, node->text->str, node->text->len);
    add_lines(lines, text->str);
    return r;
}

static int run_readlink(Machine *machine, char **words, GPtrArray *lines)
{
    Node *node = tree_find(machine->tree, words[0]);

    if (!node || !S_ISLNK(node->mode))
        return -ENOENT;
    g_ptr_array_add(lines, g_strdup(node->text->str));
    return 0;
}

static int run_event(Machine *machine, char **words, GPtrArray *lines)
{
    g_autofree char *properties = g_strjoinv("\n", words + 2);
    Node *node = tree_find(machine->tree, words[1]), *link = node ? node_child(node, "subsystem") : NULL;
    g_autofree char *subsystem = link ? g_path_get_basename(link->text->str) : g_strdup("pci");

    if (!node)
        return -ENOENT;
    uevent_send(machine, words[0], node, subsystem, properties);
    return 0;
}

static int run_watch(Machine *machine, char **words, GPtrArray *lines)
{
    faults_watch(machine->faults, words[0]);
    return 0;
}

static int run_rule(Machine *machine, char **words, GPtrArray *lines)
{
    return faults_add_rule(machine->faults, words);
}

static int run_rule_remove(Machine *machine, char **words, GPtrArray *lines)
{
    return faults_remove_rule(machine->faults, words[0]);
}

static int run_release(Machine *machine, char **words, GPtrArray *lines)
{
    return faults_release(machine->faults, words[0]);
}

static int run_matched(Machine *machine, char **words, GPtrArray *lines)
{
    Rule *rule = faults_rule(machine->faults, words[0]);

    if (!rule)
        return -ENOENT;
    g_ptr_array_add(lines, g_strdup_printf("%u", rule->matched));
    return 0;
}

static int run_log(Machine *machine, char **words, GPtrArray *lines)
{
    faults_log_lines(machine->faults, lines);
    return 0;
}

static int run_count(Machine *machine, char **words, GPtrArray *lines)
{
    int count = faults_count(machine->faults, words);

    if (count >= 0)
        g_ptr_array_add(lines, g_strdup_printf("%d", count));
    return count < 0 ? count : 0;
}

static int run_log_clear(Machine *machine, char **words, GPtrArray *lines)
{
    faults_log_clear(machine->faults);
    return 0;
}

static const struct {
    const char *name;
    guint words;                /* at least */
    CommandFunction function;
} commands[] = {
    {"generation", 1, run_generation},
    {"boot-default", 1, run_boot_default},
    {"async-ms", 1, run_async_ms},
    {"iommu", 1, run_iommu},
    {"bus", 1, run_bus},
    {"driver", 2, run_driver},
    {"driver-remove", 2, run_driver_remove},
    {"group", 1, run_group},
    {"device", 2, run_device},
    {"remove", 1, run_remove},
    {"rescan", 0, run_rescan},
    {"replug", 1, run_replug},
    {"child", 2, run_child},
    {"probe", 2, run_probe},
    {"vfio", 2, run_vfio},
    {"file", 2, run_file},
    {"attribute", 2, run_attribute},
    {"directory", 1, run_directory},
    {"link", 2, run_link},
    {"unlink", 1, run_unlink},
    {"node", 4, run_node},
    {"cat", 1, run_cat},
    {"readlink", 1, run_readlink},
    {"event", 2, run_event},
    {"watch", 1, run_watch},
    {"rule", 2, run_rule},
    {"rule-remove", 1, run_rule_remove},
    {"release", 1, run_release},
    {"matched", 1, run_matched},
    {"log", 0, run_log},
    {"count", 0, run_count},
    {"log-clear", 0, run_log_clear},
};

int command_run(Machine *machine, const char *line, GPtrArray *lines)
{
    g_auto(GStrv) words = NULL;

    if (!g_shell_parse_argv(line, NULL, &words, NULL))
        return -EINVAL;
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (g_str_equal(commands[i].name, words[0])) {
            if (g_strv_length(words + 1) < commands[i].words)
                return -EINVAL;
            return commands[i].function(machine, words + 1, lines);
        }
    return -EOPNOTSUPP;
}

void command_run_quietly(Machine *machine, const char *line)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    int r = command_run(machine, line, lines);

    if (r < 0)
        fprintf(stderr, "fake-kernel: %s: %s\n", line, strerror(-r));
}

int command_run_file(Machine *machine, const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) parts = NULL;
    g_autoptr(GError) error = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error)) {
        fprintf(stderr, "fake-kernel: %s\n", error->message);
        return -ENOENT;
    }
    parts = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; parts[i]; i++) {
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
        const char *line = g_strstrip(parts[i]);
        int r;

        if (*line == '\0' || *line == '#')
            continue;
        r = command_run(machine, line, lines);
        if (r < 0) {
            fprintf(stderr, "fake-kernel: %s:%u: %s\n", path, i + 1, strerror(-r));
            return r;
        }
    }
    return 0;
}

void command_add_attributes(Machine *machine, Node *node, char *const *words)
{
    for (; *words; words++) {
        const char *value = strchr(*words, '=');
        g_autofree char *name = NULL, *folder = NULL, *text = NULL, *path = NULL, *below = node_path(node);

        if (!g_str_has_prefix(*words, "attr:") || !value)
            continue;
        name = g_strndup(*words + 5, value - *words - 5);
        folder = g_path_get_dirname(name);
        path = g_str_equal(folder, ".") ? g_strdup(below) : g_build_filename(below, folder, NULL);
        text = g_path_get_basename(name);
        (void) tree_add_constant(machine->tree, tree_add_directories(machine->tree, path), text, "%s",
                                 value + 1);
    }
}
