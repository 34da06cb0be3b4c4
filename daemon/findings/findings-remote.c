/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "evidence.h"
#include "sysfs.h"

/* Who would lose the way to this machine, or this machine the way to its disks. */

static void add_word(GString *list, const char *word)
{
    g_auto(GStrv) known = g_strsplit(list->str, ", ", -1);

    if (!g_strv_contains((const char *const *) known, word))
        g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", word);
}

/* One finding for all that is with one peer. */
static void add_peer(const RemoteWays *ways, const NetworkState *state, const RemotePeer *peer,
                     const char *member, const char *name, int index, GPtrArray *findings)
{
    g_autoptr(GString) uses = g_string_new(NULL), people = g_string_new(NULL);
    Finding *finding;

    for (unsigned i = 0; i < ways->ways->len; i++) {
        const RemoteWay *way = g_ptr_array_index(ways->ways, i);

        if (strcmp(way->peer->name, peer->name) != 0 || !remote_way_may_use(way, state, index))
            continue;
        add_word(uses, way->peer->use);
        if (way->peer->who)
            add_word(people, way->peer->who);
    }
    finding = findings_add(findings, FINDING_REMOTE, FINDING_FATAL, member, peer->name, name,
                           "the way to %s goes or may go through %s (%s); end that first, or give it "
                           "another way",
                           peer->name, name, uses->str);
    if (people->len > 0)
        finding_add_private(finding, people->str);
}

/* Which of WAYS may use the interface NAME with INDEX. */
static void judge_ways(const RemoteWays *ways, const NetworkState *state, const char *member,
                       const char *name, int index, GPtrArray *findings)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (unsigned i = 0; i < ways->ways->len; i++) {
        const RemoteWay *way = g_ptr_array_index(ways->ways, i);

        if (remote_way_may_use(way, state, index) && g_hash_table_add(seen, way->peer->name))
            add_peer(ways, state, way->peer, member, name, index, findings);
    }
}

/* An interface whose number cannot be read is judged elsewhere. */
static void judge_one(const Evidence *evidence, const Member *member, const Descendant *interface,
                      GPtrArray *findings)
{
    g_autofree char *path = g_strdup_printf("%s/ifindex", interface->path);
    uint64_t index;

    if (sysfs_read_u64(evidence->root_fd, path, 10, &index) >= 0)
        judge_ways(evidence->remote, evidence->network, member->name, interface->name, (int) index,
                   findings);
}

void findings_judge_remote(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    if (!evidence->remote || !descendants_have(member->descendants, "net"))
        return;
    if (evidence->mounts_unread)
        findings_add_unread(findings, member->name, evidence->mounts_unread);
    if (evidence->remote->peers->unread)
        findings_add_unread(findings, member->name, evidence->remote->peers->unread);
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (descendant_is(descendant, "net"))
            judge_one(evidence, member, descendant, findings);
    }
}
