/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Tree *tree;

uint64_t input_number(Input *input, size_t n)
{
    uint64_t number = 0;

    for (size_t i = 0; i < n && input->size > 0; i++, input->data++, input->size--)
        number |= (uint64_t) *input->data << (8 * i);
    return number;
}

/* Takes N bytes and SKIP more. */
static char *take(Input *input, size_t n, size_t skip)
{
    GString *text = g_string_sized_new(n);

    for (size_t i = 0; i < n; i++)
        if (input->data[i] != '\0')
            g_string_append_c(text, (char) input->data[i]);
    n = MIN(n + skip, input->size);
    input->data += n;
    input->size -= n;
    return g_string_free(text, FALSE);
}

char *input_line(Input *input)
{
    const uint8_t *newline = input->size > 0 ? memchr(input->data, '\n', input->size) : NULL;

    return take(input, newline ? (size_t) (newline - input->data) : input->size, 1);
}

char *input_text(Input *input)
{
    const uint8_t *mark = input->size > 0 ? memmem(input->data, input->size, "\n--\n", 4) : NULL;

    if (input->size >= 3 && memcmp(input->data, "--\n", 3) == 0)
        return take(input, 0, 3);
    return mark ? take(input, (size_t) (mark - input->data) + 1, 3) : take(input, input->size, 0);
}

void check_shown(const char *text)
{
    g_assert_true(g_utf8_validate(text, -1, NULL));
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_assert_true(c == '\t' || (c >= 0x20 && (c < 0x7f || c > 0x9f)));
        g_assert_true((c & 0xffff) < 0xfffe && (c < 0xfdd0 || c > 0xfdef));
    }
}

static void remove_tree(void)
{
    g_clear_pointer(&tree, tree_free);
}

Tree *fuzz_tree(void)
{
    if (!tree) {
        tree = tree_new();
        (void) atexit(remove_tree);
    }
    return tree;
}

int fuzz_file(const char *path)
{
    int fd;

    tree_write(fuzz_tree(), path, "");
    fd = openat(fuzz_tree()->fd, path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

void fuzz_fill(int fd, const void *data, size_t size)
{
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    g_assert_cmpint(pwrite(fd, data, size, 0), ==, (ssize_t) size);
}

/* GLib goes on after what it calls critical: a NULL where none may be. Here that is a finding. */
__attribute__((constructor)) static void be_strict(void)
{
    (void) g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
}
