/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "device.h"
#include "plain-text.h"
#include "sysfs.h"

#define DEVICES_PREFIX "sys/devices/"

/* PCI class and subclass of what has a bridge's header: PCI, CardBus, and the odd semi-transparent one. */
#define CLASS_BRIDGE_PCI 0x0604u
#define CLASS_BRIDGE_CARDBUS 0x0607u
#define CLASS_BRIDGE_SEMI_TRANSPARENT 0x0609u

void device_free(Device *device)
{
    if (!device)
        return;
    device_facts_free(device->facts);
    g_free(device->driver);
    g_free(device->physical_function);
    g_free(device->iommu);
    g_free(device->model_name);
    g_free(device);
}

char *device_key(const Device *device)
{
    return g_strconcat(device->facts->bus, ":", device->facts->name, NULL);
}

bool device_same(const Device *a, const Device *b)
{
    return a->inode == b->inode && g_str_equal(a->facts->bus, b->facts->bus) &&
           g_str_equal(a->facts->name, b->facts->name);
}

/* Drivers and modules spell their names with '-' and '_' as they like: vfio-pci, mlx5_vfio_pci. */
bool driver_is_vfio(const char *driver)
{
    g_autofree char *name = g_strdelimit(g_strdup(driver), "-", '_');

    return g_str_has_prefix(name, "vfio_") || g_str_has_suffix(name, "_vfio_pci");
}

bool driver_manages_dma(const char *driver)
{
    return g_str_equal(driver, "pcieport") || g_str_equal(driver, "pci-stub") || driver_is_vfio(driver);
}

/* A path as the kernel gives it: below sys/devices, without empty, "." or ".." components. */
static bool syspath_is_valid(const char *syspath)
{
    const char *part;

    if (!g_str_has_prefix(syspath, DEVICES_PREFIX))
        return false;
    for (part = syspath + strlen(DEVICES_PREFIX);; part++) {
        size_t length = strcspn(part, "/");

        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += length;
        if (*part == '\0')
            return true;
    }
}

/* Reads the link PATH into BUFFER and returns its last component, or NULL with *ret_error. */
static const char *link_name(int fd, const char *path, char buffer[static PATH_MAX], int *ret_error)
{
    ssize_t n = readlinkat(fd, path, buffer, PATH_MAX - 1);
    const char *slash;

    if (n < 0) {
        *ret_error = -errno;
        return NULL;
    }
    buffer[n] = '\0';
    slash = strrchr(buffer, '/');
    *ret_error = 0;
    return slash ? slash + 1 : buffer;
}

/* The bus of the device; a device of a class ("../../../class/net") is none that can be in a group. */
static int read_bus(int fd, char **ret)
{
    char buffer[PATH_MAX];
    const char *name;
    int r;

    name = link_name(fd, "subsystem", buffer, &r);
    if (!name)
        return r == -ENOENT || r == -EINVAL ? -ENODEV : r;
    if (name - buffer < 5 || strncmp(name - 5, "/bus/", 5) != 0)
        return -ENODEV;
    *ret = g_strdup(name);
    return 0;
}

/* Takes PREFIX and DIGITS hexadecimal digits from *p. */
static bool take_hex(const char **p, const char *prefix, unsigned digits, uint32_t *ret)
{
    size_t length = strlen(prefix);
    uint32_t value = 0;

    if (strncmp(*p, prefix, length) != 0)
        return false;
    *p += length;
    for (unsigned i = 0; i < digits; i++, (*p)++) {
        int digit = g_ascii_xdigit_value(**p);

        if (digit < 0)
            return false;
        value = value << 4 | (uint32_t) digit;
    }
    *ret = value;
    return true;
}

/*
 * The modalias of a PCI device holds all its ids, as the six attributes show them (drivers/pci/pci-sysfs.c,
 * modalias_show()): one file to read instead of seven.
 */
static bool ids_from_modalias(const char *modalias, DeviceFacts *facts)
{
    uint32_t vendor, device, subsystem_vendor, subsystem_device, class_code, subclass, interface;

    if (!take_hex(&modalias, "pci:v", 8, &vendor) || !take_hex(&modalias, "d", 8, &device) ||
        !take_hex(&modalias, "sv", 8, &subsystem_vendor) ||
        !take_hex(&modalias, "sd", 8, &subsystem_device) || !take_hex(&modalias, "bc", 2, &class_code) ||
        !take_hex(&modalias, "sc", 2, &subclass) || !take_hex(&modalias, "i", 2, &interface))
        return false;
    facts->vendor = vendor;
    facts->device = device;
    facts->subsystem_vendor = subsystem_vendor;
    facts->subsystem_device = subsystem_device;
    facts->class_code = class_code << 16 | subclass << 8 | interface;
    return true;
}

