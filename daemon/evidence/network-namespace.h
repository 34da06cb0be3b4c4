/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names the other network namespaces for people: those that ip-netns(8) gave a name (run/netns) and one
 * process of each that has one ("/run/netns/blue, pid 812 (router)"). Best effort: nothing tells passively
 * which of them has a given interface. The caller frees it; NULL if none is seen.
 */
char *network_namespaces_to_string(int root_fd);
