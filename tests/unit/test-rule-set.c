/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rules-fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "diagnostic.h"
#include "unit.h"

#define GOOD "[Match]\nClass=nvme\n[Policy]\nType=DMA-FQ\n"
#define GOOD_FORBID "[Match]\nClass=nvme\n[Policy]\nType=identity\nForbid=DMA-FQ\n"
#define BAD "[Match]\nClass=nvme\n[Policy]\nType=dma\n"

static char *files_of(const RuleSet *set)
{
    return g_strjoinv(" ", (char **) rule_set_files(set));
}

START_TEST(test_empty)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(RuleSet) set = rule_tree_load(tree, NULL, 0);

    ck_assert_uint_eq(rule_set_rules(set)->len, 0);
    ck_assert_ptr_null(rule_set_files(set)[0]);
    ck_assert(!rule_set_changed_on_disk(set, tree->root_fd));
}
END_TEST

START_TEST(test_four_directories)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(RuleSet) set = NULL;
    g_autofree char *files = NULL;

    rule_tree_write(tree, "usr/lib/iommu-policy.d/a.conf", GOOD, -1);
    rule_tree_write(tree, "usr/local/lib/iommu-policy.d/b.conf", GOOD, -1);
    rule_tree_write(tree, "run/iommu-policy.d/c.conf", GOOD, -1);
    rule_tree_write(tree, "etc/iommu-policy.d/d.conf", GOOD, -1);
    rule_tree_write(tree, "usr/lib/iommu-policy.d/d.conf", BAD, -1);
    set = rule_tree_load(tree, NULL, 0);
    files = files_of(set);
    ck_assert_str_eq(files, "/usr/lib/iommu-policy.d/a.conf /usr/local/lib/iommu-policy.d/b.conf "
                            "/run/iommu-policy.d/c.conf /etc/iommu-policy.d/d.conf");
}
END_TEST

START_TEST(test_digest)
{
    g_autoptr(RuleTree) one = rule_tree_new(), two = rule_tree_new();
    g_autoptr(RuleSet) a = NULL, b = NULL, renamed = NULL, changed = NULL;

    rule_tree_write(one, "etc/iommu-policy.d/a.conf", GOOD, -1);
    rule_tree_write(two, "usr/lib/iommu-policy.d/a.conf", GOOD, -1);
    a = rule_tree_load(one, NULL, 0);
    b = rule_tree_load(two, NULL, 0);
    ck_assert_uint_eq(strlen(rule_set_digest(a)), 64);
    ck_assert_str_eq(rule_set_digest(a), rule_set_digest(b));

    rule_tree_write(two, "usr/lib/iommu-policy.d/a.conf", GOOD "\n", -1);
    changed = rule_tree_load(two, NULL, 0);
    ck_assert_str_ne(rule_set_digest(a), rule_set_digest(changed));

    rule_tree_write(one, "etc/iommu-policy.d/b.conf", GOOD, -1);
    renamed = rule_tree_load(one, NULL, 0);
    ck_assert_str_ne(rule_set_digest(a), rule_set_digest(renamed));
}
END_TEST

START_TEST(test_changed_on_disk)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(RuleSet) set = NULL, again = NULL;

    rule_tree_write(tree, "etc/iommu-policy.d/a.conf", GOOD, -1);
    set = rule_tree_load(tree, NULL, 0);
    ck_assert(!rule_set_changed_on_disk(set, tree->root_fd));

    rule_tree_write(tree, "run/iommu-policy.d/b.conf", BAD, -1);
    ck_assert(rule_set_changed_on_disk(set, tree->root_fd));

    /* A refused file is known, too: it did not change since. */
    again = rule_tree_load(tree, set, 1);
    ck_assert(!rule_set_changed_on_disk(again, tree->root_fd));
    ck_assert(rule_set_changed_on_disk(set, tree->root_fd));
}
END_TEST

START_TEST(test_frozen_at_start)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(RuleSet) set = NULL, mended = NULL;
    g_autofree char *files = NULL;

    rule_tree_write(tree, "etc/iommu-policy.d/a.conf", GOOD, -1);
    rule_tree_write(tree, "etc/iommu-policy.d/b.conf", BAD, -1);
    set = rule_tree_load(tree, NULL, 1);
    files = files_of(set);
    ck_assert_str_eq(files, "/etc/iommu-policy.d/a.conf");

    rule_tree_write(tree, "etc/iommu-policy.d/b.conf", GOOD, -1);
    mended = rule_tree_load(tree, set, 0);
    ck_assert_uint_eq(rule_set_rules(mended)->len, 2);
}
END_TEST