/* A hexadecimal id of at most 24 bits, or FACT_NO_ID. */
static uint32_t read_id(int fd, const char *path)
{
    uint64_t value;

    if (sysfs_read_u64(fd, path, 16, &value) < 0 || value > 0xffffff)
        return FACT_NO_ID;
    return (uint32_t) value;
}

static void read_ids(int fd, DeviceFacts *facts)
{
    if (!facts->modalias || !ids_from_modalias(facts->modalias, facts)) {
        facts->vendor = read_id(fd, "vendor");
        facts->device = read_id(fd, "device");
        facts->subsystem_vendor = read_id(fd, "subsystem_vendor");
        facts->subsystem_device = read_id(fd, "subsystem_device");
        facts->class_code = read_id(fd, "class");
    }
    /* A bridge without the capability that holds them reads 0 for both. */
    if (facts->subsystem_vendor == 0 && facts->subsystem_device == 0)
        facts->subsystem_vendor = facts->subsystem_device = FACT_NO_ID;
}

/*
 * Only what forwards other devices' DMA is a bridge here. Host and ISA bridges (0600, 0601) can have a
 * driver that does DMA and share groups with real members, so they can have a wish as any device.
 */
bool class_is_bridge(uint32_t class_code)
{
    switch (class_code >> 8) {
    case CLASS_BRIDGE_PCI:
    case CLASS_BRIDGE_CARDBUS:
    case CLASS_BRIDGE_SEMI_TRANSPARENT:
        return true;
    default:
        return false;
    }
}

static void read_attributes(int fd, Device *device)
{
    char buffer[4096];
    uint64_t bits;

    if (sysfs_read_buffer(fd, "modalias", buffer, sizeof(buffer)) > 0)
        device->facts->modalias = g_strdup(buffer);
    if (g_str_equal(device->facts->bus, "pci")) {
        read_ids(fd, device->facts);
        device->facts->bridge =
            device->facts->class_code != FACT_NO_ID && class_is_bridge(device->facts->class_code);
    }
    /* Without a driver the file shows the bus's default, or what the last driver had said. */
    if (device->driver && sysfs_read_u64(fd, "dma_mask_bits", 10, &bits) >= 0 && bits <= 64)
        device->facts->dma_mask_bits = (unsigned) bits;
}

static void read_driver(int fd, Device *device)
{
    char buffer[PATH_MAX];
    const char *name;
    int r;

    name = link_name(fd, "driver", buffer, &r);
    if (!name)
        return;
    device->driver = g_strdup(name);
    /* The core makes both files or neither (drivers/base/bus.c, add_bind_files()). */
    device->unbindable = faccessat(fd, "driver/unbind", F_OK, 0) >= 0;
    device->facts->driver = g_strdup(name);
    device->facts->driver_known = true;
    device->facts->manages_dma = driver_manages_dma(name);
}

static void read_iommu(int root_fd, int fd, Device *device)
{
    char buffer[PATH_MAX];
    const char *name;
    int r;

    device->group = -1;
    name = link_name(fd, "iommu_group", buffer, &r);
    if (name) {
        char *end;
        unsigned long number = strtoul(name, &end, 10);

        if (g_ascii_isdigit(name[0]) && *end == '\0' && number <= INT_MAX)
            device->group = (int) number;
    }
    name = link_name(fd, "iommu", buffer, &r);
    if (name) {
        device->iommu = g_strdup(name);
        device->facts->iommu = iommu_family(root_fd, name);
    } else
        /* A directory: the class device of an IOMMU is made below its own function (AMD, virtio). */
        device->is_iommu = r == -EINVAL;
}

/*
 * A virtual function is announced before it has the link to its physical function, and loses that link
 * before it is gone (drivers/pci/iov.c, pci_iov_add_virtfn(), pci_iov_remove_virtfn()); what tells it
 * meanwhile is a file that only virtual functions have (sriov_vf_attrs_are_visible()). Without the link it
 * would be taken for a device that it is not: -ENODEV.
 */
static int read_physical_function(int fd, Device *device)
{
    char buffer[PATH_MAX];
    const char *name;
    int r;

    name = link_name(fd, "physfn", buffer, &r);
    device->facts->virtual_function = name ? TRISTATE_YES : TRISTATE_NO;
    if (!name)
        return faccessat(fd, "sriov_vf_msix_count", F_OK, 0) >= 0 ? -ENODEV : 0;
    device->physical_function = g_strdup(name);
    device->facts->pf_vendor = read_id(fd, "physfn/vendor");
    device->facts->pf_device = read_id(fd, "physfn/device");
    return 0;
}

