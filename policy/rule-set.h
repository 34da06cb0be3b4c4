/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "facts.h"
#include "rule.h"

/*
 * All rules in force: immutable once loaded, shared by reference. Loading never changes an older set: the
 * caller swaps after it has seen the new one.
 *
 * A set is *frozen* while any file on disk is refused: it may then tighten before a driver binds or live,
 * and neither relaxes nor unbinds.
 */
typedef struct RuleSet RuleSet;

/*
 * Reads the *.conf files of the four rule directories below ROOT_FD (an fd of "/", or of a tree that stands
 * for it).
 *
 * PREVIOUS is the set in force, or NULL at start. If every file is readable and sound, the result is a new
 * set. Else the result is frozen: with PREVIOUS its rules with the `Forbid=` of readable new files added;
 * without, the readable files alone. PREVIOUS is only borrowed.
 *
 * ret_set           the set, one reference owned by the caller
 * ret_diagnostics   list of Diagnostic, owned by the caller, also on success (warnings)
 *
 * Returns 0; -ENOMEM, or the errno of a directory that exists but cannot be read: then nothing is written.
 */
int rule_set_load(int root_fd, RuleSet *previous, RuleSet **ret_set, GPtrArray **ret_diagnostics);

/* As rule_set_load() without a previous set, for who will not ask rule_set_changed_on_disk(), which says no
 * for it: what that would need later is not looked up. */
int rule_set_load_once(int root_fd, RuleSet **ret_set, GPtrArray **ret_diagnostics);

/* Reads the given files alone, in the order of their names (`iommuctl check FILE`, `iommuctl test FILE`): no
 * directory search. The ownership of the files is not judged. Otherwise like rule_set_load() without a
 * previous set. A path that starts with a slash is looked up below ROOT_FD, another below the working
 * directory. */
int rule_set_load_files(int root_fd, char **files, RuleSet **ret_set, GPtrArray **ret_diagnostics);

void rule_set_unref(RuleSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RuleSet, rule_set_unref)

bool rule_set_is_frozen(const RuleSet *set);

/* The paths of the files in force, in order ("/etc/iommu-policy.d/30-x.conf"), NULL-terminated, borrowed. */
const char *const *rule_set_files(const RuleSet *set);

/* The rules in force, in order: array of `const Rule *`, borrowed. */
const GPtrArray *rule_set_rules(const RuleSet *set);

/* SHA-256, hex, of names and contents of all files in force: equal sets have equal digests. Borrowed. */
const char *rule_set_digest(const RuleSet *set);

/* True if what load() read is no longer what stands below ROOT_FD (names, sizes, times, inodes; no content
 * is read). */
bool rule_set_changed_on_disk(const RuleSet *set, int root_fd);

/*
 * Calls VISIT for each rule that matches FACTS or may match (TRISTATE_UNKNOWN), in order, and for no other;
 * until it returns false. Exact keys (ids, addresses, classes) are looked up in an index, so most rules are
 * never touched.
 */
typedef bool (*RuleVisit)(const Rule *rule, Tristate match, void *userdata);
void rule_set_match(const RuleSet *set, const DeviceFacts *device, const HostFacts *host, RuleVisit visit,
                    void *userdata);