/* The old rules stay, new readable files add what they forbid and nothing else, and it does not pile up. */
START_TEST(test_frozen_after_reload)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(RuleSet) set = NULL, frozen = NULL, again = NULL, other = NULL;
    const Rule *rule;

    rule_tree_write(tree, "etc/iommu-policy.d/b.conf", GOOD, -1);
    set = rule_tree_load(tree, NULL, 0);

    rule_tree_write(tree, "etc/iommu-policy.d/a.conf", GOOD_FORBID, -1);
    rule_tree_write(tree, "etc/iommu-policy.d/b.conf", BAD, -1);
    rule_tree_write(tree, "etc/iommu-policy.d/c.conf", GOOD, -1);
    frozen = rule_tree_load(tree, set, 1);
    ck_assert_uint_eq(rule_set_rules(frozen)->len, 2);
    rule = rule_set_rules(frozen)->pdata[0];
    ck_assert_str_eq(rule->file, "/etc/iommu-policy.d/a.conf");
    ck_assert(!rule->has_type);
    ck_assert_uint_eq(rule->forbid, DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ));
    rule = rule_set_rules(frozen)->pdata[1];
    ck_assert_ptr_eq(rule, rule_set_rules(set)->pdata[0]);
    ck_assert_str_ne(rule_set_digest(frozen), rule_set_digest(set));

    again = rule_tree_load(tree, frozen, 1);
    ck_assert_uint_eq(rule_set_rules(again)->len, 2);
    ck_assert_str_eq(rule_set_digest(again), rule_set_digest(frozen));

    rule_tree_write(tree, "etc/iommu-policy.d/a.conf", GOOD, -1);
    other = rule_tree_load(tree, again, 1);
    ck_assert_uint_eq(rule_set_rules(other)->len, 1);
}
END_TEST

START_TEST(test_frozen_changed_file)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(RuleSet) set = NULL, frozen = NULL;

    rule_tree_write(tree, "etc/iommu-policy.d/a.conf", GOOD_FORBID, -1);
    rule_tree_write(tree, "etc/iommu-policy.d/b.conf", GOOD, -1);
    set = rule_tree_load(tree, NULL, 0);

    /* Unchanged: it is in the old set and is not added again. Changed: its Forbid= counts at once. */
    rule_tree_write(tree, "etc/iommu-policy.d/b.conf", "[Match]\nAny=yes\n[Policy]\nForbid=identity\n", -1);
    rule_tree_write(tree, "etc/iommu-policy.d/c.conf", BAD, -1);
    frozen = rule_tree_load(tree, set, 1);
    ck_assert_uint_eq(rule_set_rules(frozen)->len, 3);
    ck_assert_uint_eq(g_strv_length((char **) rule_set_files(frozen)), 2);
}
END_TEST

START_TEST(test_unreadable_directory)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(RuleSet) set = NULL;

    rule_tree_write(tree, "run/iommu-policy.d", "a file", -1);
    ck_assert_int_eq(rule_set_load(tree->root_fd, NULL, &set, &diagnostics), -ENOTDIR);
    ck_assert_ptr_null(set);
    ck_assert_ptr_null(diagnostics);
}
END_TEST

START_TEST(test_named_files)
{
    g_autoptr(RuleTree) tree = rule_tree_new();
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_autoptr(RuleSet) set = NULL;
    g_autofree char *files = NULL, *said = NULL;
    char *names[] = {(char *) "/srv/z.conf", (char *) "/srv/sub/a.conf", (char *) "/srv/bad.conf",
                     (char *) "/srv/none.conf", NULL};

    rule_tree_write(tree, "srv/z.conf", GOOD, -1);
    rule_tree_write(tree, "srv/sub/a.conf", GOOD, -1);
    rule_tree_write(tree, "srv/bad.conf", BAD, -1);
    ck_assert_int_eq(rule_set_load_files(tree->root_fd, names, &set, &diagnostics), 0);
    files = files_of(set);
    ck_assert_str_eq(files, "/srv/sub/a.conf /srv/z.conf");
    ck_assert(rule_set_is_frozen(set));
    ck_assert(!rule_set_changed_on_disk(set, tree->root_fd));
    ck_assert_uint_eq(diagnostics->len, 2);
    said = diagnostic_to_string(diagnostics->pdata[1]);
    ck_assert_str_eq(said, "/srv/bad.conf:4:6: error: unknown type dma (did you mean DMA?)");
}
END_TEST

/* ---- matching ---- */

typedef struct Visits {
    GString *text;
    unsigned stop_after;
} Visits;

