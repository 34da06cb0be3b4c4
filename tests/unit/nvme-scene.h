/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "scene.h"

/* For tests of what the drive of scene_add_nvme() is used for: the fixture, and what is looked at. */

static Tree *tree;
static char *nvme;

static void set_up(void)
{
    tree = scene_new();
    nvme = scene_add_nvme(tree);
}

static void tear_down(void)
{
    g_clear_pointer(&nvme, g_free);
    g_clear_pointer(&tree, tree_free);
}

/* All findings of the drive. */
static void expect(const char *ids)
{
    scene_expect_ids(tree, nvme, FINDINGS_ALL, ids);
}
