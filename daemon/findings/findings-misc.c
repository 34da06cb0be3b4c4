/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "evidence.h"
#include "sysfs.h"

/* Devices that exist through the member or work through it: virtual functions, consumers. */

static void judge_virtual_functions(const Member *member, char **names, GPtrArray *findings)
{
    unsigned n = 0;

    for (char **name = names; *name; name++)
        n += g_str_has_prefix(*name, "virtfn") && g_ascii_isdigit((*name)[strlen("virtfn")]);
    if (n > 0)
        findings_add(findings, FINDING_VF, FINDING_ABSOLUTE, member->name, member->name, member->name,
                     "%s has %u virtual functions that would go with it; write 0 to /%s/sriov_numvfs first",
                     member->name, n, member->syspath);
}

static bool is_at_or_below(const char *syspath, const char *above)
{
    size_t n = strlen(above);

    return strncmp(syspath, above, n) == 0 && (syspath[n] == '\0' || syspath[n] == '/');
}

static bool is_of_members(const Evidence *evidence, const char *syspath)
{
    for (char **member = evidence->members; *member; member++)
        if (is_at_or_below(syspath, *member))
            return true;
    return false;
}

/* Returns the driver of the device SYSPATH, or NULL. */
static char *read_driver(int root_fd, const char *syspath)
{
    g_autofree char *link = g_strconcat(syspath, "/driver", NULL);
    char *driver = NULL;

    return sysfs_link_name(root_fd, link, &driver) >= 0 ? driver : NULL;
}

/* Follows SUPPLIER/NAME to the link's own device and from there to the consumer (drivers/base/core.c,
 * devlink_add_symlinks()). */
static int read_consumer(int root_fd, const char *supplier, const char *name, char **ret)
{
    g_autofree char *path = g_strdup_printf("%s/%s", supplier, name), *link = NULL, *consumer = NULL;
    int r;

    r = sysfs_link_target(root_fd, path, &link);
    if (r < 0)
        return r;
    consumer = g_strconcat(link, "/consumer", NULL);
    return sysfs_link_target(root_fd, consumer, ret);
}

/*
 * Device links (Documentation/driver-api/device_link.rst): unbinding a supplier makes the kernel unbind its
 * consumers. One without a driver has nothing to lose; one that the change unbinds itself is judged as a
 * member. "consumer:BUS:NAME@MEMBER", also for a link of a device below the member.
 */
static void judge_consumer(const Evidence *evidence, const Member *member, const char *supplier,
                           const char *name, GPtrArray *findings)
{
    g_autofree char *syspath = NULL, *driver = NULL;
    int r;

    r = read_consumer(evidence->root_fd, supplier, name, &syspath);
    if (r == -ENOENT || r == -ENODEV) /* gone since it was listed */
        return;
    if (r < 0) {
        g_autofree char *source = g_strdup_printf("/%s/%s: %s", supplier, name, g_strerror(-r));

        findings_add_unread(findings, member->name, source);
        return;
    }
    if (is_of_members(evidence, syspath))
        return;
    driver = read_driver(evidence->root_fd, syspath);
    if (driver)
        findings_add(findings, FINDING_CONSUMER, FINDING_ABSOLUTE, member->name, name + strlen("consumer:"),
                     member->name,
                     "/%s (driver %s) needs %s and would be unbound with it; unbind that first", syspath,
                     driver, member->name);
}

static void judge_consumers(const Evidence *evidence, const Member *member, char **names,
                            GPtrArray *findings)
{
    for (char **name = names; *name; name++)
        if (g_str_has_prefix(*name, "consumer:"))
            judge_consumer(evidence, member, member->syspath, *name, findings);
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        for (char **name = descendant->consumers; name && *name; name++)
            judge_consumer(evidence, member, descendant->path, *name, findings);
    }
}

static void judge_links(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(evidence->root_fd, member->syspath, &names);
    if (r < 0) {
        g_autofree char *source = g_strdup_printf("/%s: %s", member->syspath, g_strerror(-r));

        findings_add_unread(findings, member->name, source);
        return;
    }
    judge_virtual_functions(member, names, findings);
    judge_consumers(evidence, member, names, findings);
}

void findings_judge_shape(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    judge_links(evidence, member, findings);
}
