/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "message.h"
#include "unit.h"

/* A message needs a connection to be made, but never has to be sent. */
static sd_bus *unconnected_bus(void)
{
    sd_bus *bus;
    int pair[2];

    ck_assert_int_ge(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_ge(sd_bus_new(&bus), 0);
    ck_assert_int_ge(sd_bus_set_fd(bus, pair[0], pair[0]), 0);
    ck_assert_int_ge(sd_bus_start(bus), 0);
    close(pair[1]);
    return bus;
}

static const char *const tuples[] = {
    "()",
    "('DMA',)",
    "('DMA', @a{sv} {})",
    "('identity', {'unbind': <'never'>, 'allow': <['mount:/srv@nvme0n1p1']>, 'persist': <true>})",
    "(uint32 7,)",
    "([(uint32 1, 'DMA', '', 'settled', '', objectpath '/org/iommupolicy1/group/1')],)",
    "({objectpath '/a': {'org.x': {'Type': <'DMA'>, 'R': <[(uint64 1, uint64 2, 'msi')]>}}},)",
    "(@aa{sv} [{'id': <'x'>}, {}],)",
    "({'ats': (true, false)},)",
};

START_TEST(tuple_survives_the_message)
{
    g_autoptr(GVariant) tuple = g_variant_parse(NULL, tuples[_i], NULL, NULL, NULL), back = NULL;
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus) bus = unconnected_bus();

    ck_assert_ptr_nonnull(tuple);
    ck_assert_int_ge(sd_bus_message_new_method_call(bus, &message, "a.b", "/", "a.b", "C"), 0);
    ck_assert_int_eq(message_append_tuple(message, tuple), 0);
    ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
    ck_assert_int_eq(message_read_tuple(message, &back), 0);
    ck_assert(g_variant_equal(tuple, back));
}
END_TEST

START_TEST(descriptor_is_refused)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus) bus = unconnected_bus();
    GVariant *back = NULL;

    ck_assert_int_ge(sd_bus_message_new_method_call(bus, &message, "a.b", "/", "a.b", "C"), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s(h)", "x", STDIN_FILENO), 0);
    ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
    ck_assert_int_eq(message_read_tuple(message, &back), -EOPNOTSUPP);
    ck_assert_ptr_null(back);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("values");

    tcase_add_loop_test(tests, tuple_survives_the_message, 0, G_N_ELEMENTS(tuples));
    tcase_add_test(tests, descriptor_is_refused);
    return unit_run("message", tests);
}
