/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cleanup.h"
#include "default-type.h"
#include "device.h"
#include "sysfs.h"

/* systemd.unit(5), ConditionArchitecture= */
static const char *architecture_name(const char *machine)
{
    static const char *const names[][2] = {
        { "x86_64", "x86-64" },   { "i686", "x86" },      { "i586", "x86" },       { "i386", "x86" },
        { "aarch64", "arm64" },   { "armv7l", "arm" },    { "ppc64le", "ppc64-le" }, { "ppc64", "ppc64" },
        { "s390x", "s390x" },     { "riscv64", "riscv64" }, { "loongarch64", "loongarch64" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_str_equal(names[i][0], machine))
            return names[i][1];
    return machine;
}

/* The bits of the highest address of RAM; 0 without CAP_SYS_ADMIN: all addresses then read 0
 * (kernel/resource.c). */
static unsigned host_memory_bits(int root_fd)
{
    g_autoptr(FILE) file = NULL;
    uint64_t top = 0, end;
    char line[256];
    int fd;

    fd = openat(root_fd, "proc/iomem", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return 0;
    file = fdopen(fd, "re");
    if (!file) {
        (void) safe_close(fd);
        return 0;
    }
    while (fgets(line, sizeof line, file))
        if (g_str_has_suffix(line, " : System RAM\n") && sscanf(line, "%*x-%" SCNx64, &end) == 1)
            top = MAX(top, end);
    return top > 0 ? 64 - (unsigned) __builtin_clzll(top) : 0;
}

static void unit_free(void *data)
{
    HostUnit *unit = data;

    g_free(unit->family);
    g_free(unit);
}

/* VT-d and AMD-Vi are there before any process; what comes later shows no registers. */
static GHashTable *read_units(int root_fd)
{
    GHashTable *units = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unit_free);
    g_auto(GStrv) names = NULL;

    if (sysfs_list(root_fd, "sys/class/iommu", &names) < 0)
        return units;
    for (char **name = names; *name; name++) {
        g_autofree char *path = g_strconcat("sys/class/iommu/", *name, NULL);
        _cleanup_close_ int fd = sysfs_open_dir(root_fd, path);
        HostUnit *unit;

        if (fd < 0)
            continue;
        unit = g_new0(HostUnit, 1);
        unit->family = iommu_family(root_fd, *name);
        iommu_unit_read(fd, unit->family, TRISTATE_UNKNOWN, &unit->unit);
        g_hash_table_insert(units, g_strdup(*name), unit);
    }
    return units;
}

const HostUnit *host_unit(const Host *host, const char *name)
{
    return name ? g_hash_table_lookup(host->units, name) : NULL;
}

bool host_has_word(const Host *host, const char *key, const char *value)
{
    for (char **word = host->facts->kernel_command_line; *word; word++) {
        g_auto(GStrv) values = NULL;

        if (!g_str_has_prefix(*word, key) || (*word)[strlen(key)] != '=')
            continue;
        values = g_strsplit(*word + strlen(key) + 1, ",", -1);
        if (g_strv_contains((const char *const *) values, value))
            return true;
    }
    return false;
}

/* The first processor's flags; they are the same for all. */
static char *read_processor_flags(int root_fd)
{
    g_autoptr(FILE) file = NULL;
    char line[4096];
    int fd = openat(root_fd, "proc/cpuinfo", O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return NULL;
    file = fdopen(fd, "re");
    if (!file) {
        (void) safe_close(fd);
        return NULL;
    }
    while (fgets(line, sizeof line, file))
        if (g_str_has_prefix(line, "flags\t"))
            return g_strdup(line);
    return NULL;
}

/* SME and SEV of AMD (arch/x86/kernel/cpu/amd.c, early_detect_mem_encrypt()): without the flags it is not
 * there; with them no file tells whether it is used. */
static Tristate host_encrypts_memory(int root_fd, char **words)
{
    g_autofree char *flags = NULL;
    g_auto(GStrv) list = NULL;

    if (g_strv_contains((const char *const *) words, "mem_encrypt=on"))
        return TRISTATE_YES;
    flags = read_processor_flags(root_fd);
    if (!flags)
        return TRISTATE_UNKNOWN;
    list = g_strsplit_set(flags, " \t\n", -1);
    if (g_strv_contains((const char *const *) list, "sme") ||
        g_strv_contains((const char *const *) list, "sev"))
        return TRISTATE_UNKNOWN;
    return TRISTATE_NO;
}

static bool exists(int root_fd, const char *path)
{
    return faccessat(root_fd, path, F_OK, 0) >= 0;
}

/* A kdump kernel has one job, and the devices it finds may still be writing for the kernel before it. */
static char *host_disabled_by(int root_fd, char **words)
{
    for (char **word = words; *word; word++) {
        if (g_str_equal(*word, "iommu_policy=off") || g_str_equal(*word, "iommu-policy=off"))
            return g_strdup_printf("%s on the kernel command line", *word);
        if (g_str_has_prefix(*word, "elfcorehdr="))
            return g_strdup("this is a kdump kernel: elfcorehdr= on the kernel command line");
    }
    if (exists(root_fd, "proc/vmcore"))
        return g_strdup("this is a kdump kernel: /proc/vmcore exists");
    if (exists(root_fd, "proc/device-tree/chosen/linux,elfcorehdr"))
        return g_strdup("this is a kdump kernel: the device tree names linux,elfcorehdr");
    return NULL;
}

int host_read(int root_fd, Host **ret)
{
    g_autoptr(Host) host = g_new0(Host, 1);
    g_autofree char *command_line = NULL;
    struct utsname name;
    int r;

    if (uname(&name) < 0)
        return -errno;
    r = sysfs_read(root_fd, "proc/cmdline", &command_line);
    if (r < 0)
        return r;
    host->facts = host_facts_new(architecture_name(name.machine), command_line);
    host->disabled = host_disabled_by(root_fd, host->facts->kernel_command_line);
    host->facts->memory_bits = host_memory_bits(root_fd);
    host->units = read_units(root_fd);
    host->encrypts_memory = host_encrypts_memory(root_fd, host->facts->kernel_command_line);
    default_type_read(root_fd, host);
    *ret = g_steal_pointer(&host);
    return 0;
}

void host_free(Host *host)
{
    if (!host)
        return;
    host_facts_free(host->facts);
    g_free(host->disabled);
    g_clear_pointer(&host->units, g_hash_table_unref);
    g_free(host);
}
