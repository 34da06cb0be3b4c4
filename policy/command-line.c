/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command-line.h"

#include <string.h>

/* Options that the kernel compares by their beginning alone: "iommu=ptx" is "iommu=pt". */
static const char *const options_of_x86[] = {
    "off", "force", "noforce", "biomerge", "panic", "nopanic", "merge", "nomerge", "forcesac", "allowdac",
    "nodac", "usedac", "soft", "pt", "nopt",
    /* arch/x86/kernel/amd_gart_64.c, gart_parse_options(); a number is the size of its aperture */
    "leak", "fullflush", "nofullflush", "noagp", "noaperture", "allowed", "memaper", NULL,
};
static const char *const options_of_intel[] = {
    "on", "off", "igfx_off", "forcedac", "strict", "sp_off", "sm_on", "sm_off", "tboot_noforce", NULL,
};
static const char *const options_of_amd[] = {
    "fullflush", "force_enable", "off",         "force_isolation", "pgtbl_v1",
    "pgtbl_v2",  "irtcachedis",  "nohugepages", "v2_pgsizes_only", NULL,
};

/* Names that take a list of options, and the architectures whose kernels read them. */
static const struct {
    const char *name;
    const char *const *options;
} lists[] = {
    { "iommu", options_of_x86 },
    { "intel_iommu", options_of_intel },
    { "amd_iommu", options_of_amd },
};

/* Names that take yes or no. */
static const char *const switches[] = { "iommu.passthrough", "iommu.strict", "iommu.forcedac" };

/* What people write in such a list, and where the same stands that the kernel reads. */
static const struct {
    const char *option, *right; /* NULL: there is nothing to write, it is so by itself */
} misplaced[] = {
    { "pt", "iommu=pt" },
    { "nopt", "iommu=nopt" },
    { "passthrough", "iommu=pt" },
    { "passthru", "iommu=pt" },
    { "identity", "iommu=pt" },
    { "translated", "iommu=nopt" },
    { "nopassthrough", "iommu=nopt" },
    { "strict", "iommu.strict=1" },
    { "nostrict", "iommu.strict=0" },
    { "lazy", "iommu.strict=0" },
};

/* Names that are close to one that the kernel knows. */
static const struct {
    const char *name, *right;
} misnamed[] = {
    { "iommu.pt", "iommu.passthrough=1" },
    { "iommu.passthru", "iommu.passthrough=1" },
    { "iommu.passtrough", "iommu.passthrough=1" },
    { "iommu.lazy", "iommu.strict=0" },
    { "iommu_passthrough", "iommu.passthrough=1" },
    { "iommu_passthru", "iommu.passthrough=1" },
    { "iommu_pt", "iommu.passthrough=1" },
    { "iommu_strict", "iommu.strict=1" },
    { "iommu_lazy", "iommu.strict=0" },
    { "intel_iommu.strict", "iommu.strict=1" },
    { "intel_iommu.passthrough", "iommu.passthrough=1" },
    { "amd_iommu.passthrough", "iommu.passthrough=1" },
    { "inteliommu", "intel_iommu=on" },
    { "iommu_intel", "intel_iommu=on" },
    { "amdiommu", NULL },
    { "iommu_amd", NULL },
};

/* What stands in front of "=", as the kernel compares names. The caller frees it. */
static char *name_of(const char *word)
{
    char *name = g_strndup(word, strcspn(word, "="));

    return g_strdelimit(name, "-", '_');
}

/* What follows "=", NULL if there is none. */
static const char *value_of(const char *word)
{
    const char *equals = strchr(word, '=');

    return equals ? equals + 1 : NULL;
}

static bool is_x86(const char *architecture)
{
    return g_str_equal(architecture, "x86-64") || g_str_equal(architecture, "x86");
}

/* POWER has a parser of its own for iommu=, which is not judged here. */
static bool has_own_parser(const char *architecture)
{
    return g_str_has_prefix(architecture, "ppc");
}

