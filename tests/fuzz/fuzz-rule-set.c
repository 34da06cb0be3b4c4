/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A whole rule set: files and links in the four directories. A line "%e NAME" begins a file, "%e NAME ->
 * TARGET" is a link. What is loaded must be the same when it is loaded again, what the index finds must be
 * what asking every rule finds, and the outcome must not depend on the order of the members.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decision.h"
#include "diagnostic.h"
#include "fuzz.h"

#define FILES_MAX 8

static const struct {
    char letter;
    const char *path;
} directories[] = {
    { 'e', "etc/iommu-policy.d" },
    { 'r', "run/iommu-policy.d" },
    { 'u', "usr/local/lib/iommu-policy.d" },
    { 'l', "usr/lib/iommu-policy.d" },
};

/* Makes what HEADER ("e 10-a.conf", "l 10-a.conf -> /dev/null"; "ew": everybody may write it) says. Returns
 * its path, or NULL if it cannot be. */
static char *make_file(Tree *tree, const char *header, const char *content, size_t size)
{
    g_auto(GStrv) words = g_strsplit(header, " ", 4);
    unsigned n = g_strv_length(words);
    g_autofree char *path = NULL;
    int fd;

    if (n < 2 || words[1][0] == '\0' || strchr(words[1], '/') || strlen(words[1]) > 64 ||
        g_str_equal(words[1], ".") || g_str_equal(words[1], ".."))
        return NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(directories); i++)
        if (directories[i].letter == words[0][0])
            path = g_build_filename(directories[i].path, words[1], NULL);
    if (!path)
        return NULL;
    if (n == 4) {
        if (words[3][0] == '\0' || symlinkat(words[3], tree->fd, path) < 0)
            return NULL;
        return g_steal_pointer(&path);
    }
    fd = openat(tree->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, words[0][1] == 'w' ? 0666 : 0644);
    if (fd < 0)
        return NULL;
    (void) fchmod(fd, words[0][1] == 'w' ? 0666 : 0644);
    g_assert_cmpint(write(fd, content, size), ==, (ssize_t) size);
    (void) close(fd);
    return g_steal_pointer(&path);
}

static GPtrArray *make_files(Tree *tree, const char *text, size_t size)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    const char *end = text + size;

    while (text < end && paths->len < FILES_MAX) {
        const char *newline = memchr(text, '\n', (size_t) (end - text)) ?: end;
        const char *next = newline < end ? memmem(newline, (size_t) (end - newline), "\n%", 2) : NULL;
        const char *name = text + (*text == '%');
        g_autofree char *header = g_strndup(name, (size_t) (newline - name));
        const char *content = newline < end ? newline + 1 : end, *after = next ? next + 1 : end;
        char *path = make_file(tree, header, content, after > content ? (size_t) (after - content) : 0);

        if (path)
            g_ptr_array_add(paths, path);
        text = after;
    }
    return paths;
}

static void check_diagnostics(const GPtrArray *diagnostics)
{
    for (unsigned i = 0; i < diagnostics->len; i++) {
        g_autofree char *text = diagnostic_to_string(diagnostics->pdata[i]);

        check_shown(text);
    }
}

static RuleSet *load(Tree *tree, RuleSet *previous)
{
    g_autoptr(GPtrArray) diagnostics = NULL;
    RuleSet *set = NULL;

    if (rule_set_load(tree->fd, previous, &set, &diagnostics) < 0)
        return NULL;
    check_diagnostics(diagnostics);
    g_assert_true(rule_set_is_frozen(set) == (diagnostics_count(diagnostics, DIAGNOSTIC_ERROR) > 0));
    if (previous && !rule_set_is_frozen(set) && !rule_set_is_frozen(previous))
        g_assert_cmpstr(rule_set_digest(set), ==, rule_set_digest(previous));
    g_assert_false(rule_set_changed_on_disk(set, tree->fd));
    return set;
}

/* --- devices */

static DeviceFacts *drive(void)
{
    DeviceFacts *facts = device_facts_new("pci", "0000:00:04.0", "pci0000:00/0000:00:04.0");

    facts->vendor = facts->subsystem_vendor = 0x144d;
    facts->device = 0xa808;
    facts->subsystem_device = 0xa801;
    facts->class_code = 0x010802;
    facts->modalias = g_strdup("pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02");
    facts->iommu = g_strdup("intel");
    facts->untrusted = facts->virtual_function = facts->reserved_direct = TRISTATE_NO;
    facts->driver = g_strdup("nvme");
    facts->driver_known = facts->udev_known = true;
    facts->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(facts->properties, g_strdup("ID_PATH"), g_strdup("pci-0000:00:04.0"));
    facts->serials = g_strsplit("S1234", " ", -1);
    return facts;
}

/* Nothing late is known of it yet. */
static DeviceFacts *card(void)
{
    DeviceFacts *facts = device_facts_new("pci", "0000:01:10.2", "pci0000:00/0000:00:05.0/0000:01:10.2");

    facts->vendor = facts->pf_vendor = 0x8086;
    facts->device = 0x1520;
    facts->pf_device = 0x1521;
    facts->class_code = 0x020000;
    facts->iommu = g_strdup("intel");
    facts->untrusted = TRISTATE_YES;
    facts->virtual_function = TRISTATE_YES;
    return facts;
}

