/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "diagnostic.h"
#include "iommu-policy-names.h"
#include "plain-text.h"
#include "sysfs.h"

#define SECTION "Daemon"
#define FILE_NAME "/" IOMMU_POLICY_DAEMON_CONF
#define USEC_PER_SEC G_GUINT64_CONSTANT(1000000)
#define MAX_SEC 86400

typedef struct Setting {
    const char *key;
    size_t offset; /* of an uint64_t in Settings, µs */
    uint64_t minimum_sec;
    uint64_t default_sec;
} Setting;

/*
 * ProbeSec=: on Linux 6.1 a probe of nvme that gets no answer gives up after its admin_timeout (60 s) and
 * some seconds of shutting the controller down (drivers/nvme/host/pci.c, nvme_async_probe());
 * more than that.
 */
static const Setting settings_table[] = {
    { "SettleSec", offsetof(Settings, settle_usec), 0, 10 },
    { "ProbeSec", offsetof(Settings, limits.probe_usec), 0, 90 },
    { "UnbindTimeoutSec", offsetof(Settings, limits.unbind_usec), 1, 30 },
    { "TypeTimeoutSec", offsetof(Settings, limits.type_usec), 1, 30 },
    { "BindTimeoutSec", offsetof(Settings, limits.bind_usec), 1, 180 },
};

static uint64_t *setting_value(Settings *settings, const Setting *setting)
{
    return (uint64_t *) ((char *) settings + setting->offset);
}

void settings_set_defaults(Settings *settings)
{
    for (size_t i = 0; i < G_N_ELEMENTS(settings_table); i++)
        *setting_value(settings, &settings_table[i]) = settings_table[i].default_sec * USEC_PER_SEC;
}

static const Setting *setting_find(const char *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(settings_table); i++)
        if (g_str_equal(settings_table[i].key, key))
            return &settings_table[i];
    return NULL;
}

static void complain(GPtrArray *diagnostics, const char *key, const char *cause)
{
    diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, FILE_NAME, 0, 0, "%s=: %s", key, cause);
}

static void load_key(GKeyFile *file, const char *key, Settings *settings, GPtrArray *diagnostics)
{
    const Setting *setting = setting_find(key);
    g_autofree char *text = NULL;
    guint64 seconds;

    if (g_str_has_prefix(key, "X-"))
        return;
    if (!setting) {
        complain(diagnostics, key, "unknown key");
        return;
    }
    /* As it stands there: an escaped newline would end the line of the journal that shows it. */
    text = g_key_file_get_value(file, SECTION, key, NULL);
    if (!text || !*g_strstrip(text)) {
        *setting_value(settings, setting) = setting->default_sec * USEC_PER_SEC;
        return;
    }
    if (!g_ascii_string_to_unsigned(text, 10, setting->minimum_sec, MAX_SEC, &seconds, NULL)) {
        g_autofree char *cause = g_strdup_printf("\"%s\" is not a number of seconds from %" G_GUINT64_FORMAT
                                                 " to %d, the value before it stays",
                                                 text, setting->minimum_sec, MAX_SEC);

        complain(diagnostics, key, cause);
        return;
    }
    *setting_value(settings, setting) = seconds * USEC_PER_SEC;
}

static void load_sections(GKeyFile *file, Settings *settings, GPtrArray *diagnostics)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    g_auto(GStrv) keys = g_key_file_get_keys(file, SECTION, NULL, NULL);

    for (char **group = groups; *group; group++)
        if (!g_str_equal(*group, SECTION) && !g_str_has_prefix(*group, "X-"))
            diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, FILE_NAME, 0, 0, "unknown section [%s]", *group);
    for (char **key = keys; keys && *key; key++)
        load_key(file, *key, settings, diagnostics);
}

/* What is complained about is shown, in one line each. */
static bool is_text(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        return false;
    for (const char *c = text; *c; c = g_utf8_next_char(c))
        if (!is_bus_character(g_utf8_get_char(c)) && !strchr("\n\t", *c) && strncmp(c, "\r\n", 2) != 0)
            return false;
    return true;
}

int settings_load(int root_fd, Settings *settings, GPtrArray *diagnostics)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    int r;

    r = sysfs_read(root_fd, IOMMU_POLICY_DAEMON_CONF, &text);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    if (!is_text(text)) {
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, FILE_NAME, 0, 0,
                        "control characters or invalid UTF-8: this is not a text file");
        return 0;
    }
    if (!g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, &error)) {
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, FILE_NAME, 0, 0, "%s", error->message);
        return 0;
    }
    load_sections(file, settings, diagnostics);
    return 0;
}
