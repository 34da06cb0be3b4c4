/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evidence.h"

/* A sound device that a process has open: a stream, the mixer, a sequencer port. */

void findings_judge_sound(const Evidence *evidence, const Member *member, GPtrArray *findings)
{
    for (unsigned i = 0; i < member->descendants->len; i++) {
        const Descendant *descendant = g_ptr_array_index(member->descendants, i);

        if (descendant_is(descendant, "sound"))
            findings_add_node_users(evidence, member, descendant, FINDING_SOUND, FINDING_DISRUPTIVE, "uses",
                                    findings);
    }
}
