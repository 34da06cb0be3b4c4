/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* The words that `Class=` takes in place of PCI class codes: one table for rules, for people and for the
 * bus. */

/*
 * Returns the patterns that WORD stands for, matched against the code as "0x%06x", NULL-terminated and
 * static:
 * {"0x0108*"} for "nvme". NULL if WORD is not in the table. Codes: include/linux/pci_ids.h, PCI Code and ID
 * Assignment Specification.
 */
const char *const *class_word_patterns(const char *word);

/* Returns all words, NULL-terminated, the narrow ones before the wide ones that hold them. */
const char *const *class_words(void);

/* Returns the narrowest word for a class code of 24 bits ("ethernet" rather than "network"), or NULL if none
 * fits. */
const char *class_word_of(uint32_t class_code);
