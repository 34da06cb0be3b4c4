/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <check.h>
#include <glib.h>

#include "facts.h"
#include "rule-set.h"

/* A private directory that stands for "/", with the rule directories in it. */
typedef struct RuleTree {
    char *path;
    int root_fd;
} RuleTree;

RuleTree *rule_tree_new(void);
void rule_tree_free(RuleTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RuleTree, rule_tree_free)

/* Writes CONTENT (LENGTH bytes, or to its NUL if -1) to PATH below the tree; the directories are made. */
void rule_tree_write(RuleTree *tree, const char *path, const char *content, gssize length);

/* The real path of PATH below the tree; the caller frees it. */
char *rule_tree_path(const RuleTree *tree, const char *path);

/* Loads and expects ERRORS errors. */
RuleSet *rule_tree_load(RuleTree *tree, RuleSet *previous, unsigned errors);

/* Makes a set of the TEXTS, which become the files 10.conf, 20.conf, ... of etc/iommu-policy.d. */
RuleSet *rules_from_texts(const char *const *texts, size_t n);

/* "one line for a rule": "Class=nvme; Id=144d:* | Any=yes > Type=DMA; Unbind=idle": `;` between keys, `|`
 * between [Match] sections, `>` before [Policy]. Returns the text of the file; the caller frees it. */
char *rule_text(const char *line);

/* An NVMe drive of 144d:a808 whose early facts are all known, trusted, and whose late facts are unknown. */
DeviceFacts *nvme_facts(const char *name);
