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
#include "command-line.h"
#include "kernel-config.h"
#include "sysfs.h"

#define TRANSLATED (DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA) | DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA_FQ))
#define ANY_OUTCOME (TRANSLATED | DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY))

/* What decides about the default type: drivers/iommu/iommu.c, iommu_subsys_init(). */
typedef struct DefaultType {
    Tristate passthrough;
    Tristate strict;
} DefaultType;

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

/* One of three lines (drivers/iommu/Kconfig). */
static void read_default_config(int root_fd, DefaultType *type)
{
    g_autofree char *line = NULL;

    if (kernel_config_find(root_fd, "CONFIG_IOMMU_DEFAULT_", &line) < 0)
        return;
    type->passthrough = g_str_equal(line, "CONFIG_IOMMU_DEFAULT_PASSTHROUGH=y");
    type->strict = g_str_equal(line, "CONFIG_IOMMU_DEFAULT_DMA_STRICT=y");
}

static void host_read_default(int root_fd, Host *host)
{
    DefaultType type = { TRISTATE_UNKNOWN, TRISTATE_UNKNOWN };
    CommandLine words;

    command_line_read(host->facts->kernel_command_line, host->facts->architecture, &words);
    if (words.passthrough == TRISTATE_UNKNOWN || words.strict == TRISTATE_UNKNOWN)
        read_default_config(root_fd, &type);
    if (words.passthrough != TRISTATE_UNKNOWN)
        type.passthrough = words.passthrough;
    if (words.strict != TRISTATE_UNKNOWN)
        type.strict = words.strict;

    host->boot_default = _DOMAIN_TYPE_INVALID;
    host->auto_outcome = ANY_OUTCOME;
    if (type.passthrough == TRISTATE_YES) {
        host->boot_default = DOMAIN_TYPE_IDENTITY;
        host->auto_outcome = DOMAIN_TYPE_BIT(DOMAIN_TYPE_IDENTITY);
    } else if (type.passthrough == TRISTATE_NO && type.strict == TRISTATE_YES) {
        host->boot_default = DOMAIN_TYPE_DMA;
        host->auto_outcome = DOMAIN_TYPE_BIT(DOMAIN_TYPE_DMA);
    } else if (type.passthrough == TRISTATE_NO) {
        /* A driver may still turn it strict: VT-d in caching mode, AMD with NpCache. */
        host->auto_outcome = TRANSLATED;
        if (type.strict == TRISTATE_NO)
            host->boot_default = DOMAIN_TYPE_DMA_FQ;
    }
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
    host_read_default(root_fd, host);
    *ret = g_steal_pointer(&host);
    return 0;
}

void host_free(Host *host)
{
    if (!host)
        return;
    host_facts_free(host->facts);
    g_free(host->disabled);
    g_free(host);
}
