/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The type and the options of SetType and Plan, in a message of any content that a bus lets through: an
 * a{sv} with any names and any types of values. The first byte says which of the two it is; then come the
 * type, a line, and the options: a line with the name, a byte that chooses the type of the value, and the
 * value.
 */
#include <string.h>
#include <sys/socket.h>

#include "bus-change-options.h"
#include "fuzz.h"
#include "plain-text.h"

#define OPTIONS_MAX 16

/* A bus that nobody is at the other end of. */
static sd_bus *make_bus(void)
{
    sd_bus *bus = NULL;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(bus, pair[0], pair[0]), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    return bus;
}

static int append_strings(sd_bus_message *message, Input *input)
{
    size_t n = input_number(input, 1) % 80;
    int r = sd_bus_message_open_container(message, 'v', "as");

    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "s");
    for (; r >= 0 && n > 0; n--) {
        g_autofree char *line = input_line(input), *text = bus_text(line);

        r = sd_bus_message_append(message, "s", text);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_value(sd_bus_message *message, Input *input)
{
    uint8_t kind = (uint8_t) input_number(input, 1);
    g_autofree char *line = NULL, *text = NULL;

    switch (kind % 6) {
    case 0:
        return sd_bus_message_append(message, "v", "b", kind > 127);
    case 1:
        return append_strings(message, input);
    case 2:
        return sd_bus_message_append(message, "v", "u", (uint32_t) input_number(input, 4));
    case 3:
        return sd_bus_message_append(message, "v", "v", "s", "idle");
    case 4:
        return sd_bus_message_append(message, "v", "(sa{sv})", "idle", 0);
    default:
        line = input_line(input);
        text = bus_text(line);
        return sd_bus_message_append(message, "v", "s", text);
    }
}

static int append_option(sd_bus_message *message, Input *input)
{
    g_autofree char *line = input_line(input), *name = bus_text(line);
    int r = sd_bus_message_open_container(message, 'e', "sv");

    if (r >= 0)
        r = sd_bus_message_append(message, "s", name);
    if (r >= 0)
        r = append_value(message, input);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

/* What a caller would send; no reply is expected, so that none is sent. */
static sd_bus_message *make_message(sd_bus *bus, Input *input)
{
    g_autofree char *line = input_line(input), *type = bus_text(line);
    sd_bus_message *message = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(bus, &message, "org.iommupolicy1",
                                                   "/org/iommupolicy1/group/7", "org.iommupolicy1.Group",
                                                   "SetType"), >=, 0);
    g_assert_cmpint(sd_bus_message_set_expect_reply(message, false), >=, 0);
    g_assert_cmpint(sd_bus_message_append(message, "s", type), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(message, 'a', "{sv}"), >=, 0);
    for (unsigned i = 0; i < OPTIONS_MAX && input->size > 0; i++)
        g_assert_cmpint(append_option(message, input), >=, 0);
    g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
    g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
    g_assert_cmpint(sd_bus_message_rewind(message, true), >=, 0);
    return message;
}

static void check_options(const ChangeOptions *options)
{
    g_assert_true(!options->allow || g_strv_length(options->allow) <= 64);
    g_assert_true(!options->reason || strlen(options->reason) <= BUS_REASON_MAX);
    for (const char *c = options->reason; c && *c; c++)
        g_assert_false(g_ascii_iscntrl(*c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = { data, size };
    bool plan = input_number(&input, 1) & 1;
    sd_bus_message *message;
    ChangeOptions options;
    static sd_bus *bus;
    DomainType type;
    int r;

    if (!bus)
        bus = make_bus();
    message = make_message(bus, &input);
    r = bus_read_change_type(message, &type);
    g_assert_cmpint(r, >=, 0);
    if (r == 0) {
        r = bus_read_change_options(message, plan, &options);
        g_assert_true(r == 0 || r == 1);
        if (r == 0)
            check_options(&options);
        if (r == 0 && plan)
            g_assert_true(!options.persist && options.wait && !options.reason);
        change_options_clear(&options);
    }
    sd_bus_message_unref(message);
    return 0;
}
