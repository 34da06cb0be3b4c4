/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "match-value.h"

#include <string.h>

#include "class-words.h"
#include "diagnostic.h"

#define GLOB_CHARACTERS "*?[]!^-"
#define HEX_DIGITS "0123456789abcdef"

/* ConditionArchitecture= of systemd.unit(5). */
static const char *const architectures[] = {
    "x86",      "x86-64", "arm",       "arm-be",   "arm64",   "arm64-be",    "ppc",   "ppc-le",  "ppc64",
    "ppc64-le", "ia64",   "parisc",    "parisc64", "s390",    "s390x",       "sparc", "sparc64", "mips",
    "mips-le",  "mips64", "mips64-le", "alpha",    "sh",      "sh64",        "m68k",  "tilegx",  "cris",
    "arc",      "arc-be", "nios2",     "riscv32",  "riscv64", "loongarch64", NULL,
};

static bool is_glob(const char *word)
{
    return strpbrk(word, "*?[") != NULL;
}

static bool consists_of(const char *word, size_t length, const char *characters)
{
    return strspn(word, characters) >= length;
}

static char *add(GPtrArray *patterns, char *pattern)
{
    g_ptr_array_add(patterns, pattern);
    return NULL;
}

/* One half of an id: four digits, or a glob over them. */
static bool is_id_half(const char *p, size_t length)
{
    g_autofree char *half = g_strndup(p, length);

    if (is_glob(half))
        return consists_of(half, length, HEX_DIGITS GLOB_CHARACTERS);
    return length == 4 && consists_of(half, length, HEX_DIGITS);
}

static char *parse_id(MatchKey key, const char *word, GPtrArray *patterns)
{
    g_autofree char *lower = g_ascii_strdown(word, -1);
    const char *colon = strchr(lower, ':');

    if (!colon && is_id_half(lower, strlen(lower)))
        return g_strdup_printf("%s= takes vendor:device (did you mean %s:*?)", match_key_to_string(key),
                               lower);
    if (!colon || !is_id_half(lower, colon - lower) || !is_id_half(colon + 1, strlen(colon + 1)))
        return g_strdup_printf(
            "%s= takes vendor:device, four hex digits each or a glob, as in 144d:a808 or 8086:*",
            match_key_to_string(key));
    return add(patterns, g_steal_pointer(&lower));
}

static char *parse_class_code(const char *word, GPtrArray *patterns)
{
    g_autofree char *lower = g_ascii_strdown(word, -1);
    const char *digits = lower + 2;

    if (!consists_of(digits, strlen(digits), HEX_DIGITS GLOB_CHARACTERS))
        return g_strdup_printf("%s is not a class code: hex digits and globs, as in 0x0108*", word);
    if (!is_glob(digits) && strlen(digits) < 6)
        return g_strdup_printf("a class code has six digits (did you mean %s*?)", word);
    if (!is_glob(digits) && strlen(digits) > 6)
        return g_strdup_printf("a class code has six digits, %s has %zu", word, strlen(digits));
    return add(patterns, g_steal_pointer(&lower));
}

static char *parse_class(const char *word, GPtrArray *patterns)
{
    const char *const *codes = class_word_patterns(word);
    const char *near;

    if (g_ascii_strncasecmp(word, "0x", 2) == 0)
        return parse_class_code(word, patterns);
    for (; codes && *codes; codes++)
        (void) add(patterns, g_strdup(*codes));
    if (class_word_patterns(word))
        return NULL;

    near = diagnostic_suggest(word, class_words());
    if (near)
        return g_strdup_printf("unknown class %s (did you mean %s?)", word, near);
    return g_strdup_printf(
        "unknown class %s: a word of the manual's table (nvme, ethernet, gpu, ...) or hex as in 0x0108*",
        word);
}

/* lspci leaves the domain out; such a pattern would never match. */
static bool is_short_address(const char *word)
{
    return strlen(word) == 7 && g_ascii_isxdigit(word[0]) && g_ascii_isxdigit(word[1]) && word[2] == ':' &&
           g_ascii_isxdigit(word[3]) && g_ascii_isxdigit(word[4]) && word[5] == '.' &&
           g_ascii_isdigit(word[6]);
}

