/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finding-kind.h"

#include <glib.h>

static const struct {
    const char *word;
    FindingSeverity severity;
} kinds[_FINDING_KIND_MAX] = {
    [FINDING_ROOT] = {"root", FINDING_ABSOLUTE},
    [FINDING_MOUNT] = {"mount", FINDING_ABSOLUTE},
    [FINDING_SWAP] = {"swap", FINDING_ABSOLUTE},
    [FINDING_HOLDER] = {"holder", FINDING_ABSOLUTE},
    [FINDING_EXCL] = {"excl", FINDING_ABSOLUTE},
    [FINDING_OWNER] = {"owner", FINDING_ABSOLUTE},
    [FINDING_VF] = {"vf", FINDING_ABSOLUTE},
    [FINDING_CONSUMER] = {"consumer", FINDING_ABSOLUTE},
    [FINDING_INFRASTRUCTURE] = {"infrastructure", FINDING_ABSOLUTE},
    [FINDING_BELOW] = {"below", FINDING_ABSOLUTE},
    [FINDING_ROUTE] = {"route", FINDING_FATAL},
    [FINDING_MASTER] = {"master", FINDING_FATAL},
    [FINDING_REMOTE] = {"remote", FINDING_FATAL},
    [FINDING_NETNS] = {"netns", FINDING_FATAL},
    [FINDING_RDMA] = {"rdma", FINDING_FATAL},
    [FINDING_EXPORT] = {"export", FINDING_FATAL},
    [FINDING_SIGNATURE] = {"signature", FINDING_DISRUPTIVE},
    [FINDING_UP] = {"up", FINDING_DISRUPTIVE},
    [FINDING_ADDR] = {"addr", FINDING_DISRUPTIVE},
    [FINDING_DISPLAY] = {"display", FINDING_DISRUPTIVE},
    [FINDING_INPUT] = {"input", FINDING_DISRUPTIVE},
    [FINDING_SOUND] = {"sound", FINDING_DISRUPTIVE},
    [FINDING_UNKNOWN] = {"unknown", FINDING_DISRUPTIVE},
};

static const char *const severity_words[_FINDING_SEVERITY_MAX] = {
    [FINDING_DISRUPTIVE] = "disruptive",
    [FINDING_FATAL] = "fatal",
    [FINDING_ABSOLUTE] = "absolute",
};

const char *finding_kind_to_string(FindingKind kind)
{
    if (kind < 0 || kind >= _FINDING_KIND_MAX)
        return NULL;
    return kinds[kind].word;
}

FindingKind finding_kind_from_string(const char *word)
{
    for (int i = 0; i < _FINDING_KIND_MAX; i++)
        if (g_strcmp0(word, kinds[i].word) == 0)
            return i;
    return _FINDING_KIND_INVALID;
}

FindingSeverity finding_kind_severity(FindingKind kind)
{
    /* What is not a kind of ours is something nobody may pass. */
    if (kind < 0 || kind >= _FINDING_KIND_MAX)
        return FINDING_ABSOLUTE;
    return kinds[kind].severity;
}

const char *finding_severity_to_string(FindingSeverity severity)
{
    if (severity < 0 || severity >= _FINDING_SEVERITY_MAX)
        return NULL;
    return severity_words[severity];
}