/* kstrtobool() */
static Tristate read_switch(const char *value)
{
    if (!value || !*value)
        return TRISTATE_UNKNOWN;
    if (strchr("1yYtT", *value) ||
        ((*value == 'o' || *value == 'O') && (value[1] == 'n' || value[1] == 'N')))
        return TRISTATE_YES;
    if (strchr("0nNfF", *value) ||
        ((*value == 'o' || *value == 'O') && (value[1] == 'f' || value[1] == 'F')))
        return TRISTATE_NO;
    return TRISTATE_UNKNOWN;
}

/* The options of VALUE, of which an empty one is none. Free with g_strfreev(). */
static char **options_of(const char *value)
{
    return g_strsplit(value ?: "", ",", -1);
}

static void read_option_of_x86(const char *option, const char *word, CommandLine *line)
{
    if (g_str_has_prefix(option, "off"))
        line->off_word = word;
    if (g_str_has_prefix(option, "pt")) {
        line->passthrough = TRISTATE_YES;
        line->passthrough_word = word;
    } else if (g_str_has_prefix(option, "nopt")) {
        line->passthrough = TRISTATE_NO;
        line->passthrough_word = word;
    }
}

static void read_option_of_intel(const char *option, const char *word, CommandLine *line)
{
    if (g_str_has_prefix(option, "on")) {
        line->intel_on_word = word;
        line->intel_off_word = NULL;
    } else if (g_str_has_prefix(option, "off")) {
        line->intel_off_word = word;
        line->intel_on_word = NULL;
    }
}

static void read_list(const char *name, const char *word, CommandLine *line)
{
    g_auto(GStrv) options = options_of(value_of(word));

    for (char **option = options; *option; option++) {
        if (g_str_equal(name, "iommu"))
            read_option_of_x86(*option, word, line);
        else if (g_str_equal(name, "intel_iommu"))
            read_option_of_intel(*option, word, line);
        else if (g_str_has_prefix(*option, "off"))
            line->amd_off_word = word;
    }
}

/* The options of drivers are read after all early ones, and turn strict on whatever those say
 * (drivers/iommu/iommu.c, iommu_set_dma_strict()). */
static bool driver_is_strict(const char *name, const char *word)
{
    g_auto(GStrv) options = options_of(value_of(word));

    for (char **option = options; *option; option++)
        if ((g_str_equal(name, "intel_iommu") && g_str_has_prefix(*option, "strict")) ||
            (g_str_equal(name, "amd_iommu") && g_str_has_prefix(*option, "fullflush")))
            return true;
    return false;
}

static void read_word(const char *word, CommandLine *line, bool x86, bool *driver_strict)
{
    g_autofree char *name = name_of(word);
    Tristate value = read_switch(value_of(word));

    if (g_str_equal(name, "iommu.passthrough") && value != TRISTATE_UNKNOWN) {
        line->passthrough = value;
        line->passthrough_word = word;
    } else if (g_str_equal(name, "iommu.strict") && value != TRISTATE_UNKNOWN)
        line->strict = value;
    if (!x86)
        return;

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        if (g_str_equal(name, lists[i].name)) {
            read_list(name, word, line);
            *driver_strict |= driver_is_strict(name, word);
        }
}

void command_line_read(char **words, const char *architecture, CommandLine *ret)
{
    CommandLine line = { .passthrough = TRISTATE_UNKNOWN, .strict = TRISTATE_UNKNOWN };
    bool driver_strict = false;

    /* What follows "--" is for init. */
    for (char **word = words; *word && !g_str_equal(*word, "--"); word++)
        read_word(*word, &line, is_x86(architecture), &driver_strict);
    if (driver_strict)
        line.strict = TRISTATE_YES;
    *ret = line;
}

static bool is_option(const char *const *known, const char *option)
{
    for (; *known; known++)
        if (g_str_has_prefix(option, *known))
            return true;
    return false;
}

