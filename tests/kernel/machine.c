/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fake-bus.h"
#include "fake-device.h"
#include "fake-group.h"
#include "fault.h"

static const char *const folders[] = {
    "sys/block", "sys/bus", "sys/class/block", "sys/class/iommu", "sys/class/net", "sys/class/nvme",
    "sys/dev/block", "sys/dev/char", "sys/devices/platform", "sys/devices/system/cpu",
    "sys/devices/virtual/iommu", "sys/firmware", "sys/kernel/iommu_groups", "sys/module", "sys/power",
    "run", "proc/self", "proc/1", "proc/sys/kernel/random", "etc", "dev", "usr/lib",
};

/* Small files of /proc that are there on every machine; a topology writes over them. */
static const struct {
    const char *path, *text;
} files[] = {
    {"proc/1/mountinfo", "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"},
    {"proc/self/mountinfo", "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"},
    {"proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"},
    {"proc/mdstat", "Personalities : \nunused devices: <none>\n"},
    {"proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1\n"},
    {"proc/meminfo", "MemTotal:        8000000 kB\n"},
    {"proc/iomem", "00000000-00000000 : Reserved\n"},
    {"proc/sys/kernel/random/boot_id", "6f1d2c8e-5a1b-4c7e-9d55-0c4a1f2b3c4d\n"},
};

Machine *machine_new(sd_event *event)
{
    Machine *machine = g_new0(Machine, 1);

    machine->tree = tree_new();
    machine->event = sd_event_ref(event);
    machine->faults = faults_new(machine);
    machine->buses = g_hash_table_new(g_str_hash, g_str_equal);
    machine->groups = g_hash_table_new(NULL, NULL);
    machine->devices = g_hash_table_new(g_str_hash, g_str_equal);
    machine->unplugged = g_ptr_array_new_with_free_func((GDestroyNotify) g_strfreev);
    machine->probe_faults = g_ptr_array_new();
    machine->exact = true;
    machine->boot_default = type_word("DMA-FQ");
    machine->async_ms = 5;
    machine->event_fd = -EBADF;

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++)
        (void) tree_add_directories(machine->tree, folders[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *folder = g_path_get_dirname(files[i].path);
        g_autofree char *name = g_path_get_basename(files[i].path);

        (void) tree_add_file(machine->tree, tree_add_directories(machine->tree, folder), name,
                             files[i].text);
    }
    (void) bus_new(machine, "pci");
    (void) bus_new(machine, "platform");
    return machine;
}

Machine *machine_free(Machine *machine)
{
    if (!machine)
        return NULL;
    devices_free(machine);
    groups_free(machine);
    buses_free(machine);
    faults_free(machine->faults);
    g_ptr_array_unref(machine->unplugged);
    tree_free(machine->tree);
    if (machine->event_fd >= 0)
        (void) close(machine->event_fd);
    sd_event_unref(machine->event);
    g_free(machine);
    return NULL;
}

const char *words_value(char *const *words, const char *key)
{
    size_t length = strlen(key);

    for (; *words; words++)
        if (strncmp(*words, key, length) == 0 && (*words)[length] == '=')
            return *words + length + 1;
    return NULL;
}

bool words_have(char *const *words, const char *word)
{
    for (; *words; words++)
        if (g_str_equal(*words, word))
            return true;
    return false;
}

int errno_from_name(const char *name)
{
    for (int error = 1; error < 134; error++)
        if (g_strcmp0(strerrorname_np(error), name) == 0)
            return error;
    return 0;
}

const char *errno_to_name(int error)
{
    return error == 0 ? "0" : strerrorname_np(error) ?: "EUNKNOWN";
}
