/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "full-io.h"
#include "pci-config.h"

/* As much of a capability as is looked at here; one that does not fit before the end is none. */
#define CAPABILITY_SIZE 12u

static uint32_t config_u32(const PciConfig *config, size_t offset)
{
    uint32_t value;

    memcpy(&value, config->bytes + offset, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static uint16_t config_u16(const PciConfig *config, size_t offset)
{
    uint16_t value;

    memcpy(&value, config->bytes + offset, sizeof(value));
    return GUINT16_FROM_LE(value);
}

int pci_config_read(int dir_fd, const char *path, PciConfig *ret)
{
    _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    PciConfig config;
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = read_full(fd, config.bytes, sizeof(config.bytes));
    if (n < 0)
        return (int) n;
    config.size = (size_t) n;
    *ret = config;
    return 0;
}

/*
 * Each capability takes at least 8 of the bytes from 0x100 on, which bounds the walk: broken devices link in
 * circles. One that does not answer any more reads all ones.
 */
size_t pci_config_find_extended(const PciConfig *config, uint16_t id)
{
    size_t offset = PCI_CFG_SPACE_SIZE;
    unsigned left = (PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8;

    while (left-- > 0 && offset >= PCI_CFG_SPACE_SIZE && offset + CAPABILITY_SIZE <= config->size) {
        uint32_t header = config_u32(config, offset);

        if (header == 0 || header == UINT32_MAX)
            return 0;
        if (PCI_EXT_CAP_ID(header) == id)
            return offset;
        offset = PCI_EXT_CAP_NEXT(header);
    }
    return 0;
}

/* The capability ID with the bit ENABLE of the 16-bit word at CONTROL. */
static Feature read_capability(const PciConfig *config, uint16_t id, size_t control, uint16_t enable)
{
    size_t offset = pci_config_find_extended(config, id);
    Feature feature = { .has = offset != 0 };

    feature.enabled = feature.has && (config_u16(config, offset + control) & enable) != 0;
    return feature;
}

Feature pci_config_ats(const PciConfig *config)
{
    return read_capability(config, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
}

Feature pci_config_pri(const PciConfig *config)
{
    return read_capability(config, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
}

Feature pci_config_pasid(const PciConfig *config)
{
    return read_capability(config, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
}
