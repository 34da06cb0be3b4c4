/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-tree.h"

#include <string.h>

#include "inventory.h"

typedef struct Leaf {
    const char *path; /* below /sys/devices, borrowed */
    GVariant *device, *group;
} Leaf;

/* A row under which others may come. */
typedef struct Branch {
    char *path;
    TableRow *row;
} Branch;

static void branch_clear(void *p)
{
    g_free(((Branch *) p)->path);
}

/* The end of a path comes first, then the end of a folder's name, so that what is below a folder follows
 * it. */
static int rank(char c)
{
    return c == '\0' ? 0 : c == '/' ? 1 : (unsigned char) c + 1;
}

static int compare_by_path(const void *a, const void *b)
{
    const char *first = ((const Leaf *) a)->path, *second = ((const Leaf *) b)->path;

    while (*first && *first == *second) {
        first++;
        second++;
    }
    return rank(*first) - rank(*second);
}

static GArray *sorted_leaves(GHashTable *objects, const GPtrArray *groups)
{
    GArray *leaves = g_array_new(FALSE, FALSE, sizeof(Leaf));

    for (guint i = 0; i < groups->len; i++) {
        g_autoptr(GPtrArray) members = inventory_members(objects, groups->pdata[i]);

        for (guint j = 0; j < members->len; j++) {
            const Leaf leaf = {inventory_path(members->pdata[j]), members->pdata[j], groups->pdata[i]};

            g_array_append_val(leaves, leaf);
        }
    }
    g_array_sort(leaves, compare_by_path);
    return leaves;
}

static TableRow *add_leaf(Table *table, TableRow *parent, const Leaf *leaf)
{
    g_autofree char *id = g_strdup_printf("%u", property_u32(leaf->group, "Id"));
    g_autofree char *state = group_state_text(leaf->group);
    const char *const cells[] = {
        property_string(leaf->device, "Name"),
        id,
        or_dash(property_string(leaf->group, "Type")),
        or_dash(property_string(leaf->group, "WantedType")),
        state,
        or_dash(property_string(leaf->device, "Driver")),
        property_string(leaf->device, "ModelName"),
    };
    TableRow *row = table_add(table, parent, cells);

    table_paint(row, 4, group_state_colour(leaf->group));
    return row;
}

static void push(GArray *branches, char *path, TableRow *row)
{
    const Branch branch = {path, row};

    g_array_append_val(branches, branch);
}

static bool is_below(const char *path, const char *ancestor)
{
    size_t length = strlen(ancestor);

    return strncmp(path, ancestor, length) == 0 && path[length] == '/';
}

/* The row that PATH belongs under; a row for the root of its bus, "pci0000:00", is made where there is
 * none. */
static TableRow *find_parent(Table *table, GArray *branches, const char *path)
{
    char *root;

    while (branches->len > 0 && !is_below(path, g_array_index(branches, Branch, branches->len - 1).path))
        g_array_set_size(branches, branches->len - 1);

    if (branches->len == 0 && strchr(path, '/')) {
        root = g_strndup(path, strcspn(path, "/"));
        const char *const cells[] = {root, "", "", "", "", "", ""};

        push(branches, root, table_add(table, NULL, cells));
    }
    return branches->len > 0 ? g_array_index(branches, Branch, branches->len - 1).row : NULL;
}

Table *device_tree(GHashTable *objects, const GPtrArray *groups)
{
    static const char *const headers[] = {"DEVICE", "GROUP",  "TYPE",  "WANTED",
                                          "STATE",  "DRIVER", "MODEL", NULL};
    g_autoptr(GArray) leaves = sorted_leaves(objects, groups);
    g_autoptr(GArray) branches = g_array_new(FALSE, FALSE, sizeof(Branch));
    Table *table = table_new(headers, true);

    g_array_set_clear_func(branches, branch_clear);
    for (guint i = 0; i < leaves->len; i++) {
        const Leaf *leaf = &g_array_index(leaves, Leaf, i);
        TableRow *parent = find_parent(table, branches, leaf->path);

        push(branches, g_strdup(leaf->path), add_leaf(table, parent, leaf));
    }
    return table;
}