static bool note_visit(const Rule *rule, Tristate match, void *userdata)
{
    Visits *visits = userdata;
    g_autofree char *name = g_path_get_basename(rule->file);

    g_string_append_printf(visits->text, "%.2s%s ", name, match == TRISTATE_UNKNOWN ? "?" : "");
    return visits->stop_after == 0 || --visits->stop_after > 0;
}

static char *visited(const RuleSet *set, const DeviceFacts *device, unsigned stop_after)
{
    Visits visits = {.text = g_string_new(NULL), .stop_after = stop_after};
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "quiet iommu.strict=1 root=/dev/vda1");

    rule_set_match(set, device, host, note_visit, &visits);
    return g_string_free(visits.text, FALSE);
}

static RuleSet *set_of_lines(const char *const *lines, size_t n)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (size_t i = 0; i < n; i++)
        g_ptr_array_add(texts, rule_text(lines[i]));
    return rules_from_texts((const char *const *) texts->pdata, n);
}

START_TEST(test_order_of_visits)
{
    static const char *const lines[] = {
        "Any=yes > Type=DMA",
        "Address=0000:00:04.0 > Type=DMA",
        "Class=ethernet > Type=DMA",
        "Id=144d:* > Type=DMA",
        "Class=ethernet | Class=nvme; Id=144d:a808 > Type=DMA",
        "Driver=nvme > Type=DMA",
        "Driver=!nvme; Class=ethernet > Type=DMA",
    };
    g_autoptr(RuleSet) set = set_of_lines(lines, G_N_ELEMENTS(lines));
    g_autoptr(DeviceFacts) device = nvme_facts("0000:00:04.0");
    g_autofree char *all = visited(set, device, 0), *two = visited(set, device, 2);

    ck_assert_str_eq(all, "10 20 40 50 60? ");
    ck_assert_str_eq(two, "10 20 ");
}
END_TEST

/* One section against the facts below; "y", "n" or "?" before and after udev and a driver. */
static const struct {
    const char *match;
    char early, late;
} match_cases[] = {
    {"Any=yes", 'y', 'y'},
    {"Address=0000:00:04.0", 'y', 'y'},
    {"Address=0000:00:*", 'y', 'y'},
    {"Address=0000:00:05.0 0000:00:04.?", 'y', 'y'},
    {"Address=0000:00:05.0", 'n', 'n'},
    {"Address=!0000:00:05.0", 'y', 'y'},
    {"Path=pci0000:00/0000:00:04.0", 'y', 'y'},
    {"Path=pci0000:00/*", 'y', 'y'},
    {"Path=pci0000:00", 'n', 'n'},
    {"Id=144d:a808", 'y', 'y'},
    {"Id=144D:A808", 'y', 'y'},
    {"Id=144d:*", 'y', 'y'},
    {"Id=*:a808", 'y', 'y'},
    {"Id=8086:* 10de:*", 'n', 'n'},
    {"Id=!8086:* 10de:*", 'y', 'y'},
    {"Id=!8086:* 144d:*", 'n', 'n'},
    {"Id=8086:*; Id=144d:*", 'y', 'y'},
    {"Id=!8086:*; Id=!144d:*", 'n', 'n'},
    {"SubsystemId=144d:a801", 'y', 'y'},
    {"PhysicalFunction=144d:*", 'n', 'n'},
    {"PhysicalFunction=!144d:*", 'y', 'y'},
    {"Class=nvme", 'y', 'y'},
    {"Class=storage", 'y', 'y'},
    {"Class=0x010802", 'y', 'y'},
    {"Class=0x0108*", 'y', 'y'},
    {"Class=ethernet usb", 'n', 'n'},
    {"Class=!nvme", 'n', 'n'},
    {"Modalias=pci:v0000144Dd*", 'y', 'y'},
    {"Bus=pci", 'y', 'y'},
    {"Bus=platform", 'n', 'n'},
    {"Removable=no", 'y', 'y'},
    {"Removable=yes", 'n', 'n'},
    {"VirtualFunction=!yes", 'y', 'y'},
    {"Iommu=intel amd", 'y', 'y'},
    {"Iommu=smmu-v3", 'n', 'n'},
    {"ReservedDirect=no", '?', 'y'},
    {"ReservedDirect=!no", '?', 'n'},
    {"Architecture=x86-64", 'y', 'y'},
    {"Architecture=x86*", 'y', 'y'},
    {"Architecture=arm64", 'n', 'n'},
    {"KernelCommandLine=iommu.strict=1", 'y', 'y'},
    {"KernelCommandLine=iommu.strict", 'y', 'y'},
    {"KernelCommandLine=iommu.strict=0", 'n', 'n'},
    {"KernelCommandLine=root=*", 'y', 'y'},
    {"KernelCommandLine=quie", 'n', 'n'},
    {"KernelCommandLine=!debug", 'y', 'y'},
    {"Driver=nvme", '?', 'y'},
    {"Driver=!nvme", '?', 'n'},
    {"Driver=vfio-*", '?', 'n'},
    {"Driver=!vfio-*", '?', 'y'},
    {"Property=ID_PATH=pci-*", '?', 'y'},
    {"Property=ID_PATH=usb-*", '?', 'n'},
    {"Property=ID_NONE=*", '?', 'n'},
    {"Property=!ID_NONE=*", '?', 'y'},
    {"Property=ID_NONE=1 ID_PATH=pci-*", '?', 'y'},
    {"MACAddress=52:54:00:12:34:56", '?', 'n'},
    {"MACAddress=!52:54:00:*", '?', 'y'},
    {"Serial=S4EV*", '?', 'y'},
    {"Serial=S4EVNF0M", '?', 'y'},
    {"Serial=X*", '?', 'n'},
    /* Keys within a section: one that is known not to match settles it; else one that is unknown does. */
    {"Class=nvme; Driver=nvme", '?', 'y'},
    {"Class=ethernet; Driver=nvme", 'n', 'n'},
    {"Class=nvme; Driver=nvme; Serial=X", '?', 'n'},
    {"Driver=!nvme; Serial=!X", '?', 'n'},
    /* Sections: one that matches settles it; else one that is unknown does. */
    {"Class=ethernet | Class=nvme", 'y', 'y'},
    {"Driver=vfio-pci | Class=nvme", 'y', 'y'},
    {"Driver=vfio-pci | Class=ethernet", '?', 'n'},
    {"Driver=nvme | Class=ethernet", '?', 'y'},
    {"Id=8086:* | Class=gpu", 'n', 'n'},
};

