/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "class-words.h"

#include <fnmatch.h>
#include <glib.h>
#include <stdio.h>

#include "facts.h"

static const struct {
    const char *word;
    const char *patterns[3];
} table[] = {
    {"nvme", {"0x0108*"}},
    {"storage", {"0x01*"}},
    {"ethernet", {"0x0200*"}},
    {"network", {"0x02*"}},
    {"gpu", {"0x03*"}},
    {"audio", {"0x0401*", "0x0403*"}},
    {"usb", {"0x0c03*"}},
    {"accelerator", {"0x12*", "0x0b40*"}}, /* processing accelerators; co-processors such as QAT */
    {"bridge", {"0x06*"}},
};

const char *const *class_word_patterns(const char *word)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        if (g_str_equal(word, table[i].word))
            return table[i].patterns;
    return NULL;
}

const char *const *class_words(void)
{
    static const char *const words[] = {
        "nvme", "storage", "ethernet", "network", "gpu", "audio", "usb", "accelerator", "bridge", NULL,
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(words) == G_N_ELEMENTS(table) + 1);
    return words;
}

const char *class_word_of(uint32_t class_code)
{
    char code[sizeof "0x00000000"];

    if (class_code == FACT_NO_ID)
        return NULL;

    (void) snprintf(code, sizeof code, "0x%06x", class_code);
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        for (const char *const *pattern = table[i].patterns; *pattern; pattern++)
            if (fnmatch(*pattern, code, 0) == 0)
                return table[i].word;
    return NULL;
}
