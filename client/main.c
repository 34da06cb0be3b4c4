/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask-password.h"
#include "client.h"
#include "config.h"
#include "refusal.h"
#include "terminal.h"
#include "verb.h"

static const Verb *const verbs[] = {
    &verb_list,   &verb_show,     &verb_why,     &verb_plan,  &verb_set,
    &verb_revert, &verb_apply,    &verb_reload,  &verb_check, &verb_test,
    &verb_usage,  &verb_features, &verb_monitor, &verb_rules, &verb_inhibit,
    &verb_doctor, &verb_export,   &verb_targets,
};

static const char target_help[] = "TARGET is the number of a group, a PCI address, BUS:NAME, a network "
                                  "interface, a node in /dev, a path in /sys or\n"
                                  "a mount point.";

static const char exit_help[] = "Exit codes: 0 done, 1 failed, 2 usage, 3 in use, 4 not authorised, 5 "
                                "conflict or forbidden, 6 pending, 7 stuck.";

static const Verb *find_verb(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

/* The options of every verb, storing into CLIENT and VERSION; free with g_free(). */
static GOptionEntry *common_options(Client *client, gboolean *version)
{
    const GOptionEntry entries[] = {
        {"host", 'H', 0, G_OPTION_ARG_STRING, &client->host,
         "ask the daemon of another machine, through ssh", "[USER@]HOST"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &client->json, "print JSON", NULL},
        {"no-ask-password", 0, 0, G_OPTION_ARG_NONE, &client->no_ask_password, "do not ask for a password",
         NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, version, "print the version", NULL},
        {NULL},
    };

    return g_memdup2(entries, sizeof(entries));
}

static char *verbs_help(void)
{
    GString *text = g_string_new("Shows and changes the default domain type of IOMMU groups.\n\nVerbs:\n");

    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
        g_autofree char *synopsis = g_strjoin(" ", verbs[i]->name, verbs[i]->arguments, NULL);

        if (!verbs[i]->summary)
            continue;
        g_string_append_printf(text, "  %-26s %s\n", synopsis, verbs[i]->summary);
    }
    return g_string_free(text, FALSE);
}

/* Takes the options of every verb out of ARGV, as far as they stand before the verb. */
static bool parse_common(int *argc, char ***argv, const GOptionEntry *options, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new("[VERB [ARGUMENT...]]");
    g_autofree char *summary = verbs_help(), *description = g_strconcat(target_help, "\n", exit_help, NULL);

    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, description);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, options, NULL);
    return g_option_context_parse(context, argc, argv, error);
}

/* Takes all other options out of ARGV, whose first word is the verb. */
static bool parse_verb(const Verb *verb, int *argc, char ***argv, const GOptionEntry *options,
                       GError **error)
{
    g_autofree char *usage = g_strjoin(" ", verb->name, verb->arguments, NULL);
    g_autoptr(GOptionContext) context = g_option_context_new(usage);

    g_option_context_set_summary(context, verb->description);
    if (verb->arguments && g_str_has_prefix(verb->arguments, "TARGET"))
        g_option_context_set_description(context, target_help);
    g_option_context_set_strict_posix(context, verb->takes_command);
    g_option_context_add_main_entries(context, options, NULL);
    if (verb->options)
        g_option_context_add_main_entries(context, verb->options, NULL);
    return g_option_context_parse(context, argc, argv, error);
}

static int print_version(void)
{
    puts("iommuctl " PROJECT_VERSION);
    return EXIT_CODE_DONE;
}

static int usage(const char *verb, const char *text)
{
    fprintf(stderr, "iommuctl: %s; see: iommuctl %s%s--help\n", text, verb, *verb ? " " : "");
    return EXIT_CODE_USAGE;
}

/* The bus says who is missing; a person wants to know what to do. */
static bool daemon_is_absent(const sd_bus_error *error)
{
    return sd_bus_error_has_names(error, "org.freedesktop.DBus.Error.ServiceUnknown",
                                  "org.freedesktop.DBus.Error.NameHasNoOwner",
                                  "org.freedesktop.systemd1.NoSuchUnit");
}

static int report(const Client *client, int r)
{
    g_autofree char *text = NULL;

    if (daemon_is_absent(&client->error)) {
        text = refusal_text(REFUSAL_NO_DAEMON, "iommu-policyd", NULL, NULL);
        fprintf(stderr, "iommuctl: %s\n", text);
        return EXIT_CODE_FAILED;
    }
    if (!client->error.name) {
        fprintf(stderr, "iommuctl: %s\n", g_strerror(-r));
        return EXIT_CODE_FAILED;
    }

    text = printable(client->error.message ?: client->error.name);
    fprintf(stderr, "iommuctl: %s\n", text);
    return refusal_exit_code(client->error.name);
}

static int run_verb(Client *client, const Verb *verb, char **arguments)
{
    pid_t agent = 0;
    int r = 0;

    if (!verb->offline) {
        /* Before the connection: the child must not hold it. */
        if (verb->authorises && !client->no_ask_password && !client->host)
            agent = ask_password_start();
        r = client_connect(client);
    }
    if (r >= 0)
        r = verb->run(client, arguments);
    ask_password_stop(agent);
    return r < 0 ? report(client, r) : r;
}

static int parse_and_run(Client *client, int argc, char **argv)
{
    g_autofree GOptionEntry *options = NULL;
    g_autoptr(GError) error = NULL;
    gboolean version = FALSE;
    const Verb *verb;
    unsigned given;

    options = common_options(client, &version);
    if (!parse_common(&argc, &argv, options, &error))
        return usage("", error->message);
    if (version)
        return print_version();

    if (argc < 2)
        return run_verb(client, &verb_list, argv + argc);

    verb = find_verb(argv[1]);
    if (!verb) {
        g_autofree char *text = g_strdup_printf("unknown verb '%s'", argv[1]);

        return usage("", text);
    }

    argc--;
    argv++;
    if (!parse_verb(verb, &argc, &argv, options, &error))
        return usage(verb->name, error->message);
    if (version)
        return print_version();

    given = argc - 1;
    if (given < verb->min_arguments)
        return usage(verb->name, "too few arguments");
    if (given > verb->max_arguments)
        return usage(verb->name, "too many arguments");
    return run_verb(client, verb, argv + 1);
}

int main(int argc, char **argv)
{
    Client client = {.error = SD_BUS_ERROR_NULL};
    g_auto(GStrv) copy = NULL;
    g_autofree char **words = NULL;
    int code;

    setlocale(LC_ALL, "");
    g_set_prgname("iommuctl");

    /* Parsing takes words out of the list; the list of the copy owns them. */
    copy = g_strdupv(argv);
    words = g_memdup2(copy, sizeof(char *) * (argc + 1));
    code = parse_and_run(&client, argc, words);
    client_done(&client);
    return code;
}
