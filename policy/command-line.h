/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "facts.h"

/*
 * The words of the kernel command line that are about IOMMUs: what the kernel takes of them, and which ones
 * it passes over without a word that anybody would see. Sources: drivers/iommu/iommu.c (iommu.passthrough,
 * iommu.strict: lib/kstrtox.c, kstrtobool()), arch/x86/kernel/pci-dma.c, iommu_setup() (iommu=),
 * drivers/iommu/intel/iommu.c, intel_iommu_setup(), drivers/iommu/amd/init.c, parse_amd_iommu_options(), and
 * for names kernel/params.c, parameqn(): "-" and "_" are the same there.
 */

typedef struct CommandLine {
    Tristate passthrough, strict; /* what the words ask for, TRISTATE_UNKNOWN: nothing */

    /* The word that did it, borrowed from the words, or NULL. */
    const char *passthrough_word;
    const char *off_word;       /* turns every IOMMU of x86 off */
    const char *intel_off_word; /* turns VT-d off */
    const char *amd_off_word;   /* turns AMD's off */
    const char *intel_on_word;  /* turns VT-d on where the kernel does not by itself */
} CommandLine;

/* Reads WORDS (NULL-terminated) as a kernel of ARCHITECTURE does (HostFacts.architecture). */
void command_line_read(char **words, const char *architecture, CommandLine *ret);

/*
 * What is wrong with WORD, if it is meant for the IOMMU and a kernel of ARCHITECTURE takes no notice of it,
 * or of a part of it: a sentence that the caller frees, with *ret_right (borrowed, static) what to write in
 * its place, or NULL if there is nothing to write. NULL if nothing is wrong, or the word is about something
 * else.
 */
char *command_line_fault(const char *word, const char *architecture, const char **ret_right);