/* Whether PATH reads `removable`; unknown if it is there and cannot be read. */
static Tristate reads_removable(int fd, const char *path)
{
    char buffer[32];
    ssize_t n = sysfs_read_buffer(fd, path, buffer, sizeof(buffer));

    if (n < 0)
        return n == -ENOENT ? TRISTATE_NO : TRISTATE_UNKNOWN;
    return g_str_equal(buffer, "removable") ? TRISTATE_YES : TRISTATE_NO;
}

/* VT-d and AMD-Vi are found in ACPI's tables alone (DMAR, IVRS): there is no devicetree to ask. */
static bool is_described_by_acpi(const Device *device)
{
    return g_strcmp0(device->facts->iommu, "intel") == 0 || g_strcmp0(device->facts->iommu, "amd") == 0;
}

/*
 * The device, each ancestor up to sys/devices and the physical function. A function and its virtual
 * functions have the same parent (drivers/pci/iov.c), so the ancestors are walked once. The kernel marks
 * devices below an external-facing port removable itself when the firmware says so through ACPI; a
 * devicetree's word is looked at here (Documentation/devicetree, external-facing).
 */
static Tristate read_untrusted(int fd, const Device *device)
{
    Tristate untrusted = reads_removable(fd, "removable");
    char path[PATH_MAX];
    size_t up = 0;

    if (untrusted != TRISTATE_YES && device->physical_function) {
        Tristate answer = reads_removable(fd, "physfn/removable");

        untrusted = answer == TRISTATE_NO ? untrusted : answer;
    }
    for (const char *slash = device->facts->path; (slash = strchr(slash, '/')); slash++) {
        Tristate answer;

        if (untrusted == TRISTATE_YES)
            return untrusted;
        if (up + 3 + sizeof("of_node/external-facing") > sizeof(path))
            return TRISTATE_UNKNOWN;
        memcpy(path + up, "../", 3);
        up += 3;
        strcpy(path + up, "removable");
        answer = reads_removable(fd, path);
        if (answer == TRISTATE_NO && !is_described_by_acpi(device)) {
            strcpy(path + up, "of_node/external-facing");
            if (faccessat(fd, path, F_OK, 0) >= 0)
                answer = TRISTATE_YES;
        }
        untrusted = answer == TRISTATE_NO ? untrusted : answer;
    }
    return untrusted;
}

static GHashTable *copy_properties(GHashTable *properties)
{
    GHashTable *copy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, properties);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_hash_table_insert(copy, g_strdup(key), g_strdup(value));
    return copy;
}

static void carry_over(Device *device, const Device *previous)
{
    if (!previous || !device_same(device, previous))
        return;
    if (!device->driver) {
        device->facts->driver_known = previous->facts->driver_known;
        device->facts->driver = g_strdup(previous->facts->driver);
    }
    device->facts->reserved_direct = previous->facts->reserved_direct;
    device->pasid = previous->pasid;
    if (!device->driver)
        device->facts->dma_mask_bits = previous->facts->dma_mask_bits;
    if (previous->facts->udev_known) {
        device_set_udev(device, previous->facts->properties, previous->facts->mac_addresses,
                        previous->facts->serials);
        g_free(device->model_name);
        device->model_name = g_strdup(previous->model_name);
    }
}

