/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Deciding many devices by many rules, against the least that an index could cost: one hash lookup by vendor
 * and device, and one by vendor, for each device. CPU time of this thread: what else the machine does is not
 * ours.
 */
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "decision.h"

#define ROUNDS 7

/* Ids that spread over vendors and devices without being sorted. */
static uint32_t some_id(unsigned i)
{
    return (i % 997 + 0x1000) << 16 | (i * 7919u & 0xffff);
}

/* Most rules name a model; the rest name places, boards, vendors and families, as rules in the field do. */
static char *rule_number(unsigned i)
{
    uint32_t id = some_id(i);

    switch (i % 10) {
    case 0:
        return g_strdup_printf("[Match]\nId=%04x:*\nBus=pci\n[Policy]\nForbid=identity\n", 0x2000 + i);
    case 1:
        return g_strdup_printf("[Match]\nAddress=%04x:00:04.0\n[Policy]\nType=DMA-FQ\n", i);
    case 2:
        return g_strdup_printf("[Match]\nClass=nvme\nSubsystemId=%04x:%04x\n[Policy]\nType=DMA\n", i, i);
    case 3:
        return g_strdup_printf("[Match]\nModalias=pci:v0000%04xd*\n[Policy]\nType=DMA\n", i);
    case 4:
        return g_strdup_printf(
            "[Match]\nPath=pci%04x:00/*\nDriver=nvme\n[Policy]\nType=identity\nUnbind=idle\n", i);
    default:
        return g_strdup_printf("[Match]\nId=%04x:%04x\n[Policy]\nType=DMA-FQ\nUnbind=idle\n", id >> 16,
                               id & 0xffff);
    }
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

/* By name, because the rule directories hold fewer files than that. */
static RuleSet *make_rules(unsigned n)
{
    g_autofree char *directory = g_dir_make_tmp("iommu-policy-bench-XXXXXX", NULL);
    g_autoptr(GPtrArray) diagnostics = NULL;
    g_auto(GStrv) files = g_new0(char *, n + 1);
    int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    RuleSet *set = NULL;

    for (unsigned i = 0; i < n; i++) {
        g_autofree char *text = rule_number(i);

        files[i] = g_strdup_printf("%s/%05u.conf", directory, i);
        if (!g_file_set_contents_full(files[i], text, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL))
            exit(EXIT_FAILURE);
    }
    if (rule_set_load_files(root_fd, files, &set, &diagnostics) < 0 || rule_set_is_frozen(set)) {
        fputs("the rules of the benchmark are refused\n", stderr);
        exit(EXIT_FAILURE);
    }
    (void) nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    (void) close(root_fd);
    return set;
}

static DeviceFacts *device_number(unsigned i)
{
    g_autofree char *name = g_strdup_printf("%04x:00:04.0", i + 0x8000),
                    *path = g_strdup_printf("pci%04x:00/%s", i, name);
    DeviceFacts *device = device_facts_new("pci", name, path);
    uint32_t id = some_id(i);

    device->vendor = id >> 16;
    device->device = id & 0xffff;
    device->subsystem_vendor = device->subsystem_device = i;
    device->class_code = i % 2 ? 0x010802 : 0x020000;
    device->modalias = g_strdup_printf("pci:v0000%04Xd0000%04Xsv00000000sd00000000bc01sc08i02",
                                       device->vendor, device->device);
    device->untrusted = device->virtual_function = device->reserved_direct = TRISTATE_NO;
    device->driver_known = device->udev_known = true;
    device->driver = g_strdup("nvme");
    return device;
}

static GPtrArray *make_devices(unsigned n)
{
    GPtrArray *devices = g_ptr_array_new_with_free_func((GDestroyNotify) device_facts_free);

    for (unsigned i = 0; i < n; i++)
        g_ptr_array_add(devices, device_number(i));
    return devices;
}

static unsigned decide_all(const RuleSet *rules, const HostFacts *host, const GPtrArray *devices)
{
    unsigned wanted = 0;

    for (unsigned i = 0; i < devices->len; i++) {
        DecisionMember member = {
            .facts = devices->pdata[i], .kernel_type = _DOMAIN_TYPE_INVALID, .unbinds = true};
        DecisionInput input = {
            .members = &member,
            .n_members = 1,
            .current = DOMAIN_TYPE_DMA,
            .call_type = _DOMAIN_TYPE_INVALID,
        };
        g_autoptr(Decision) decision = decision_make(rules, host, &input);

        wanted += decision->wanted >= 0;
    }
    return wanted;
}

static double time_deciding(const RuleSet *rules, const HostFacts *host, const GPtrArray *devices,
                            unsigned *ret_wanted)
{
    double best = 1e9;

    for (int i = 0; i < ROUNDS; i++) {
        double start = bench_cpu();

        *ret_wanted = decide_all(rules, host, devices);
        best = MIN(best, bench_cpu() - start);
    }
    return best;
}

/* Nothing but the lookups. */
static double time_floor(const GPtrArray *devices, unsigned n_rules)
{
    g_autoptr(GHashTable) table = g_hash_table_new(g_direct_hash, g_direct_equal);
    unsigned found = 0;
    double best = 1e9;

    for (unsigned i = 0; i < n_rules; i++)
        g_hash_table_add(table, GUINT_TO_POINTER(some_id(i)));
    for (int round = 0; round < ROUNDS; round++) {
        double start = bench_cpu();

        for (unsigned i = 0; i < devices->len; i++) {
            const DeviceFacts *device = devices->pdata[i];

            found += g_hash_table_contains(table, GUINT_TO_POINTER(device->vendor << 16 | device->device));
            found += g_hash_table_contains(table, GUINT_TO_POINTER(device->vendor << 16));
        }
        best = MIN(best, bench_cpu() - start);
    }
    /* Used, so that the lookups are made. */
    return found > 0 ? best : 1e9;
}

/* Prints the row of N_DEVICES by N_RULES and returns how long they took, in µs; MOST as in BenchRow. */
static double measure(unsigned n_devices, unsigned n_rules, const char *limit, double most, int *missed)
{
    g_autofree char *what = g_strdup_printf("deciding %u devices x %u rules", n_devices, n_rules);
    g_autoptr(HostFacts) host = host_facts_new("x86-64", "quiet");
    g_autoptr(GPtrArray) devices = make_devices(n_devices);
    g_autoptr(RuleSet) rules = make_rules(n_rules);
    BenchRow row = { .what = what, .limit = limit, .floor_is = "bare lookups",
                     .unit = "us CPU", .most = most };
    unsigned wanted;

    row.floor = time_floor(devices, n_rules);
    row.ours = time_deciding(rules, host, devices, &wanted);
    if (wanted == 0)
        exit(EXIT_FAILURE);
    *missed |= bench_print(&row);
    return row.ours;
}

int main(void)
{
    int missed = 0;
    double ours;

    bench_pin();
    ours = measure(1000, 10000, "5000 us", 5000, &missed);
    /* Ten times the devices may cost ten times as much, and half again as they no longer fit the caches. */
    (void) measure(10000, 10000, "15 x the line above", 15 * ours, &missed);
    return missed;
}
