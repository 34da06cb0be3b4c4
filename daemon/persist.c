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
#include "full-io.h"
#include "iommu-policy-names.h"
#include "plain-text.h"
#include "rule-parse.h"
#include "rule-file.h"

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

char *persist_text(const ManagedGroup *group, const PersistRequest *request)
{
    g_autofree const DeviceFacts **members = g_new(const DeviceFacts *, group->members->len);
    g_autofree char *comment = g_strconcat("Written by iommu-policyd for ", request->origin, NULL);
    const RuleFile rule = {
        .comment = comment,
        .type = request->type,
        .unbind = request->may_unbind ? UNBIND_IDLE : UNBIND_NEVER,
        .accept = request->accept,
        .reason = request->reason,
    };

    for (guint i = 0; i < group->members->len; i++)
        members[i] = ((const ManagedDevice *) group->members->pdata[i])->device->facts;
    return rule_file_text(&rule, members, group->members->len);
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
    r = fchmod(fd, 0644) < 0 ? -errno : write_full(fd, text, strlen(text));
    if (r >= 0 && fsync(fd) < 0)
        r = -errno;
    if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
        r = -errno;
    if (r < 0)
        (void) unlinkat(dir_fd, temporary, 0);
    else
        (void) fsync(dir_fd);
    return r;
}
