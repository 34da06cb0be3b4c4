/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The configuration space of a device that lies: capabilities that link in circles, to the last bytes, to
 * themselves. An input is the size, an id to look for, and then any number of words (offset, value) that are
 * put into a space of zeros, so that a chain takes few bytes.
 */
#include "fuzz.h"

#include "device-features.c"

#define FILL 0x8000u /* in an offset: the value goes from there to the end */

static void make_config(Input *input, Config *ret)
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
static bool can_be_found(const Config *config, uint16_t id, size_t wanted)
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
    Config config;
    DeviceCapabilities capabilities;
    UnitCapabilities unit = {};
    g_autoptr(GVariant) features = NULL;
    size_t offset;

    make_config(&input, &config);
    offset = find_capability(&config, id);
    g_assert_true(offset == 0 || offset + CAPABILITY_SIZE <= config.size);
    g_assert_true(can_be_found(&config, id, offset));
    capabilities.ats = read_capability(&config, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
    capabilities.pri = read_capability(&config, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
    capabilities.pasid =
        read_capability(&config, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
    g_assert_true(capabilities.ats.has || !capabilities.ats.enabled);
    features = g_variant_ref_sink(build(&capabilities, &unit, "intel", DOMAIN_TYPE_DMA));
    g_assert_cmpuint(g_variant_n_children(features), ==, 11);
    return 0;
}
