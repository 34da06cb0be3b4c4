/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "escape.h"
#include "evidence.h"
#include "findings.h"
#include "sysfs.h"

void finding_free(Finding *finding)
{
    if (!finding)
        return;
    g_free(finding->id);
    g_free(finding->member);
    g_free(finding->object);
    g_free(finding->where);
    g_free(finding->text);
    g_free(finding->private_text);
    g_free(finding);
}

GPtrArray *findings_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) finding_free);
}

Finding *findings_add(GPtrArray *findings, FindingKind kind, FindingSeverity severity, const char *member,
                      const char *object, const char *where, const char *format, ...)
{
    g_autofree char *escaped_object = escape_object(object, ""), *escaped_where = escape_object(where, ">");
    g_autofree char *text = NULL;
    Finding *finding = g_new0(Finding, 1);
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    *finding = (Finding){
        .id = g_strdup_printf("%s:%s@%s", finding_kind_to_string(kind), escaped_object, escaped_where),
        .member = g_strdup(member),
        .kind = kind,
        .object = printable_text(object),
        .where = g_strdup(where),
        .text = printable_text(text),
        .severity = severity,
    };
    g_ptr_array_add(findings, finding);
    return finding;
}

void finding_add_private(Finding *finding, const char *who)
{
    g_autofree char *printable = printable_text(who);

    finding->private_text = g_strdup_printf("%s: %s", finding->text, printable);
}

void finding_name_processes(Finding *finding, int root_fd, const GArray *pids)
{
    g_autofree char *processes = process_list_to_string(root_fd, pids);

    finding_add_private(finding, processes);
}

void findings_add_unread(GPtrArray *findings, const char *member, const char *source)
{
    const char *reason = strstr(source, ": ");
    g_autofree char *path = reason ? g_strndup(source, (size_t) (reason - source)) : g_strdup(source);

    findings_add(findings, FINDING_UNKNOWN, FINDING_FATAL, member, path, member,
                 "nothing proves that %s is free while this cannot be read: %s; make it readable first",
                 member, source);
}

bool mount_is_of_system(const Mount *mount)
{
    static const char *const targets[] = { "/", "/usr", "/boot", "/boot/efi", "/efi", NULL };

    return mount->of_init && g_strv_contains(targets, mount->target);
}

void findings_add_mount(GPtrArray *findings, int root_fd, const char *member, const Mount *mount,
                        const char *where)
{
    g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    Finding *finding;

    if (mount_is_of_system(mount)) {
        findings_add(findings, FINDING_ROOT, FINDING_ABSOLUTE, member, mount->target, where,
                     "%s is mounted from %s and this system runs from it; set the boot default instead",
                     mount->target, where);
        return;
    }
    if (mount->of_init) {
        findings_add(findings, FINDING_MOUNT, FINDING_ABSOLUTE, member, mount->target, where,
                     "%s is mounted from %s; unmount it first", mount->target, where);
        return;
    }

    finding = findings_add(findings, FINDING_MOUNT, FINDING_ABSOLUTE, member, mount->target, where,
                           "%s is mounted from %s in another mount namespace; stop the service or container "
                           "there first",
                           mount->target, where);
    process_list_add(pids, mount->pid);
    finding_name_processes(finding, root_fd, pids);
}

static void member_free(Member *member)
{
    g_clear_pointer(&member->device, device_free);
    g_clear_pointer(&member->descendants, g_ptr_array_unref);
    g_free(member);
}

static int member_read(int root_fd, const char *syspath, Member **ret)
{
    const char *slash = strrchr(syspath, '/');
    Member *member = g_new0(Member, 1);
    int r;

    member->syspath = syspath;
    member->name = slash ? slash + 1 : syspath;
    r = device_read(root_fd, syspath, NULL, &member->device);
    if (r >= 0)
        r = descendants_read(root_fd, syspath, &member->descendants);
    if (r < 0) {
        member_free(member);
        return r;
    }
    *ret = member;
    return 0;
}

static bool any_member_has(const GPtrArray *members, const char *subsystem)
{
    for (unsigned i = 0; i < members->len; i++) {
        const Member *member = g_ptr_array_index(members, i);

        if (descendants_have(member->descendants, subsystem))
            return true;
    }
    return false;
}

static bool any_member_has_storage(const GPtrArray *members)
{
    for (unsigned i = 0; i < members->len; i++) {
        const Member *member = g_ptr_array_index(members, i);

        for (unsigned j = 0; j < member->descendants->len; j++)
            if (descendant_is_storage_node(g_ptr_array_index(member->descendants, j)))
                return true;
    }
    return false;
}

static char *unread_processes(const char *file, unsigned n, int error)
{
    return g_strdup_printf("/proc/PID/%s: %s, processes concerned: %u", file, g_strerror(-error), n);
}

static void read_files(Evidence *evidence)
{
    int r = open_files_read(evidence->root_fd, &evidence->files);

    if (r < 0)
        evidence->files_unread = g_strdup_printf("/proc: %s", g_strerror(-r));
    else if (evidence->files->n_unreadable > 0)
        evidence->files_unread =
            unread_processes("fd", evidence->files->n_unreadable, evidence->files->error);
}

static void read_mounts(Evidence *evidence)
{
    int r = mount_table_read(evidence->root_fd, &evidence->mounts);

    if (r < 0)
        evidence->mounts_unread = g_strdup_printf("/proc/1/mountinfo: %s", g_strerror(-r));
    else if (evidence->mounts->n_unreadable > 0)
        evidence->mounts_unread =
            unread_processes("mountinfo", evidence->mounts->n_unreadable, evidence->mounts->error);
}

