/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The attributes and links of one device, one on each line in the order of the table; an empty line: not
 * there. */
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "fuzz.h"

#define FOLDER "sys/devices/pci0000:00/0000:00:04.0"

static const char *const attributes[] = {
    "modalias", "vendor", "device", "subsystem_vendor", "subsystem_device", "class", "dma_mask_bits",
    "numa_node", "removable",
};
static const char *const links[] = { "subsystem", "driver", "iommu_group", "iommu", "physfn" };

static void make_folder(int fds[static G_N_ELEMENTS(attributes)])
{
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
        g_autofree char *path = g_build_filename(FOLDER, attributes[i], NULL);

        fds[i] = fuzz_file(path);
    }
    tree_write(fuzz_tree(), FOLDER "/uevent", "");
    tree_mkdir(fuzz_tree(), "sys/bus/pci");
}

static void make_link(const char *name, const char *target)
{
    g_autofree char *path = g_build_filename(FOLDER, name, NULL);

    (void) unlinkat(fuzz_tree()->fd, path, 0);
    if (*target)
        (void) symlinkat(target, fuzz_tree()->fd, path);
}

static void check_id(uint32_t id, uint32_t max)
{
    g_assert_true(id == FACT_NO_ID || id <= max);
}

static void check_device(const Device *device)
{
    const DeviceFacts *facts = device->facts;
    g_autofree char *key = device_key(device);

    g_assert_cmpint(device->group, >=, -1);
    g_assert_cmpuint(facts->dma_mask_bits, <=, 64);
    g_assert_true(g_str_has_suffix(key, ":0000:00:04.0"));
    check_id(facts->class_code, 0xffffff);
    g_assert_true((facts->subsystem_vendor == FACT_NO_ID) || facts->subsystem_vendor != 0 ||
                  facts->subsystem_device != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Device) device = NULL, again = NULL;
    Input input = { data, size };
    static int fds[G_N_ELEMENTS(attributes)];

    if (fds[0] == 0)
        make_folder(fds);
    for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
        g_autofree char *target = input_line(&input);

        make_link(links[i], target);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
        g_autofree char *text = input_line(&input);

        fuzz_fill(fds[i], text, strlen(text));
    }
    if (device_read(fuzz_tree()->fd, FOLDER, NULL, &device) < 0)
        return 0;
    check_device(device);
    g_assert_cmpint(device_read(fuzz_tree()->fd, FOLDER, device, &again), ==, 0);
    check_device(again);
    return 0;
}
