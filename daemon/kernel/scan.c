/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "forced-type.h"
#include "group.h"
#include "plain-text.h"
#include "record.h"
#include "scan.h"
#include "sysfs.h"

#define NAME_BYTES_MAX 64

static GVariant *read_regions(int root_fd, unsigned id, int *ret_error)
{
    GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(tts)"));
    g_autoptr(GArray) regions = NULL;
    int r;

    r = group_read_reserved_regions(root_fd, id, &regions);
    for (guint i = 0; r >= 0 && i < regions->len; i++) {
        const ReservedRegion *region = &g_array_index(regions, ReservedRegion, i);

        g_variant_builder_add(&builder, "(tts)", region->start, region->end, region->type);
    }
    *ret_error = r;
    return g_variant_builder_end(&builder);
}

/* "" where there is none, or nobody asks. */
static int read_name(int root_fd, unsigned id, DomainType type, char **ret)
{
    g_autofree char *name = NULL;
    int r = domain_type_is_switchable(type) ? 0 : group_read_name(root_fd, id, &name);

    if (r < 0 && r != -ENOENT)
        return r;
    *ret = plain_text(name ?: "", NAME_BYTES_MAX);
    return 0;
}

static char **list_pasid(int root_fd, unsigned id, DomainType type)
{
    g_autoptr(GStrvBuilder) found = g_strv_builder_new();
    g_auto(GStrv) members = NULL;

    /* Most groups show another, and need not be walked. */
    if (type != DOMAIN_TYPE_IDENTITY || group_list_members(root_fd, id, &members) < 0)
        return g_strv_builder_end(found);
    for (char **member = members; *member; member++) {
        g_autofree char *link = g_strconcat(*member, "/iommu", NULL), *name = NULL, *family = NULL;

        if (sysfs_link_name(root_fd, link, &name) < 0)
            continue;
        family = iommu_family(root_fd, name);
        if (forced_type_asks_pasid(family, type) && forced_type_read_pasid(root_fd, *member) == TRISTATE_YES)
            g_strv_builder_add(found, *member);
    }
    return g_strv_builder_end(found);
}

static GVariant *read_group(int root_fd, unsigned id)
{
    g_autoptr(GVariant) regions = NULL;
    g_autofree char *name = NULL;
    g_auto(GStrv) pasid = NULL;
    DomainType type;
    int r, regions_error;

    r = group_read_type(root_fd, id, &type);
    regions = g_variant_ref_sink(read_regions(root_fd, id, &regions_error));
    if (r >= 0)
        r = regions_error;
    if (r >= 0)
        r = read_name(root_fd, id, type, &name);
    pasid = list_pasid(root_fd, id, r < 0 ? _DOMAIN_TYPE_INVALID : type);
    return g_variant_new("(uiss^as@a(tts))", id, -r, r < 0 ? "" : domain_type_to_string(type), name ?: "",
                         pasid, regions);
}

int scan_groups(int root_fd, const unsigned *ids, size_t n_ids, ScanSend send, void *userdata)
{
    bool locks = record_any_locks(root_fd);

    for (size_t i = 0; i < n_ids; i++) {
        int r;

        if (locks && record_group_is_locked(root_fd, ids[i]))
            continue;
        r = send(read_group(root_fd, ids[i]), userdata);
        if (r < 0)
            return r;
    }
    return 0;
}
