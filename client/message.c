/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message.h"

#include <errno.h>

#include "cleanup.h"

static int append_value(sd_bus_message *message, GVariant *value);

static int append_members(sd_bus_message *message, GVariant *container)
{
    GVariantIter iterator;
    GVariant *member;
    int r;

    g_variant_iter_init(&iterator, container);
    while ((member = g_variant_iter_next_value(&iterator))) {
        r = append_value(message, member);
        g_variant_unref(member);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The D-Bus type code of a container and the type of its contents, from GLib's type string: "(su)" is 'r' of
 * "su". */
static char container_code(const char *type, char **ret_contents)
{
    size_t length = strlen(type);

    switch (type[0]) {
    case '(':
        *ret_contents = g_strndup(type + 1, length - 2);
        return SD_BUS_TYPE_STRUCT;
    case '{':
        *ret_contents = g_strndup(type + 1, length - 2);
        return SD_BUS_TYPE_DICT_ENTRY;
    default:
        *ret_contents = g_strdup(type + 1);
        return SD_BUS_TYPE_ARRAY;
    }
}

static int append_container(sd_bus_message *message, GVariant *value)
{
    g_autofree char *contents = NULL;
    char code;
    int r;

    if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
        g_autoptr(GVariant) inner = g_variant_get_variant(value);

        code = SD_BUS_TYPE_VARIANT;
        contents = g_strdup(g_variant_get_type_string(inner));
    } else
        code = container_code(g_variant_get_type_string(value), &contents);

    r = sd_bus_message_open_container(message, code, contents);
    if (r >= 0)
        r = append_members(message, value);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_value(sd_bus_message *message, GVariant *value)
{
    switch (g_variant_classify(value)) {
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
        return sd_bus_message_append_basic(message, g_variant_get_type_string(value)[0],
                                           g_variant_get_string(value, NULL));
    case G_VARIANT_CLASS_BOOLEAN:
        return sd_bus_message_append(message, "b", (int) g_variant_get_boolean(value));
    case G_VARIANT_CLASS_UINT32:
        return sd_bus_message_append(message, "u", g_variant_get_uint32(value));
    case G_VARIANT_CLASS_UINT64:
        return sd_bus_message_append(message, "t", g_variant_get_uint64(value));
    case G_VARIANT_CLASS_ARRAY:
    case G_VARIANT_CLASS_TUPLE:
    case G_VARIANT_CLASS_DICT_ENTRY:
    case G_VARIANT_CLASS_VARIANT:
        return append_container(message, value);
    default:
        return -EOPNOTSUPP;
    }
}

int message_append_tuple(sd_bus_message *message, GVariant *parameters)
{
    return append_members(message, parameters);
}

/* What sd_bus_message_read_basic() writes. */
typedef union BasicValue {
    const char *text;
    int boolean;
    uint8_t byte;
    int16_t int16;
    uint16_t uint16;
    int32_t int32;
    uint32_t uint32;
    int64_t int64;
    uint64_t uint64;
    double number;
} BasicValue;

/* Returns NULL for a TYPE that has no place in a value: a file descriptor. */
static GVariant *basic_variant(char type, const BasicValue *value)
{
    switch (type) {
    case SD_BUS_TYPE_STRING:
        return g_variant_new_string(value->text);
    case SD_BUS_TYPE_OBJECT_PATH:
        return g_variant_new_object_path(value->text);
    case SD_BUS_TYPE_SIGNATURE:
        return g_variant_new_signature(value->text);
    case SD_BUS_TYPE_BOOLEAN:
        return g_variant_new_boolean(value->boolean);
    case SD_BUS_TYPE_BYTE:
        return g_variant_new_byte(value->byte);
    case SD_BUS_TYPE_INT16:
        return g_variant_new_int16(value->int16);
    case SD_BUS_TYPE_UINT16:
        return g_variant_new_uint16(value->uint16);
    case SD_BUS_TYPE_INT32:
        return g_variant_new_int32(value->int32);
    case SD_BUS_TYPE_UINT32:
        return g_variant_new_uint32(value->uint32);
    case SD_BUS_TYPE_INT64:
        return g_variant_new_int64(value->int64);
    case SD_BUS_TYPE_UINT64:
        return g_variant_new_uint64(value->uint64);
    case SD_BUS_TYPE_DOUBLE:
        return g_variant_new_double(value->number);
    default:
        return NULL;
    }
}

static int read_basic(sd_bus_message *message, char type, GVariantBuilder *builder)
{
    BasicValue value = {.uint64 = 0};
    GVariant *variant;
    int r;

    r = sd_bus_message_read_basic(message, type, &value);
    if (r < 0)
        return r;

    variant = basic_variant(type, &value);
    if (!variant)
        return -EOPNOTSUPP;
    g_variant_builder_add_value(builder, variant);
    return 0;
}

/* GLib's type string of a container of D-Bus type CODE that holds CONTENTS. */
static char *container_type(char code, const char *contents)
{
    switch (code) {
    case SD_BUS_TYPE_STRUCT:
        return g_strdup_printf("(%s)", contents);
    case SD_BUS_TYPE_DICT_ENTRY:
        return g_strdup_printf("{%s}", contents);
    case SD_BUS_TYPE_VARIANT:
        return g_strdup("v");
    default:
        return g_strdup_printf("a%s", contents);
    }
}

static int read_members(sd_bus_message *message, GVariantBuilder *builder);

static int read_container(sd_bus_message *message, char code, const char *contents, GVariantBuilder *builder)
{
    g_autofree char *type = container_type(code, contents), *inner = g_strdup(contents);
    int r;

    r = sd_bus_message_enter_container(message, code, inner);
    if (r < 0)
        return r;

    g_variant_builder_open(builder, G_VARIANT_TYPE(type));
    r = read_members(message, builder);
    if (r < 0)
        return r;
    g_variant_builder_close(builder);
    return sd_bus_message_exit_container(message);
}

static int read_members(sd_bus_message *message, GVariantBuilder *builder)
{
    const char *contents;
    char code;
    int r;

    while ((r = sd_bus_message_peek_type(message, &code, &contents)) > 0) {
        r = contents ? read_container(message, code, contents, builder) : read_basic(message, code, builder);
        if (r < 0)
            return r;
    }
    return r;
}

int message_read_tuple(sd_bus_message *message, GVariant **ret)
{
    GVariantBuilder builder;
    int r;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_TUPLE);
    r = read_members(message, &builder);
    if (r < 0) {
        g_variant_builder_clear(&builder);
        return r;
    }

    *ret = g_variant_ref_sink(g_variant_builder_end(&builder));
    return 0;
}
