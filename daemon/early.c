/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config.h"
#include "diagnostic.h"
#include "early-groups.h"
#include "early-pass.h"
#include "sysfs.h"

/*
 * What is said goes to stderr, which is the journal, or the kernel's log in an initramfs: nothing else is
 * there so early. Whatever the rules say, the exit status is 0: a broken rule file can never stop a boot.
 */
#define say(format, ...) ((void) fprintf(stderr, "iommu-policy-early: " format "\n", ##__VA_ARGS__))

typedef enum Mode { MODE_HOST, MODE_INITRAMFS, MODE_DIGEST, MODE_DONE, MODE_USAGE } Mode;

static void print_help(void)
{
    puts("iommu-policy-early [OPTION]\n\n"
         "Gives the IOMMU groups the types that the rules in /etc/iommu-policy.d ask for, where no\n"
         "driver has to be unbound for it, and ends. Started by iommu-policy-early.service before\n"
         "drivers are loaded, and from the initramfs.\n\n"
         "  --initramfs  this is the initramfs, not the host\n"
         "  --digest     only print the SHA-256 of the rules\n"
         "  --version    print the version\n"
         "  --help       print this text");
}

static Mode parse_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        { "digest", no_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },
        { "initramfs", no_argument, NULL, 'i' },
        { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    Mode mode = MODE_HOST;
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
        switch (option) {
        case 'd':
            mode = MODE_DIGEST;
            break;
        case 'h':
            print_help();
            return MODE_DONE;
        case 'i':
            mode = MODE_INITRAMFS;
            break;
        case 'v':
            puts("iommu-policy-early " PROJECT_VERSION);
            return MODE_DONE;
        default:
            return MODE_USAGE;
        }
    }
    if (optind == argc)
        return mode;
    say("unknown argument \"%s\", see --help", argv[optind]);
    return MODE_USAGE;
}

/* A type that was there already, as all are when the initramfs has done the work, is worth no line. */
static void tell(const EarlyGroup *group)
{
    g_autofree char *place = g_path_get_basename(group->wanted_by);

    if (group->outcome == EARLY_SET)
        say("group %u: %s by %s", group->id, domain_type_to_string(group->type), place);
    else if (group->outcome != EARLY_ALREADY)
        say("group %u: %s: %s", group->id, early_outcome_to_string(group->outcome), group->text);
}

static void tell_text(const char *text)
{
    say("%s", text);
}

static void tell_diagnostics(const GPtrArray *diagnostics)
{
    for (guint i = 0; i < diagnostics->len; i++) {
        g_autofree char *text = diagnostic_to_string(diagnostics->pdata[i]);

        say("%s", text);
    }
}

static int load_rules(int root_fd, RuleSet **ret, EarlyNote *note)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    int r = rule_set_load_once(root_fd, ret, &diagnostics);

    if (r < 0)
        return r;
    tell_diagnostics(diagnostics);
    note->digest = g_strdup(rule_set_digest(*ret));
    note->frozen = rule_set_is_frozen(*ret);
    note->errors = diagnostics_count(diagnostics, DIAGNOSTIC_ERROR);
    if (note->frozen)
        say("a rule file is refused: until it is mended, no group is given a less strict type");
    return 0;
}

/* Does the pass, or finds why there is none. */
static char *run_pass(int root_fd, EarlyNote *note)
{
    g_autoptr(RuleSet) rules = NULL;
    g_autoptr(GPtrArray) lent = NULL;
    g_autoptr(Host) host = NULL;
    int r;

    r = load_rules(root_fd, &rules, note);
    if (r < 0)
        return g_strdup_printf("the rules cannot be read: %s", g_strerror(-r));
    r = host_read(root_fd, &host);
    if (r < 0)
        return g_strdup_printf("the kernel command line cannot be read: %s", g_strerror(-r));
    if (host->disabled)
        return g_steal_pointer(&host->disabled);
    lent = early_groups_make(root_fd, rules, host, tell_text);
    r = early_pass_run(root_fd, rules, host, note, tell);
    early_groups_end(root_fd, lent, tell_text);
    return r < 0 ? g_strdup_printf("the IOMMU groups cannot be listed: %s", g_strerror(-r)) : NULL;
}

/* Where there is no rule there need not be a place for the note. */
static void write_note(int root_fd, EarlyStage stage, EarlyNote *note)
{
    int r = record_boot_id(root_fd, &note->boot_id);

    if (r >= 0)
        r = early_note_write(root_fd, stage, note);
    if (r < 0 && (note->groups->len > 0 || note->errors > 0))
        say("the daemon will not know of this: no note in /run/iommu-policy/early: %s", g_strerror(-r));
}

static int pass(int root_fd, EarlyStage stage)
{
    g_autoptr(EarlyNote) note = early_note_new();

    note->begin_usec = (uint64_t) g_get_monotonic_time();
    note->disabled = run_pass(root_fd, note);
    note->end_usec = (uint64_t) g_get_monotonic_time();
    if (note->disabled)
        say("nothing is done: %s", note->disabled);
    write_note(root_fd, stage, note);
    return EXIT_SUCCESS;
}

static int print_digest(int root_fd)
{
    g_autoptr(EarlyNote) note = early_note_new();
    g_autoptr(RuleSet) rules = NULL;
    int r = load_rules(root_fd, &rules, note);

    if (r < 0) {
        say("the rules cannot be read: %s", g_strerror(-r));
        return EXIT_FAILURE;
    }
    puts(note->digest);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    Mode mode = parse_arguments(argc, argv);
    _cleanup_close_ int root_fd = -EBADF;

    if (mode == MODE_DONE || mode == MODE_USAGE)
        return mode == MODE_DONE ? EXIT_SUCCESS : EXIT_FAILURE;
    root_fd = sysfs_open_root("/");
    if (root_fd < 0) {
        say("/ cannot be opened: %s", g_strerror(-root_fd));
        return EXIT_FAILURE;
    }
    if (mode == MODE_DIGEST)
        return print_digest(root_fd);
    return pass(root_fd, mode == MODE_INITRAMFS ? EARLY_INITRAMFS : EARLY_HOST);
}