int device_read(int root_fd, const char *syspath, const Device *previous, Device **ret)
{
    _cleanup_close_ int fd = -EBADF;
    g_autoptr(Device) device = NULL;
    g_autofree char *bus = NULL;
    struct stat st;
    int r;

    if (!syspath_is_valid(syspath))
        return -EINVAL;
    fd = openat(root_fd, syspath, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? -ENODEV : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    r = read_bus(fd, &bus);
    if (r < 0)
        return r;

    device = g_new0(Device, 1);
    device->inode = st.st_ino;
    device->pasid = TRISTATE_UNKNOWN;
    device->facts = device_facts_new(bus, strrchr(syspath, '/') + 1, syspath + strlen(DEVICES_PREFIX));
    read_driver(fd, device);
    read_attributes(fd, device);
    read_iommu(root_fd, fd, device);
    r = read_physical_function(fd, device);
    if (r < 0)
        return r;
    device->facts->untrusted = read_untrusted(fd, device);

    /*
     * Most of the above may be missing, and a device that is being removed loses it piece by piece: it would
     * look trusted and unbound. `uevent` is taken away before all that was read here (drivers/base/core.c,
     * device_del()).
     */
    if (faccessat(fd, "uevent", F_OK, 0) < 0)
        return -ENODEV;
    carry_over(device, previous);
    *ret = g_steal_pointer(&device);
    return 0;
}

/* A name that stays in its folder. */
static bool is_component(const char *name)
{
    return *name != '\0' && *name != '.' && !strchr(name, '/');
}

int device_find(int root_fd, const char *bus, const char *name, char **ret_syspath)
{
    g_autofree char *path = NULL, *target = NULL;
    int r;

    if (!is_component(bus) || !is_component(name))
        return -ENODEV;
    path = g_strdup_printf("sys/bus/%s/devices/%s", bus, name);
    r = sysfs_link_target(root_fd, path, &target);
    if (r == -ENOENT || r == -EINVAL || r == -ENAMETOOLONG)
        return -ENODEV;
    if (r < 0)
        return r;
    if (!syspath_is_valid(target))
        return -ENODEV;
    *ret_syspath = g_steal_pointer(&target);
    return 0;
}

int device_open(int root_fd, const char *syspath, uint64_t inode)
{
    _cleanup_close_ int fd = -EBADF;
    struct stat st;

    fd = sysfs_open_dir(root_fd, syspath);
    if (fd < 0)
        return fd == -ENOENT ? -ENODEV : fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    return st.st_ino == inode ? TAKE_FD(fd) : -ENODEV;
}

int device_read_override(int dir_fd, char **ret)
{
    g_autofree char *text = NULL;
    int r;

    r = sysfs_read(dir_fd, "driver_override", &text);
    if (r < 0)
        return r;
    *ret = g_str_equal(text, "(null)") || *text == '\0' ? NULL : g_steal_pointer(&text);
    return 0;
}

void device_set_udev(Device *device, GHashTable *properties, char **macs, char **serials)
{
    DeviceFacts *facts = device->facts;
    GHashTable *copy = properties ? copy_properties(properties) : NULL;
    char **old_macs = facts->mac_addresses, **old_serials = facts->serials;
    const char *model_name;

    g_clear_pointer(&facts->properties, g_hash_table_unref);
    facts->properties = copy;
    facts->mac_addresses = g_strdupv(macs);
    for (char **mac = facts->mac_addresses; mac && *mac; mac++)
        for (char *p = *mac; *p; p++)
            *p = g_ascii_tolower(*p);
    facts->serials = g_strdupv(serials);
    facts->udev_known = true;
    g_strfreev(old_macs);
    g_strfreev(old_serials);

    g_free(device->model_name);
    model_name = copy ? g_hash_table_lookup(copy, "ID_MODEL_FROM_DATABASE") : NULL;
    /* Anybody's hwdb file says it, and one string that the bus does not carry hides all objects from those
     * who ask for all. */
    device->model_name = model_name ? bus_text(model_name) : NULL;
}

static const struct {
    const char *prefix, *family;
    bool dma_fq; /* has IOMMU_CAP_DEFERRED_FLUSH and a flush_iotlb_all operation */
} families[] = {
    /* The names are those given to iommu_device_sysfs_add() by each driver below drivers/iommu. */
    { "dmar", "intel", true },         { "ivhd", "amd", true },         { "smmu3.", "smmu-v3", true },
    { "smmu.", "smmu", true },         { "s390-iommu.", "s390", true }, { "riscv-iommu@", "riscv", true },
    { "apple-dart.", "apple", false }, { "iommu-phb", "ppc64", false }, { NULL, "virtio", true },
};

/*
 * virtio-iommu names its unit after the parent ("0000:00:01.0"): only the place tells,
 * ".../virtio0/iommu/NAME".
 */
static bool iommu_is_virtio(int root_fd, const char *name)
{
    g_autofree char *path = g_strconcat("sys/class/iommu/", name, NULL), *target = NULL;
    g_auto(GStrv) parts = NULL;
    unsigned n;

    if (strchr(name, '/') || sysfs_link_target(root_fd, path, &target) < 0)
        return false;
    parts = g_strsplit(target, "/", -1);
    n = g_strv_length(parts);
    return n >= 3 && g_str_has_prefix(parts[n - 3], "virtio") && g_str_equal(parts[n - 2], "iommu");
}

char *iommu_family(int root_fd, const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
        if (families[i].prefix && g_str_has_prefix(name, families[i].prefix))
            return g_strdup(families[i].family);
    return g_strdup(iommu_is_virtio(root_fd, name) ? "virtio" : name);
}

bool iommu_family_has_dma_fq(const char *family)
{
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
        if (g_str_equal(family, families[i].family))
            return families[i].dma_fq;
    return false;
}

bool device_has_dma_fq(const Device *device)
{
    return device->facts->iommu && iommu_family_has_dma_fq(device->facts->iommu);
}

bool device_unbinds(const Device *device)
{
    return device->driver && !device->facts->bridge && !device->facts->manages_dma;
}