static bool is_full_address(const char *word)
{
    return strlen(word) == 12 && word[4] == ':' && is_short_address(word + 5) &&
           strspn(word, "0123456789abcdefABCDEF") == 4;
}

static char *parse_address(const char *word, GPtrArray *patterns)
{
    if (is_short_address(word))
        return g_strdup_printf("an address has a domain (did you mean 0000:%s?)", word);
    if (is_full_address(word))
        return add(patterns, g_ascii_strdown(word, -1));
    return add(patterns, g_strdup(word));
}

static char *parse_path(const char *word, GPtrArray *patterns)
{
    const char *prefix = "/sys/devices/";

    if (g_str_has_prefix(word, prefix))
        return g_strdup_printf("a path is matched below /sys/devices (did you mean %s?)",
                               word + strlen(prefix));
    if (word[0] == '/')
        return g_strdup("a path is matched below /sys/devices and has no slash at the front");
    return add(patterns, g_strdup(word));
}

static char *parse_boolean(MatchKey key, const char *word, GPtrArray *patterns)
{
    if (!g_str_equal(word, "yes") && !g_str_equal(word, "no"))
        return g_strdup_printf("%s= takes yes or no", match_key_to_string(key));
    return add(patterns, g_strdup(word));
}

static char *parse_architecture(const char *word, GPtrArray *patterns)
{
    const char *near;

    if (is_glob(word) || g_strv_contains(architectures, word))
        return add(patterns, g_strdup(word));
    near = diagnostic_suggest(word, architectures);
    if (near)
        return g_strdup_printf("unknown architecture %s (did you mean %s?)", word, near);
    return g_strdup_printf("unknown architecture %s: a word of ConditionArchitecture= in systemd.unit(5)",
                           word);
}

static char *parse_property(const char *word, GPtrArray *patterns)
{
    const char *equals = strchr(word, '=');

    if (!equals || equals == word)
        return g_strdup("Property= takes KEY=VALUE, as udevadm info shows it; the value may be a glob");
    if (strcspn(word, "*?[") < (size_t) (equals - word))
        return g_strdup("the name of a property is no glob, only its value may be one");
    return add(patterns, g_strdup(word));
}

static char *parse_mac_address(const char *word, GPtrArray *patterns)
{
    g_autofree char *lower = g_ascii_strdown(word, -1);
    size_t length = strlen(lower);

    /* Ethernet has 6 bytes, InfiniBand 20. */
    if (!consists_of(lower, length, HEX_DIGITS ":" GLOB_CHARACTERS) ||
        (!is_glob(lower) && (strchr(lower, '-') || (length != 6 * 3 - 1 && length != 20 * 3 - 1))))
        return g_strdup(
            "MACAddress= takes hex bytes with colons, as in 52:54:00:12:34:56, or a glob over them");
    return add(patterns, g_steal_pointer(&lower));
}

char *match_value_parse(MatchKey key, const char *word, GPtrArray *patterns)
{
    switch (key) {
    case MATCH_ADDRESS:
        return parse_address(word, patterns);
    case MATCH_PATH:
        return parse_path(word, patterns);
    case MATCH_ID:
    case MATCH_SUBSYSTEM_ID:
    case MATCH_PHYSICAL_FUNCTION:
        return parse_id(key, word, patterns);
    case MATCH_CLASS:
        return parse_class(word, patterns);
    case MATCH_REMOVABLE:
    case MATCH_VIRTUAL_FUNCTION:
    case MATCH_RESERVED_DIRECT:
        return parse_boolean(key, word, patterns);
    case MATCH_ARCHITECTURE:
        return parse_architecture(word, patterns);
    case MATCH_PROPERTY:
        return parse_property(word, patterns);
    case MATCH_MAC_ADDRESS:
        return parse_mac_address(word, patterns);
    case MATCH_ANY:
        if (!g_str_equal(word, "yes"))
            return g_strdup("Any= takes yes alone");
        return add(patterns, g_strdup(word));
    default:
        return add(patterns, g_strdup(word));
    }
}
