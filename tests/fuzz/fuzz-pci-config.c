/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The configuration space of a device that lies: capabilities that link in circles, to the last bytes, to
 * themselves. An input is the size, an id to look for, and then any number of words (offset, value) that are
 * put into a space of zeros, so that a chain takes few bytes.
 */
#include "fuzz.h"

#include "pci-config.c"

#define FILL 0x8000u /* in an offset: the value goes from there to the end */

static void make_config(Input *input, PciConfig *ret)
{
    ret->size = input_number(input, 2) % (sizeof(ret->bytes) + 1);
    memset(ret->bytes, 0, sizeof(ret->bytes));
    while (input->size > 0) {
        size_t place = input_number(input, 2), offset = place % (sizeof(ret->bytes) - 3);
        uint32_t value = GUINT32_TO_LE((uint32_t) input_number(input, 4));

        do
            memcpy(ret->bytes + offset, &value, sizeof(value));
        while ((place & FILL) && (offset += sizeof(value)) + sizeof(value) <= sizeof(ret->bytes));
    }
}

/* Whether a walk that remembers where it was finds ID. */
static bool can_be_found(const PciConfig *config, uint16_t id, size_t wanted)
{
    bool seen[PCI_CFG_SPACE_EXP_SIZE] = {};

    for (size_t offset = PCI_CFG_SPACE_SIZE;
         offset >= PCI_CFG_SPACE_SIZE && offset + CAPABILITY_SIZE <= config->size && !seen[offset];) {
        uint32_t header = config_u32(config, offset);

        seen[offset] = true;
        if (header == 0 || header == UINT32_MAX)
            break;
        if (PCI_EXT_CAP_ID(header) == id)
            return offset == wanted;
        offset = PCI_EXT_CAP_NEXT(header);
    }
    return wanted == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = { data, size };
    uint16_t id = (uint16_t) input_number(&input, 2);
    PciConfig config;
    size_t offset;
    Feature ats;

    make_config(&input, &config);
    offset = pci_config_find_extended(&config, id);
    g_assert_true(offset == 0 || offset + CAPABILITY_SIZE <= config.size);
    g_assert_true(can_be_found(&config, id, offset));
    ats = pci_config_ats(&config);
    g_assert_true(ats.has || !ats.enabled);
    g_assert_true(ats.has == (pci_config_find_extended(&config, PCI_EXT_CAP_ID_ATS) != 0));
    (void) pci_config_pri(&config);
    (void) pci_config_pasid(&config);
    return 0;
}
