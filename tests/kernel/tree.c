/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <string.h>
#include <time.h>

struct Tree {
    Node *root;
    GHashTable *by_number;      /* uint64_t -> Node, those removed included */
    uint64_t last_number;
};

static void node_free(gpointer data)
{
    Node *node = data;

    if (node->children)
        g_hash_table_unref(node->children);
    if (node->text)
        g_string_free(node->text, TRUE);
    g_free(node->name);
    g_free(node->last_path);
    g_free(node);
}

static Node *node_new(Tree *tree, const char *name, mode_t mode)
{
    Node *node = g_new0(Node, 1);

    node->number = ++tree->last_number;
    node->name = g_strdup(name);
    node->mode = mode;
    (void) clock_gettime(CLOCK_REALTIME, &node->modified);
    if (S_ISDIR(mode))
        node->children = g_hash_table_new(g_str_hash, g_str_equal);
    else
        node->text = g_string_new(NULL);
    g_hash_table_insert(tree->by_number, &node->number, node);
    return node;
}

Tree *tree_new(void)
{
    Tree *tree = g_new0(Tree, 1);

    tree->by_number = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, node_free);
    tree->root = node_new(tree, "", S_IFDIR | 0755);
    return tree;
}

Tree *tree_free(Tree *tree)
{
    if (!tree)
        return NULL;
    g_hash_table_unref(tree->by_number);
    g_free(tree);
    return NULL;
}

Node *tree_get(Tree *tree, uint64_t number)
{
    return g_hash_table_lookup(tree->by_number, &number);
}

Node *node_child(const Node *directory, const char *name)
{
    return directory->children ? g_hash_table_lookup(directory->children, name) : NULL;
}

Node *tree_find(Tree *tree, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    Node *node = tree->root;

    for (char **part = parts; *part && node; part++)
        if (**part != '\0')
            node = node_child(node, *part);
    return node;
}

Node *tree_add(Tree *tree, Node *directory, const char *name, mode_t mode)
{
    Node *node = node_new(tree, name, mode);

    tree_remove_child(tree, directory, name);
    node->parent = directory;
    (void) clock_gettime(CLOCK_REALTIME, &directory->modified);
    g_hash_table_insert(directory->children, node->name, node);
    return node;
}

Node *tree_add_directories(Tree *tree, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    Node *node = tree->root;

    for (char **part = parts; *part; part++) {
        Node *child;

        if (**part == '\0')
            continue;
        child = node_child(node, *part);
        node = child ?: tree_add(tree, node, *part, S_IFDIR | 0755);
    }
    return node;
}

Node *tree_add_link(Tree *tree, Node *directory, const char *name, const char *target)
{
    Node *node = tree_add(tree, directory, name, S_IFLNK | 0777);

    g_string_assign(node->text, target);
    return node;
}

Node *tree_add_link_to(Tree *tree, Node *directory, const char *name, const Node *target)
{
    g_autofree char *from = node_path(directory), *to = node_path(target);
    g_auto(GStrv) from_parts = g_strsplit(from, "/", -1), to_parts = g_strsplit(to, "/", -1);
    g_autoptr(GString) text = g_string_new(NULL);
    guint common = 0;

    while (from_parts[common] && to_parts[common] && g_str_equal(from_parts[common], to_parts[common]))
        common++;
    for (guint i = common; from_parts[i]; i++)
        g_string_append(text, "../");
    for (guint i = common; to_parts[i]; i++)
        g_string_append_printf(text, "%s%s", i > common ? "/" : "", to_parts[i]);
    return tree_add_link(tree, directory, name, text->str);
}

Node *tree_add_file(Tree *tree, Node *directory, const char *name, const char *text)
{
    Node *node = tree_add(tree, directory, name, S_IFREG | 0644);

    g_string_assign(node->text, text);
    return node;
}

Node *tree_add_attribute(Tree *tree, Node *directory, const char *name, mode_t permissions,
                         const AttributeOperations *operations, void *owner)
{
    Node *node = tree_add(tree, directory, name, S_IFREG | permissions);

    node->operations = operations;
    node->owner = owner;
    return node;
}

Node *tree_add_constant(Tree *tree, Node *directory, const char *name, const char *format, ...)
{
    static const AttributeOperations constant = {};
    Node *node = tree_add_attribute(tree, directory, name, 0444, &constant, NULL);
    va_list arguments;

    va_start(arguments, format);
    g_string_vprintf(node->text, format, arguments);
    va_end(arguments);
    g_string_append_c(node->text, '\n');
    return node;
}

void tree_release(Tree *tree, Node *node)
{
    if (node->removed && node->lookups == 0 && node->users == 0)
        g_hash_table_remove(tree->by_number, &node->number);
}

void tree_remove(Tree *tree, Node *node)
{
    if (!node || node->removed)
        return;

    node->last_path = node_path(node);
    if (node->children) {
        g_autoptr(GList) children = g_hash_table_get_values(node->children);

        for (GList *l = children; l; l = l->next)
            tree_remove(tree, l->data);
    }
    if (node->parent) {
        g_hash_table_remove(node->parent->children, node->name);
        (void) clock_gettime(CLOCK_REALTIME, &node->parent->modified);
    }
    node->parent = NULL;
    node->owner = NULL;
    node->removed = true;
    tree_release(tree, node);
}

void tree_remove_child(Tree *tree, Node *directory, const char *name)
{
    tree_remove(tree, node_child(directory, name));
}

void tree_rename(Tree *tree, Node *node, Node *directory, const char *name)
{
    if (node->parent == directory && g_str_equal(node->name, name))
        return;

    tree_remove_child(tree, directory, name);
    g_hash_table_remove(node->parent->children, node->name);
    g_free(node->name);
    node->name = g_strdup(name);
    node->parent = directory;
    g_hash_table_insert(directory->children, node->name, node);
}

char *node_path(const Node *node)
{
    g_autoptr(GString) path = g_string_new(NULL);

    if (node->removed)
        return g_strdup(node->last_path);
    for (; node->parent; node = node->parent) {
        if (path->len > 0)
            g_string_prepend_c(path, '/');
        g_string_prepend(path, node->name);
    }
    return g_strdup(path->str);
}

off_t node_size(const Node *node)
{
    if (node->operations)
        return 4096;
    return node->text ? (off_t) node->text->len : 0;
}