static DeviceFacts *platform(void)
{
    DeviceFacts *facts = device_facts_new("platform", "arm-smmu.0", "platform/arm-smmu.0");

    facts->untrusted = TRISTATE_NO;
    facts->driver_known = true;
    return facts;
}

/* --- the index against the plain way */

typedef struct Expected {
    const GPtrArray *rules;
    const DeviceFacts *device;
    const HostFacts *host;
    unsigned next;
} Expected;

static Tristate skip_to_match(Expected *expected)
{
    for (; expected->next < expected->rules->len; expected->next++) {
        Tristate match =
            rule_match(expected->rules->pdata[expected->next], expected->device, expected->host);

        if (match != TRISTATE_NO)
            return match;
    }
    return TRISTATE_NO;
}

static bool visit(const Rule *rule, Tristate match, void *userdata)
{
    Expected *expected = userdata;

    g_assert_cmpint(skip_to_match(expected), ==, match);
    g_assert_true(expected->rules->pdata[expected->next] == rule);
    expected->next++;
    return true;
}

static void check_index(const RuleSet *set, const HostFacts *host, const DeviceFacts *device)
{
    Expected expected = { .rules = rule_set_rules(set), .device = device, .host = host };

    rule_set_match(set, device, host, visit, &expected);
    g_assert_cmpint(skip_to_match(&expected), ==, TRISTATE_NO);
}

/* --- decisions */

static void check_decision(const RuleSet *set, const Decision *decision)
{
    g_assert_cmpint(decision->wanted, <, _DOMAIN_TYPE_MAX);
    g_assert_nonnull(decision->wanted_by);
    g_assert_true(decision->conflict == (decision->conflict_text != NULL));
    g_assert_true((decision->obstacle != PENDING_NONE) == (decision->obstacle_text != NULL));
    if (decision->wanted >= 0 && domain_type_is_switchable(decision->wanted))
        g_assert_false(decision->out & DOMAIN_TYPE_BIT(decision->wanted));
    if (rule_set_is_frozen(set))
        g_assert_false(decision->may_relax || decision->may_unbind);
}

static void check_same(const Decision *one, const Decision *other)
{
    g_assert_cmpint(one->wanted, ==, other->wanted);
    g_assert_cmpint(one->conflict, ==, other->conflict);
    g_assert_cmpint(one->settled, ==, other->settled);
    g_assert_cmpint(one->may_relax, ==, other->may_relax);
    g_assert_cmpint(one->may_unbind, ==, other->may_unbind);
    g_assert_cmpuint(one->accept, ==, other->accept);
    g_assert_cmpuint(one->out, ==, other->out);
    g_assert_cmpuint(one->forbidden, ==, other->forbidden);
    g_assert_cmpint(one->obstacle, ==, other->obstacle);
}

static void decide(const RuleSet *set, const HostFacts *host, DeviceFacts *const *devices, size_t n,
                   DomainType current)
{
    DecisionMember forward[3], backward[3];
    DecisionInput input = {
        .members = forward,
        .n_members = n,
        .current = current,
        .auto_outcome = DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA) | DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ),
        .call_type = _DOMAIN_TYPE_INVALID,
    };
    g_autoptr(Decision) one = NULL, other = NULL;

    for (size_t i = 0; i < n; i++)
        forward[i] = backward[n - 1 - i] = (DecisionMember){
            .facts = devices[i], .kernel_type = _DOMAIN_TYPE_INVALID, .unbinds = i == 0 };
    one = decision_make(set, host, &input);
    check_decision(set, one);
    decision_explain(one, set, host, &input);
    input.members = backward;
    other = decision_make(set, host, &input);
    check_same(one, other);
}

static void check_set(const RuleSet *set, const HostFacts *host, DomainType current)
{
    g_autoptr(DeviceFacts) first = drive(), second = card(), third = platform();
    DeviceFacts *devices[] = { first, second, third };

    for (size_t i = 0; i < G_N_ELEMENTS(devices); i++)
        check_index(set, host, devices[i]);
    decide(set, host, devices, 1, current);
    decide(set, host, devices, G_N_ELEMENTS(devices), current);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "quiet iommu.strict=1");
    g_autoptr(RuleSet) set = NULL, again = NULL;
    g_autoptr(GPtrArray) paths = NULL;
    DomainType current = (DomainType) (size % (DOMAIN_TYPE_IDENTITY + 1));
    static Tree *tree;

    if (!tree) {
        tree = fuzz_tree();
        for (size_t i = 0; i < G_N_ELEMENTS(directories); i++)
            tree_mkdir(tree, directories[i].path);
    }
    if (size > 8192) /* a glob of some KiB against as long a name takes minutes, which only root can write */
        return 0;
    paths = make_files(tree, (const char *) data, size);
    set = load(tree, NULL);
    if (set) {
        check_set(set, host, current);
        again = load(tree, set);
        if (again && rule_set_is_frozen(again))
            check_set(again, host, current);
    }
    for (unsigned i = 0; i < paths->len; i++)
        (void) unlinkat(tree->fd, paths->pdata[i], 0);
    return 0;
}