/* What NAME=OPTION was meant to be; *ret_known is false if nobody can tell. */
static const char *meant_by(const char *name, const char *option, bool *ret_known)
{
    *ret_known = true;
    for (size_t i = 0; i < G_N_ELEMENTS(misplaced); i++)
        if (g_ascii_strcasecmp(option, misplaced[i].option) == 0)
            return misplaced[i].right;
    if (g_str_equal(name, "intel_iommu") && read_switch(option) == TRISTATE_YES)
        return "intel_iommu=on";
    if (g_str_equal(name, "intel_iommu") && read_switch(option) == TRISTATE_NO)
        return "intel_iommu=off";
    if (g_str_equal(name, "amd_iommu") && read_switch(option) == TRISTATE_NO)
        return "amd_iommu=off";
    if (read_switch(option) == TRISTATE_YES)
        return NULL;
    *ret_known = false;
    return NULL;
}

static char *fault_of_option(const char *name, const char *option, const char **ret_right)
{
    bool known;

    *ret_right = meant_by(name, option, &known);
    if (known && !*ret_right)
        return g_strdup_printf(
            "%s= has no option \"%s\": AMD's IOMMU is on by itself, and Intel's is turned on by "
            "intel_iommu=on",
            name, option);
    return g_strdup_printf("%s= has no option \"%s\"", name, option);
}

static char *fault_of_list(const char *name, const char *value, const char *const *known,
                           const char **ret_right)
{
    g_auto(GStrv) options = options_of(value);

    for (char **option = options; *option; option++)
        if (**option && !is_option(known, *option) &&
            !(known == options_of_x86 && g_ascii_isdigit(**option)))
            return fault_of_option(name, *option, ret_right);
    return NULL;
}

/* The switch that the kernel reads on every architecture, for who wrote one that it reads on x86 alone. */
static const char *right_everywhere(const char *value)
{
    CommandLine line;
    g_autofree char *word = g_strconcat("iommu=", value, NULL);
    char *words[] = { word, NULL };

    command_line_read(words, "x86-64", &line);
    if (line.passthrough == TRISTATE_UNKNOWN)
        return NULL;
    return line.passthrough == TRISTATE_YES ? "iommu.passthrough=1" : "iommu.passthrough=0";
}

static char *fault_of_switch(const char *name, const char *value, const char **ret_right)
{
    static const char *const right[] = { "iommu.passthrough=1", "iommu.strict=1", "iommu.forcedac=1" };

    if (read_switch(value) != TRISTATE_UNKNOWN)
        return NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++)
        if (g_str_equal(name, switches[i]))
            *ret_right = right[i];
    return g_strdup_printf("%s= takes 1 or 0, on or off, y or n", name);
}

static char *fault_of_known_name(const char *name, const char *value, const char *architecture,
                                 const char **ret_right)
{
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++)
        if (g_str_equal(name, switches[i]))
            return fault_of_switch(name, value, ret_right);

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        if (!g_str_equal(name, lists[i].name))
            continue;
        if (is_x86(architecture))
            return fault_of_list(name, value, lists[i].options, ret_right);
        if (i > 0 || has_own_parser(architecture))
            return NULL; /* about hardware that is not here */
        *ret_right = right_everywhere(value ?: "");
        return g_strdup_printf("kernels for %s do not read iommu=", architecture);
    }
    return NULL;
}

static bool is_known_name(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++)
        if (g_str_equal(name, switches[i]))
            return true;
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        if (g_str_equal(name, lists[i].name))
            return true;
    return false;
}

char *command_line_fault(const char *word, const char *architecture, const char **ret_right)
{
    g_autofree char *name = name_of(word), *small = g_ascii_strdown(name, -1);
    const char *right = NULL;
    char *fault = NULL;

    if (is_known_name(name))
        fault = fault_of_known_name(name, value_of(word), architecture, &right);
    else if (is_known_name(small))
        fault = g_strdup_printf("names are in small letters: %s", small);

    for (size_t i = 0; !fault && i < G_N_ELEMENTS(misnamed); i++)
        if (g_str_equal(small, misnamed[i].name)) {
            fault = g_strdup("the kernel has no parameter of this name");
            right = misnamed[i].right;
        }
    if (fault)
        *ret_right = right;
    return fault;
}
