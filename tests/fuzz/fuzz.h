/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "tree.h"

/*
 * What the targets share. A target is one function that is given any bytes and aborts if something is not as
 * it must be. Where the parser is a static function of its file, the target includes that file: the parser
 * stays closed to the rest of the program, and no file has to be written for each input.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input. Each of the functions takes from its front; at the end there are zeros. */
typedef struct Input {
    const uint8_t *data;
    size_t size;
} Input;

/* An unsigned number of N bytes, at most 8, the lowest first. */
uint64_t input_number(Input *input, size_t n);

/* The bytes up to the next newline, or to the end, without NULs; the caller frees them. */
char *input_line(Input *input);

/* The same up to a line that is "--" alone, so that one input can stand for several files. */
char *input_text(Input *input);

/* Aborts if TEXT is not what may be shown to people and sent over the bus: one line of UTF-8 without control
 * characters, but tabs, and without what sd-bus takes for no characters. */
void check_shown(const char *text);

/* The private tree of this run, made at the first call and removed at the end. */
Tree *fuzz_tree(void);

/* Makes the file PATH of the tree and leaves it open: fuzz_fill() gives it another content each time. */
int fuzz_file(const char *path);
void fuzz_fill(int fd, const void *data, size_t size);
