/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "client.h"

/* One word that iommuctl understands. Each stands in the file of its family; main.c holds the list of all.
 */
typedef struct Verb {
    const char *name;
    const char *arguments;       /* as --help prints them: "TARGET TYPE" */
    const char *summary;         /* one line; NULL: for programs, and not in the list of --help */
    const char *description;     /* for --help of this verb */
    const GOptionEntry *options; /* beside those of every verb, or NULL */
    unsigned min_arguments, max_arguments;
    bool offline;       /* does not ask the daemon */
    bool authorises;    /* the daemon may want a password */
    bool takes_command; /* options end at the first argument: what follows is somebody else's command line */

    /* ARGUMENTS: what follows the verb, options taken out, NULL-terminated, as many as allowed. Returns the
     * exit code (refusal.h), or -errno with the reason in CLIENT. */
    int (*run)(Client *client, char **arguments);
} Verb;

/* verb-list.c */
/* What will happen to the group with these properties when the machine is booted; NULL: nothing that is
 * waited for. The caller frees it. */
char *next_boot_text(GVariant *group);

extern const Verb verb_list, verb_show;
/* verb-rules.c */
extern const Verb verb_rules;
/* verb-why.c */
extern const Verb verb_why, verb_plan, verb_usage;
/* verb-features.c */
extern const Verb verb_features;
/* verb-set.c */
extern const Verb verb_set, verb_revert, verb_apply, verb_reload, verb_inhibit;
/* verb-targets.c */
extern const Verb verb_targets;
/* verb-check.c */
extern const Verb verb_check, verb_test;
/* verb-doctor.c */
extern const Verb verb_doctor;
/* verb-export.c */
extern const Verb verb_export;
/* verb-monitor.c */
extern const Verb verb_monitor;
