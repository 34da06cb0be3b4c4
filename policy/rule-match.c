/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-match.h"

#include <fnmatch.h>
#include <string.h>

#include "class-words.h"

static const struct {
    const char *name;
    bool late;
} keys[_MATCH_KEY_MAX] = {
    [MATCH_ADDRESS] = {"Address", false},
    [MATCH_PATH] = {"Path", false},
    [MATCH_ID] = {"Id", false},
    [MATCH_SUBSYSTEM_ID] = {"SubsystemId", false},
    [MATCH_PHYSICAL_FUNCTION] = {"PhysicalFunction", false},
    [MATCH_MODALIAS] = {"Modalias", false},
    [MATCH_CLASS] = {"Class", false},
    [MATCH_BUS] = {"Bus", false},
    [MATCH_REMOVABLE] = {"Removable", false},
    [MATCH_VIRTUAL_FUNCTION] = {"VirtualFunction", false},
    [MATCH_IOMMU] = {"Iommu", false},
    [MATCH_RESERVED_DIRECT] = {"ReservedDirect", false},
    [MATCH_ARCHITECTURE] = {"Architecture", false},
    [MATCH_KERNEL_COMMAND_LINE] = {"KernelCommandLine", false},
    [MATCH_SERIAL] = {"Serial", true},
    [MATCH_MAC_ADDRESS] = {"MACAddress", true},
    [MATCH_DRIVER] = {"Driver", true},
    [MATCH_PROPERTY] = {"Property", true},
    [MATCH_ANY] = {"Any", false},
};

const char *match_key_to_string(MatchKey key)
{
    return key >= 0 && key < _MATCH_KEY_MAX ? keys[key].name : NULL;
}

bool match_key_is_late(MatchKey key)
{
    return keys[key].late;
}

static void match_term_free(void *p)
{
    MatchTerm *term = p;

    g_ptr_array_unref(term->patterns);
    g_string_free(term->text, TRUE);
    g_free(term);
}

RuleMatch *rule_match_new(void)
{
    RuleMatch *match = g_new(RuleMatch, 1);

    match->terms = g_ptr_array_new_with_free_func(match_term_free);
    return match;
}

void rule_match_free(RuleMatch *match)
{
    if (!match)
        return;
    g_ptr_array_unref(match->terms);
    g_free(match);
}

MatchTerm *rule_match_find(const RuleMatch *match, MatchKey key)
{
    for (unsigned i = 0; i < match->terms->len; i++) {
        MatchTerm *term = match->terms->pdata[i];

        if (term->key == key)
            return term;
    }
    return NULL;
}

MatchTerm *rule_match_add(RuleMatch *match, MatchKey key, bool negated)
{
    MatchTerm *term = g_new(MatchTerm, 1);

    *term = (MatchTerm){
        .key = key,
        .negated = negated,
        .patterns = g_ptr_array_new_with_free_func(g_free),
        .text = g_string_new(negated ? "!" : ""),
    };
    g_ptr_array_add(match->terms, term);
    return term;
}

/* As printf("%0*x"), which costs more than all the rest of a lookup. */
static char *append_hex(char *p, uint32_t value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0;)
        *p++ = "0123456789abcdef"[(value >> (4 * i)) & 0xf];
    return p;
}

static void set_one(FactValues *values, const char *value)
{
    values->known = true;
    values->one = value;
    values->n = value ? 1 : 0;
}

static void set_id(FactValues *values, uint32_t vendor, uint32_t device)
{
    char *p = values->buffer;

    if (vendor == FACT_NO_ID || device == FACT_NO_ID) {
        set_one(values, NULL);
        return;
    }
    p = append_hex(p, vendor, 4);
    *p++ = ':';
    p = append_hex(p, device, 4);
    *p = '\0';
    set_one(values, values->buffer);
}

static void set_class(FactValues *values, uint32_t class_code)
{
    char *p = values->buffer;

    if (class_code == FACT_NO_ID) {
        set_one(values, NULL);
        return;
    }
    *p++ = '0';
    *p++ = 'x';
    p = append_hex(p, class_code, 6);
    *p = '\0';
    set_one(values, values->buffer);
}

