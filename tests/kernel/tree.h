/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * The nodes that the fake kernel serves. A node keeps its number for as long as it lives and no number is
 * ever given twice, as with kernfs: a device that comes back is a new directory with a new inode. A removed
 * node stays in memory while the kernel knows it or has it open, but nothing can be found below it any
 * more.
 */
typedef struct Tree Tree;
typedef struct Node Node;
struct Request;

/* What an attribute of sysfs does. OWNER is the object the attribute was made for. */
typedef struct AttributeOperations {
    /* Appends what a read gives. Returns 0 or a negative errno. NULL: the node's own text. */
    int (*show)(Node *node, void *owner, GString *text);
    /* Takes what was written (NUL-terminated, LENGTH bytes). Returns 0, a negative errno, or 1 if it keeps
     * REQUEST and will finish it later with request_complete(). NULL: a write fails with EIO. */
    int (*store)(Node *node, void *owner, const char *value, size_t length, struct Request *request);
} AttributeOperations;

struct Node {
    uint64_t number;
    char *name;
    Node *parent;               /* NULL for the root and for removed nodes */
    mode_t mode;
    uid_t uid;
    gid_t gid;
    dev_t device_number;        /* of block and character nodes */
    struct timespec modified;
    GHashTable *children;       /* of directories: name -> Node, the tree's own reference */
    GString *text;              /* of plain files, attributes, and links (the target) */
    const AttributeOperations *operations;      /* NULL: not an attribute */
    void *owner;
    uint64_t lookups;           /* how often the kernel has been told of it */
    unsigned users;             /* open files and requests in progress */
    bool removed;
    char *last_path;            /* of a removed node, for the log */
};

Tree *tree_new(void);
Tree *tree_free(Tree *tree);

/* The node with this number, removed or not, or NULL. */
Node *tree_get(Tree *tree, uint64_t number);

/* The node at PATH (relative to the root, links are not followed), or NULL. */
Node *tree_find(Tree *tree, const char *path);

/* The child NAME of DIRECTORY, or NULL. */
Node *node_child(const Node *directory, const char *name);

/* Adds a node; an existing one of that name is removed first. MODE has the file type. Never NULL. */
Node *tree_add(Tree *tree, Node *directory, const char *name, mode_t mode);

/* Adds the directory at PATH and those above it, unless they exist. */
Node *tree_add_directories(Tree *tree, const char *path);
Node *tree_add_link(Tree *tree, Node *directory, const char *name, const char *target);
/* A link that leads from DIRECTORY/NAME to TARGET, written relatively, as the kernel writes them. */
Node *tree_add_link_to(Tree *tree, Node *directory, const char *name, const Node *target);
Node *tree_add_file(Tree *tree, Node *directory, const char *name, const char *text);
Node *tree_add_attribute(Tree *tree, Node *directory, const char *name, mode_t permissions,
                         const AttributeOperations *operations, void *owner);
/* An attribute that always reads TEXT and a newline. */
Node *tree_add_constant(Tree *tree, Node *directory, const char *name, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Takes a node and all below it out of the tree. NULL is accepted. */
void tree_remove(Tree *tree, Node *node);
void tree_remove_child(Tree *tree, Node *directory, const char *name);

/* Moves NODE to DIRECTORY/NAME in place of what is there. */
void tree_rename(Tree *tree, Node *node, Node *directory, const char *name);

/* Frees a removed node that nobody knows any more; call after lowering lookups or users. */
void tree_release(Tree *tree, Node *node);

/* The path of NODE, relative to the root; of a removed node the one it had. Owned by the caller. */
char *node_path(const Node *node);

/* The size that stat(2) shows. */
off_t node_size(const Node *node);