static DeviceFacts *facts_for_matching(bool late)
{
    DeviceFacts *device = nvme_facts("0000:00:04.0");

    device->reserved_direct = late ? TRISTATE_NO : TRISTATE_UNKNOWN;
    device->driver_known = device->udev_known = late;
    device->driver = g_strdup("nvme");
    device->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(device->properties, g_strdup("ID_PATH"), g_strdup("pci-0000:00:04.0"));
    device->serials = g_strsplit("other S4EVNF0M", " ", -1);
    return device;
}

START_TEST(test_match)
{
    g_autofree char *line = g_strdup_printf("%s > Type=DMA", match_cases[_i].match);
    g_autofree char *text = rule_text(line);
    g_autoptr(RuleSet) set = rules_from_texts((const char *const[]) {text}, 1);

    for (int late = 0; late <= 1; late++) {
        g_autoptr(DeviceFacts) device = facts_for_matching(late);
        g_autoptr(HostFacts) host = host_facts_new("x86-64", "quiet iommu.strict=1 root=/dev/vda1");
        g_autofree char *through_index = visited(set, device, 0);
        char expected = late ? match_cases[_i].late : match_cases[_i].early;

        ck_assert_msg("ny?"[rule_match(rule_set_rules(set)->pdata[0], device, host)] == expected, "%s",
                      line);
        ck_assert_str_eq(through_index, expected == 'y' ? "10 " : expected == '?' ? "10? " : "");
    }
}
END_TEST

START_TEST(test_no_host)
{
    g_autofree char *text = rule_text("Architecture=x86-64 | KernelCommandLine=!debug > Type=DMA");
    g_autoptr(RuleSet) set = rules_from_texts((const char *const[]) {text}, 1);
    g_autoptr(DeviceFacts) device = nvme_facts("0000:00:04.0");

    ck_assert_int_eq(rule_match(rule_set_rules(set)->pdata[0], device, NULL), TRISTATE_UNKNOWN);
}
END_TEST