static void set_tristate(FactValues *values, Tristate tristate)
{
    if (tristate != TRISTATE_UNKNOWN)
        set_one(values, tristate == TRISTATE_YES ? "yes" : "no");
}

static void set_list(FactValues *values, bool known, char **list)
{
    values->known = known;
    values->many = (const char *const *) list;
    values->n = known && list ? g_strv_length(list) : 0;
}

/* What nobody can say of a device before it is there. */
static bool is_unforeseeable(MatchKey key)
{
    return key == MATCH_ADDRESS || key == MATCH_PATH || key == MATCH_SUBSYSTEM_ID || key == MATCH_MODALIAS;
}

void fact_values_read(FactValues *values, MatchKey key, const DeviceFacts *device)
{
    values->known = false;
    values->n = 0;
    values->one = NULL;
    values->many = NULL;
    if (device->foreseen && is_unforeseeable(key))
        return;

    switch (key) {
    case MATCH_ADDRESS:
        return set_one(values, device->name);
    case MATCH_PATH:
        return set_one(values, device->path);
    case MATCH_ID:
        return set_id(values, device->vendor, device->device);
    case MATCH_SUBSYSTEM_ID:
        return set_id(values, device->subsystem_vendor, device->subsystem_device);
    case MATCH_PHYSICAL_FUNCTION:
        return set_id(values, device->pf_vendor, device->pf_device);
    case MATCH_MODALIAS:
        return set_one(values, device->modalias);
    case MATCH_CLASS:
        return set_class(values, device->class_code);
    case MATCH_BUS:
        return set_one(values, device->bus);
    case MATCH_REMOVABLE:
        return set_tristate(values, device->untrusted);
    case MATCH_VIRTUAL_FUNCTION:
        return set_tristate(values, device->virtual_function);
    case MATCH_IOMMU:
        return set_one(values, device->iommu);
    case MATCH_RESERVED_DIRECT:
        return set_tristate(values, device->reserved_direct);
    case MATCH_SERIAL:
        return set_list(values, device->udev_known, device->serials);
    case MATCH_MAC_ADDRESS:
        return set_list(values, device->udev_known, device->mac_addresses);
    case MATCH_DRIVER:
        if (device->driver_known)
            set_one(values, device->driver);
        return;
    case MATCH_ANY:
        return set_one(values, "yes");
    default:
        g_assert_not_reached();
    }
}

const char *fact_values_get(const FactValues *values, unsigned i)
{
    return values->many ? values->many[i] : values->one;
}

static bool any_pattern_matches(const MatchTerm *term, const char *value)
{
    for (unsigned i = 0; i < term->patterns->len; i++)
        if (fnmatch(term->patterns->pdata[i], value, 0) == 0)
            return true;
    return false;
}

static Tristate evaluate_values(const MatchTerm *term, const DeviceFacts *device)
{
    FactValues values;

    fact_values_read(&values, term->key, device);
    if (!values.known)
        return TRISTATE_UNKNOWN;
    for (unsigned i = 0; i < values.n; i++)
        if (any_pattern_matches(term, fact_values_get(&values, i)))
            return TRISTATE_YES;
    return TRISTATE_NO;
}

/* Each pattern is KEY=GLOB; the key is literal. */
static Tristate evaluate_property(const MatchTerm *term, const DeviceFacts *device)
{
    if (!device->udev_known)
        return TRISTATE_UNKNOWN;
    if (!device->properties)
        return TRISTATE_NO;

    for (unsigned i = 0; i < term->patterns->len; i++) {
        const char *pattern = term->patterns->pdata[i], *equals = strchr(pattern, '=');
        g_autofree char *name = g_strndup(pattern, equals - pattern);
        const char *value = g_hash_table_lookup(device->properties, name);

        if (value && fnmatch(equals + 1, value, 0) == 0)
            return TRISTATE_YES;
    }
    return TRISTATE_NO;
}

/* A pattern matches a word of the command line whole, or, as in ConditionKernelCommandLine=, what stands
 * before its "=" if the pattern has none. */
