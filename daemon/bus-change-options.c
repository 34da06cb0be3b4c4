/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-change-options.h"

#include <errno.h>
#include <string.h>

#include "bus-error.h"
#include "plain-text.h"

#define ALLOW_MAX 64
#define ALLOW_BYTES_MAX 65536

int bus_reply_bad_option(sd_bus_message *message, const char *option, const char *takes)
{
    g_autofree char *detail = g_strdup_printf("%s %s", option, takes);

    (void) bus_reply_refusal(message, REFUSAL_INVALID_OPTION, sd_bus_message_get_member(message), NULL,
                            detail);
    return 1;
}

static int read_unbind(sd_bus_message *message, ChangeOptions *options)
{
    const char *word;

    if (sd_bus_message_read(message, "v", "s", &word) < 0)
        return bus_reply_bad_option(message, "unbind", "takes a string");
    if (!g_str_equal(word, "idle") && !g_str_equal(word, "never"))
        return bus_reply_bad_option(message, "unbind", "takes \"idle\" or \"never\"");
    options->may_unbind = g_str_equal(word, "idle");
    return 0;
}

static int read_allow(sd_bus_message *message, ChangeOptions *options)
{
    g_autoptr(GStrvBuilder) ids = g_strv_builder_new();
    const char *id;
    size_t bytes = 0;
    unsigned n = 0;

    if (sd_bus_message_enter_container(message, 'v', "as") < 0 ||
        sd_bus_message_enter_container(message, 'a', "s") < 0)
        return bus_reply_bad_option(message, "allow", "takes an array of strings");
    while (sd_bus_message_read(message, "s", &id) > 0) {
        bytes += strlen(id);
        if (++n > ALLOW_MAX || bytes > ALLOW_BYTES_MAX)
            return bus_reply_bad_option(message, "allow", "takes at most 64 finding ids, of 64 KiB in all");
        g_strv_builder_add(ids, id);
    }
    g_clear_pointer(&options->allow, g_strfreev);
    options->allow = g_strv_builder_end(ids);
    if (sd_bus_message_exit_container(message) < 0)
        return -EBADMSG;
    return sd_bus_message_exit_container(message) < 0 ? -EBADMSG : 0;
}

static int read_flag(sd_bus_message *message, const char *name, bool *flag)
{
    int value;

    if (sd_bus_message_read(message, "v", "b", &value) < 0)
        return bus_reply_bad_option(message, name, "takes a boolean");
    *flag = value;
    return 0;
}

static int read_reason(sd_bus_message *message, ChangeOptions *options)
{
    const char *text;

    if (sd_bus_message_read(message, "v", "s", &text) < 0)
        return bus_reply_bad_option(message, "reason", "takes a string");
    if (strlen(text) > BUS_REASON_MAX)
        return bus_reply_bad_option(message, "reason", "takes at most 1024 bytes");
    g_free(options->reason);
    options->reason = plain_text(text, BUS_REASON_MAX); /* for lines of the journal and of a rule file */
    return 0;
}

/* What is held while a person is asked is bounded by this: each option once, each of a limited size. */
static bool is_repeated(const char *name, unsigned *seen)
{
    static const char *const names[] = { "unbind", "allow", "persist", "wait", "reason" };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!g_str_equal(name, names[i]))
            continue;
        if (*seen & (1u << i))
            return true;
        *seen |= 1u << i;
    }
    return false;
}

static int read_option(sd_bus_message *message, const char *name, bool plan, ChangeOptions *options)
{
    if (g_str_equal(name, "unbind"))
        return read_unbind(message, options);
    if (g_str_equal(name, "allow"))
        return read_allow(message, options);
    if (!plan && g_str_equal(name, "persist"))
        return read_flag(message, name, &options->persist);
    if (!plan && g_str_equal(name, "wait"))
        return read_flag(message, name, &options->wait);
    if (!plan && g_str_equal(name, "reason"))
        return read_reason(message, options);
    return bus_reply_bad_option(message, name,
                                plan ? "is no option; there are unbind and allow"
                                     : "is no option; there are unbind, allow, persist, wait and reason");
}

int bus_read_change_options(sd_bus_message *message, bool plan, ChangeOptions *options)
{
    const char *name;
    unsigned seen = 0;
    int r;

    *options = (ChangeOptions) { .may_unbind = true, .wait = true };
    r = sd_bus_message_enter_container(message, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
            r = is_repeated(name, &seen) ? bus_reply_bad_option(message, name, "is given twice")
                                         : read_option(message, name, plan, options);
        if (r != 0 && r != 1)
            break;
        if (r == 1)
            return 1;
        r = sd_bus_message_exit_container(message);
    }
    return r < 0 ? r : sd_bus_message_exit_container(message) < 0 ? -EBADMSG : 0;
}

int bus_read_change_type(sd_bus_message *message, DomainType *ret)
{
    const char *word;
    int r = sd_bus_message_read(message, "s", &word);

    if (r < 0)
        return r;
    *ret = _DOMAIN_TYPE_INVALID;
    if (!*word)
        return 0;
    *ret = domain_type_from_string(word);
    if (*ret >= 0 && (domain_type_is_switchable(*ret) || *ret == DOMAIN_TYPE_AUTO))
        return 0;
    (void) bus_reply_refusal(message, REFUSAL_INVALID_TYPE, word, NULL, NULL);
    return 1;
}