START_TEST(test_nearly)
{
    static const struct {
        const char *match, *nearly;
    } cases[] = {
        {"Class=ethernet; Bus=pci", "Class=ethernet does not match nvme"},
        {"Class=!nvme storage; Bus=pci", "Class=!nvme storage does not match nvme"},
        {"Id=144d:*; Driver=vfio-pci", "Driver=vfio-pci does not match nvme"},
        {"Id=144d:*; Architecture=arm64", "Architecture=arm64 does not match x86-64"},
        {"Id=144d:*; Property=ID_PATH=usb-*",
         "Property=ID_PATH=usb-* does not match ID_PATH=pci-0000:00:04.0"},
        {"Id=144d:*; PhysicalFunction=8086:*",
         "PhysicalFunction=8086:* does not match a device that has none"},
        {"Class=gpu; Bus=usb | Class=nvme; Bus=usb", "Bus=usb does not match pci"},
        {"Class=gpu", NULL},
        {"Class=gpu; Bus=usb; Id=144d:*", NULL},
        {"Class=nvme; Bus=pci", NULL},
    };
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "");
    g_autoptr(DeviceFacts) device = facts_for_matching(true);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *line = g_strdup_printf("%s > Type=DMA", cases[i].match), *text = rule_text(line);
        g_autoptr(RuleSet) set = rules_from_texts((const char *const[]) {text}, 1);
        g_autofree char *nearly = rule_nearly(rule_set_rules(set)->pdata[0], device, host);

        ck_assert_pstr_eq(nearly, cases[i].nearly);
    }
}
END_TEST

/* The index must find what asking every rule finds: rules and devices by a seeded generator. */
START_TEST(test_index_against_all)
{
    static const char *const terms[] = {
        "Address=0000:00:04.0", "Address=0000:00:0[45].0", "Address=0000:0*", "Path=pci0000:00/0000:00:05.0",
        "Path=pci0000:00/*",    "Id=144d:a808",            "Id=144d:*",       "Id=144d:a80? 8086:10d3",
        "Id=*:a808",            "Id=!144d:*",              "Class=nvme",      "Class=storage ethernet",
        "Class=0x0*",           "Class=!nvme",             "Driver=nvme",     "Driver=nvme e1000*",
        "Driver=!nvme",         "Serial=S4EVNF0M",         "Serial=S4*",      "Modalias=pci:v0000144D*",
        "Removable=no",         "SubsystemId=144d:a801",   "Property=ID_PATH=*", "MACAddress=52:54:*",
    };
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "quiet iommu.strict=1 root=/dev/vda1");
    g_autoptr(RuleSet) set = NULL;

    for (int i = 0; i < 90; i++) {
        g_autofree char *line = g_strdup_printf("X-A=b; %s | %s > Type=DMA",
                                                terms[g_rand_int_range(rand, 0, G_N_ELEMENTS(terms))],
                                                terms[g_rand_int_range(rand, 0, G_N_ELEMENTS(terms))]);

        g_ptr_array_add(texts, rule_text(line));
    }
    set = rules_from_texts((const char *const *) texts->pdata, texts->len);

    for (int i = 0; i < 500; i++) {
        g_autoptr(DeviceFacts) device = facts_for_matching(g_rand_boolean(rand));
        g_autoptr(GString) expected = g_string_new(NULL);
        g_autofree char *found = NULL;

        device->driver_known = g_rand_boolean(rand);
        device->vendor = g_rand_boolean(rand) ? 0x144d : g_rand_boolean(rand) ? 0x8086 : FACT_NO_ID;
        device->device = g_rand_boolean(rand) ? 0xa808 : 0x10d3;
        device->class_code = g_rand_boolean(rand) ? 0x010802 : g_rand_boolean(rand) ? 0x020000 : FACT_NO_ID;
        device->name[9] = '4' + g_rand_int_range(rand, 0, 3);
        device->path[20] = device->name[9];

        for (unsigned j = 0; j < rule_set_rules(set)->len; j++) {
            const Rule *rule = rule_set_rules(set)->pdata[j];
            Tristate match = rule_match(rule, device, host);

            if (match != TRISTATE_NO)
                note_visit(rule, match, &(Visits){.text = expected});
        }
        found = visited(set, device, 0);
        ck_assert_str_eq(found, expected->str);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("rule-set");

    tcase_add_test(tcase, test_empty);
    tcase_add_test(tcase, test_four_directories);
    tcase_add_test(tcase, test_digest);
    tcase_add_test(tcase, test_changed_on_disk);
    tcase_add_test(tcase, test_frozen_at_start);
    tcase_add_test(tcase, test_frozen_after_reload);
    tcase_add_test(tcase, test_frozen_changed_file);
    tcase_add_test(tcase, test_unreadable_directory);
    tcase_add_test(tcase, test_named_files);
    tcase_add_test(tcase, test_order_of_visits);
    tcase_add_loop_test(tcase, test_match, 0, G_N_ELEMENTS(match_cases));
    tcase_add_test(tcase, test_no_host);
    tcase_add_test(tcase, test_nearly);
    tcase_add_test(tcase, test_index_against_all);
    return unit_run("rule-set", tcase);
}
