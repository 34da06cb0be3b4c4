/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "persist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "diagnostic.h"
#include "iommu-policy-names.h"
#include "plain-text.h"
#include "rule-parse.h"

static char *file_name(const ManagedGroup *group)
{
    const DeviceFacts *facts = ((const ManagedDevice *) group->members->pdata[0])->device->facts;
    g_autofree char *name = g_strdup_printf("05-call-%s-%s.conf", facts->bus, facts->name);

    return bus_text(name); /* no other is read (policy/conf-files.c) */
}

char *persist_path(const ManagedGroup *group)
{
    g_autofree char *name = file_name(group);

    return g_strdup_printf("/" IOMMU_POLICY_RULE_DIR_ETC "/%s", name);
}

/* The bytes that *C begins with and that can stand in a file; 0: none can. */
static size_t text_length(const char *c)
{
    gunichar character = g_utf8_get_char_validated(c, -1);

    if (character == (gunichar) -1 || character == (gunichar) -2 || !is_bus_character(character))
        return 0;
    return (size_t) (g_utf8_next_char(c) - c);
}

/*
 * A value of a match key is a list of globs: what is special in one stands for itself in the file. What ends
 * a word ("platform/Fixed MDIO bus.0"), begins a comment or a negation, escapes, or is no text cannot stand
 * there: "?" matches it, in the daemon's locale each byte of it.
 */
static void append_literal(GString *text, const char *literal)
{
    for (const char *c = literal; *c;) {
        size_t length = text_length(c);

        if (strchr("*?[]", *c))
            g_string_append_printf(text, "[%c]", *c);
        else if (length == 0 || strchr(" \\", *c) || (c == literal && strchr("!#;", *c)))
            g_string_append_c(text, '?');
        else
            g_string_append_len(text, c, (gssize) length);
        c += MAX(length, 1);
    }
}

static void append_match(GString *text, const DeviceFacts *facts)
{
    g_string_append(text, "\n[Match]\nPath=");
    append_literal(text, facts->path);
    g_string_append_c(text, '\n');
    if (facts->vendor != FACT_NO_ID)
        g_string_append_printf(text, "Id=%04x:%04x\n", facts->vendor, facts->device);
}

/* A file is lines of text: what a caller wrote must not become another one, nor make the file unreadable. A
 * value of which nothing is left has no line. */
static void append_line(GString *text, const char *key, const char *value)
{
    g_autoptr(GString) clean = g_string_new(NULL);
    size_t start;

    for (const char *c = value; *c;) {
        size_t length = text_length(c);

        g_string_append_len(clean, length > 0 ? c : " ", (gssize) MAX(length, 1));
        c += MAX(length, 1);
    }
    /* A backslash at the end would take the next line in. */
    while (clean->len > 0 && strchr(" \\", clean->str[clean->len - 1]))
        g_string_truncate(clean, clean->len - 1);
    start = strspn(clean->str, " ");
    if (start < clean->len)
        g_string_append_printf(text, "%s%s\n", key, clean->str + start);
}

static void append_accept(GString *text, FindingKindSet accept)
{
    const char *separator = "Accept=";

    for (FindingKind kind = 0; kind < _FINDING_KIND_MAX; kind++) {
        if (!(accept & FINDING_KIND_BIT(kind)))
            continue;
        g_string_append_printf(text, "%s%s", separator, finding_kind_to_string(kind));
        separator = " ";
    }
    if (*separator == ' ')
        g_string_append_c(text, '\n');
}

char *persist_text(const ManagedGroup *group, const PersistRequest *request)
{
    GString *text = g_string_new(NULL);

    append_line(text, "# Written by iommu-policyd for ", request->origin);
    for (guint i = 0; i < group->members->len; i++) {
        const DeviceFacts *facts = ((const ManagedDevice *) group->members->pdata[i])->device->facts;

        if (!facts->bridge)
            append_match(text, facts);
    }
    g_string_append_printf(text, "\n[Policy]\nType=%s\nUnbind=%s\n", domain_type_to_string(request->type),
                           unbind_policy_to_string(request->may_unbind ? UNBIND_IDLE : UNBIND_NEVER));
    append_accept(text, request->accept);
    if (request->reason && *request->reason)
        append_line(text, "Reason=", request->reason);
    return g_string_free(text, FALSE);
}

bool persist_has_member(const ManagedGroup *group)
{
    for (guint i = 0; i < group->members->len; i++)
        if (!((const ManagedDevice *) group->members->pdata[i])->device->facts->bridge)
            return true;
    return false;
}

typedef struct Rival {
    const char *name; /* of the file that would be written */
    DomainType type;
    char *detail;
} Rival;

/* Files are asked in the order of their names: one before ours that gives a type wins, and Forbid= always
 * counts. */
static bool visit_rule(const Rule *rule, Tristate match, void *userdata)
{
    Rival *rival = userdata;
    g_autofree char *name = g_path_get_basename(rule->file);

    if (rule->forbid & DOMAIN_TYPE_BIT(rival->type))
        rival->detail = rule_origin(rule, true);
    else if (rule->has_type && strcmp(name, rival->name) < 0)
        rival->detail = rule_origin(rule, false);
    return !rival->detail;
}

bool persist_conflicts(const RuleSet *rules, const HostFacts *host, const ManagedGroup *group,
                       DomainType type, char **ret_detail)
{
    g_autofree char *name = file_name(group);
    Rival rival = { .name = name, .type = type };

    for (guint i = 0; i < group->members->len && !rival.detail; i++)
        rule_set_match(rules, ((const ManagedDevice *)group->members->pdata[i])->device->facts, host,
                       visit_rule, &rival);
    if (!rival.detail)
        return false;
    *ret_detail = rival.detail;
    return true;
}

/* A file that our own reader refuses would freeze all rules. */
static bool is_readable(const char *path, const char *text)
{
    g_autoptr(GPtrArray) diagnostics = diagnostics_new();
    g_autoptr(Rule) rule = rule_parse(text, strlen(text), path, diagnostics);

    return rule != NULL;
}

static int write_whole(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t n = write(fd, text, left);

        if (n < 0)
            return -errno;
        text += n;
        left -= (size_t) n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int open_rule_dir(int root_fd)
{
    int fd;

    if (mkdirat(root_fd, IOMMU_POLICY_RULE_DIR_ETC, 0755) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(root_fd, IOMMU_POLICY_RULE_DIR_ETC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int persist_write(int root_fd, const char *path, const char *text)
{
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *temporary = g_strdup_printf(".%s.new", name);
    _cleanup_close_ int dir_fd = -EBADF, fd = -EBADF;
    int r;

    if (!is_readable(path, text))
        return -EINVAL;
    dir_fd = open_rule_dir(root_fd);
    if (dir_fd < 0)
        return dir_fd;
    (void) unlinkat(dir_fd, temporary, 0);
    fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    r = fchmod(fd, 0644) < 0 ? -errno : write_whole(fd, text);
    if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
        r = -errno;
    if (r < 0)
        (void) unlinkat(dir_fd, temporary, 0);
    else
        (void) fsync(dir_fd);
    return r;
}