static bool command_line_word_matches(const MatchTerm *term, const char *word)
{
    g_autofree char *name = g_strndup(word, strcspn(word, "="));

    for (unsigned i = 0; i < term->patterns->len; i++) {
        const char *pattern = term->patterns->pdata[i];

        if (fnmatch(pattern, word, 0) == 0)
            return true;
        if (!strchr(pattern, '=') && fnmatch(pattern, name, 0) == 0)
            return true;
    }
    return false;
}

static Tristate evaluate_host(const MatchTerm *term, const HostFacts *host)
{
    if (!host)
        return TRISTATE_UNKNOWN;
    if (term->key == MATCH_ARCHITECTURE)
        return host->architecture && any_pattern_matches(term, host->architecture) ? TRISTATE_YES
                                                                                   : TRISTATE_NO;
    for (char **word = host->kernel_command_line; word && *word; word++)
        if (command_line_word_matches(term, *word))
            return TRISTATE_YES;
    return TRISTATE_NO;
}

Tristate match_term_evaluate(const MatchTerm *term, const DeviceFacts *device, const HostFacts *host)
{
    Tristate tristate;

    if (term->key == MATCH_PROPERTY)
        tristate = evaluate_property(term, device);
    else if (term->key == MATCH_ARCHITECTURE || term->key == MATCH_KERNEL_COMMAND_LINE)
        tristate = evaluate_host(term, host);
    else
        tristate = evaluate_values(term, device);

    /* What is not known is not known the other way round either. */
    if (term->negated && tristate != TRISTATE_UNKNOWN)
        return tristate == TRISTATE_YES ? TRISTATE_NO : TRISTATE_YES;
    return tristate;
}

Tristate rule_match_evaluate(const RuleMatch *match, const DeviceFacts *device, const HostFacts *host)
{
    Tristate all = TRISTATE_YES;

    for (unsigned i = 0; i < match->terms->len; i++)
        switch (match_term_evaluate(match->terms->pdata[i], device, host)) {
        case TRISTATE_NO:
            /* One key that is known not to match settles it, whatever the others will say. */
            return TRISTATE_NO;
        case TRISTATE_UNKNOWN:
            all = TRISTATE_UNKNOWN;
            break;
        case TRISTATE_YES:
            break;
        }
    return all;
}

static char *describe_property(const MatchTerm *term, const DeviceFacts *device)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < term->patterns->len; i++) {
        const char *pattern = term->patterns->pdata[i];
        g_autofree char *name = g_strndup(pattern, strcspn(pattern, "="));
        const char *value = device->properties ? g_hash_table_lookup(device->properties, name) : NULL;

        if (value)
            g_string_append_printf(text, "%s%s=%s", text->len > 0 ? " " : "", name, value);
    }
    if (text->len == 0)
        g_string_append(text, "a device without that property");
    return g_string_free(text, FALSE);
}

static char *describe_values(MatchKey key, const DeviceFacts *device)
{
    const char *word = key == MATCH_CLASS ? class_word_of(device->class_code) : NULL;
    GString *text = g_string_new(word);
    FactValues values;

    fact_values_read(&values, key, device);
    for (unsigned i = 0; !word && i < values.n; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? " " : "", fact_values_get(&values, i));
    if (text->len == 0)
        g_string_append(text, "a device that has none");
    return g_string_free(text, FALSE);
}

char *match_term_describe_miss(const MatchTerm *term, const DeviceFacts *device, const HostFacts *host)
{
    g_autofree char *value = NULL;

    if (term->key == MATCH_PROPERTY)
        value = describe_property(term, device);
    else if (term->key == MATCH_ARCHITECTURE)
        value = g_strdup(host && host->architecture ? host->architecture : "this host");
    else if (term->key == MATCH_KERNEL_COMMAND_LINE)
        value = g_strdup("this host's command line");
    else
        value = describe_values(term->key, device);
    return g_strdup_printf("%s=%s does not match %s", match_key_to_string(term->key), term->text->str,
                           value);
}