static void read_network(Evidence *evidence)
{
    int r = network_state_read(&evidence->network);

    if (r >= 0) {
        if (!evidence->mounts)
            read_mounts(evidence);
        r = remote_ways_find(evidence->network, remote_peers_read(evidence->root_fd, evidence->mounts),
                             &evidence->remote);
    }
    if (r < 0)
        evidence->network_unread = g_strdup_printf("rtnetlink: %s", g_strerror(-r));
}

/* A device can run over any interface, so all are looked at; ib_core, which answers, is there if one is. */
static void read_rdma(Evidence *evidence)
{
    g_auto(GStrv) names = NULL;
    int r;

    r = sysfs_list(evidence->root_fd, "sys/class/infiniband", &names);
    if (r == -ENOENT || (r >= 0 && !*names))
        return;
    if (r >= 0)
        r = rdma_state_read(&evidence->rdma);
    if (r < 0)
        evidence->rdma_unread = g_strdup_printf("RDMA netlink: %s", g_strerror(-r));
}

/* Reads what the members need, once for all of them. */
static void evidence_read(Evidence *evidence, const GPtrArray *members, FindingsScope scope)
{
    read_files(evidence);
    if (scope == FINDINGS_OWNER_ONLY)
        return;
    if (any_member_has_storage(members)) {
        read_mounts(evidence);
        evidence->blocks = block_table_read(evidence->root_fd);
        evidence->exports = export_table_read(evidence->root_fd, evidence->blocks);
    }
    if (any_member_has(members, "net"))
        read_network(evidence);
    if (any_member_has(members, "net") || any_member_has(members, "infiniband"))
        read_rdma(evidence);
}

static void evidence_clear(Evidence *evidence)
{
    g_clear_pointer(&evidence->files, open_files_free);
    g_clear_pointer(&evidence->mounts, mount_table_free);
    g_clear_pointer(&evidence->blocks, block_table_free);
    g_clear_pointer(&evidence->remote, remote_ways_free);
    g_clear_pointer(&evidence->rdma, rdma_state_free);
    g_clear_pointer(&evidence->rdma_unread, g_free);
    g_clear_pointer(&evidence->exports, export_table_free);
    g_clear_pointer(&evidence->network, network_state_free);
    g_clear_pointer(&evidence->files_unread, g_free);
    g_clear_pointer(&evidence->mounts_unread, g_free);
    g_clear_pointer(&evidence->network_unread, g_free);
}

static int compare_findings(const void *a, const void *b)
{
    const Finding *one = *(const Finding *const *) a, *other = *(const Finding *const *) b;
    int r = strcmp(one->member, other->member);

    if (r == 0)
        r = (int) other->severity - (int) one->severity;
    return r ?: strcmp(one->id, other->id);
}

/* Sorts; of findings that say the same the first stays. */
static void sort_findings(GPtrArray *findings)
{
    g_ptr_array_sort(findings, compare_findings);
    for (unsigned i = 1; i < findings->len;)
        if (compare_findings(&findings->pdata[i - 1], &findings->pdata[i]) == 0)
            g_ptr_array_remove_index(findings, i);
        else
            i++;
}

static int read_members(int root_fd, char **syspaths, GPtrArray *members)
{
    for (char **syspath = syspaths; *syspath; syspath++) {
        Member *member;
        int r = member_read(root_fd, *syspath, &member);

        if (r < 0)
            return r;
        g_ptr_array_add(members, member);
    }
    return 0;
}

int findings_collect(int root_fd, char **members, FindingsScope scope, GPtrArray **ret)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify) member_free);
    g_autoptr(GPtrArray) findings = findings_new();
    Evidence evidence = { .root_fd = root_fd, .members = members };
    int r;

    r = read_members(root_fd, members, list);
    if (r < 0)
        return r;
    evidence_read(&evidence, list, scope);
    for (unsigned i = 0; i < list->len; i++) {
        const Member *member = g_ptr_array_index(list, i);

        findings_judge_owner(&evidence, member, findings);
        if (scope == FINDINGS_OWNER_ONLY)
            continue;
        findings_judge_nodes(&evidence, member, findings);
        findings_judge_export(&evidence, member, findings);
        findings_judge_block(&evidence, member, findings);
        findings_judge_network(&evidence, member, findings);
        findings_judge_remote(&evidence, member, findings);
        findings_judge_rdma(&evidence, member, findings);
        findings_judge_namespace(&evidence, member, findings);
        findings_judge_display(&evidence, member, findings);
        findings_judge_input(&evidence, member, findings);
        findings_judge_sound(&evidence, member, findings);
        findings_judge_shape(&evidence, member, findings);
        findings_judge_infrastructure(&evidence, member, findings);
        findings_judge_unknown(member, findings);
    }
    evidence_clear(&evidence);
    sort_findings(findings);
    for (unsigned i = 0; scope != FINDINGS_OWNER_ONLY && i < list->len; i++)
        findings_judge_below(g_ptr_array_index(list, i), findings);
    sort_findings(findings);
    *ret = g_steal_pointer(&findings);
    return 0;
}

GPtrArray *findings_blocking(const GPtrArray *findings, FindingKindSet accept, char **allow)
{
    GPtrArray *blocking = g_ptr_array_new();

    for (unsigned i = 0; i < findings->len; i++) {
        Finding *finding = g_ptr_array_index(findings, i);
        bool is_allowed = allow && g_strv_contains((const char *const *) allow, finding->id);
        bool is_accepted = accept & FINDING_KIND_BIT(finding->kind);

        if (finding->kind == FINDING_BELOW)
            continue;
        if (finding->severity == FINDING_ABSOLUTE || (finding->severity == FINDING_FATAL && !is_allowed) ||
            (finding->severity == FINDING_DISRUPTIVE && !is_allowed && !is_accepted))
            g_ptr_array_add(blocking, finding);
    }
    return blocking;
}
