/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>

#include "evidence.h"
#include "sysfs.h"

/* What somebody types on and points with, mostly below a USB controller; and what a process reads from. */

#define WORD_BITS (8 * sizeof(unsigned long))

/*
 * A bitmap of capabilities: words of a long in hexadecimal, the most significant first, those that are zero
 * at the start left out (drivers/input/input.c, input_print_bitmap()). True if one of FIRST to LAST is in
 * it, or if it is none.
 */
static bool bitmap_has(const char *text, unsigned first, unsigned last)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    unsigned n = g_strv_length(words);

    for (unsigned i = 0; i < n; i++) {
        const char *word = words[n - 1 - i];
        unsigned long bits;
        char *end;

        errno = 0;
        bits = strtoul(word, &end, 16);
        if (!g_ascii_isxdigit(*word) || *end || errno)
            return true;
        for (unsigned bit = 0; bit < WORD_BITS; bit++) {
            unsigned code = (unsigned) (i * WORD_BITS) + bit;

            if ((bits >> bit & 1) && code >= first && code <= last)
                return true;
        }
    }
    return n == 0;
}

/* Wider than what udev calls a keyboard: any of the keys of letters, digits and the keypad. */
static const char *device_noun(const char *keys)
{
    if (bitmap_has(keys, KEY_ESC, KEY_KPDOT))
        return "a keyboard";
    if (bitmap_has(keys, BTN_MISC, BTN_GEAR_UP))
        return "a pointing device";
    return NULL;
}

static char *read_name(int root_fd, const Descendant *input)
{
    g_autofree char *path = g_strdup_printf("%s/name", input->path), *name = NULL;

    if (sysfs_read(root_fd, path, &name) < 0 || !*name)
        return g_strdup(input->name);
    return g_steal_pointer(&name);
}

/* Returns true if people use the device INPUT ("input3"), so that its nodes ("event3") say no more. */
static bool judge_device(const Evidence *evidence, const Member *member, const Descendant *input,
                         GPtrArray *findings)
{
    g_autofree char *path = g_strdup_printf("%s/capabilities/key", input->path), *keys = NULL;
    g_autofree char *name = NULL;
    const char *noun;
    int r;

    r = sysfs_read(evidence->root_fd, path, &keys);
    if (r < 0) {
        g_autofree char *source = g_strdup_printf("/%s: %s", path, g_strerror(-r));

        findings_add_unread(findings, member->name, source);
        return false;
    }
    noun = device_noun(keys);
    if (!noun)
        return false;
    name = read_name(evidence->root_fd, input);
    findings_add(findings, FINDING_INPUT, FINDING_DISRUPTIVE, member->name, name, member->name,
                 "%s is %s; unplug it, or allow that it goes away", name, noun);
    return true;
}

void findings_judge_input(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    bool is_of_people = false;

    if (!member->device->driver)
        return;
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (!descendant_is(descendant, "input"))
            continue;
        if (g_str_has_prefix(descendant->name, "input")) /* before its nodes: parents come first */
            is_of_people = judge_device(evidence, member, descendant, findings);
        else if (!is_of_people)
            findings_add_node_users(evidence, member, descendant, FINDING_INPUT, FINDING_DISRUPTIVE,
                                    "reads from", findings);
    }
}
