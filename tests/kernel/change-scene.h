/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "domain-type.h"
#include "fixture.h"
#include "transaction.h"

/*
 * One group of a fake kernel that is changed, killed, recovered and looked at. The kernel has no network
 * interfaces of its own here: the scene puts the calling process into an empty network namespace, so that
 * what the machine of the test has does not count.
 */
typedef struct Scene {
    Fixture *fixture;
    int root_fd;
    unsigned group;
    const char *const *devices;  /* members, NULL-terminated */
    char **drivers;              /* what each was bound to at the start, "" for none */
    DomainType type;             /* at the start */
} Scene;

/* Starts TOPOLOGY; DEVICES are the members of the group. Ends the test if that fails. */
Scene *scene_new(const char *topology, const char *generation, const char *const *devices);
void scene_free(Scene *scene);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

/* Surveys for TYPE and makes of it an authorised request that allows every finding that may be allowed. */
ChangeRequest *scene_authorise(const Scene *scene, DomainType type);

/* Runs REQUEST in this process. */
ChangeResult *scene_change(const Scene *scene, const ChangeRequest *request);

/* Recovers all records in this process; returns how many there were. Ends the test if one cannot be read. */
unsigned scene_recover(const Scene *scene);

DomainType scene_type(const Scene *scene);
/* The driver of DEVICE, "" for none; and its driver_override as it reads. The caller frees both. */
char *scene_driver(const Scene *scene, const char *device);
char *scene_override(const Scene *scene, const char *device);

/* True if every member has the driver, and no other override, than at the start; a line on stderr if not. */
bool scene_is_bound(const Scene *scene);

/* The number of records. */
unsigned scene_records(const Scene *scene);

/* Brings type, drivers and the run folder back to those of the start, by the files themselves. */
void scene_reset(const Scene *scene);

/* Writes TEXT to the file PATH of the served root, as a caller of the kernel does. Returns 0 or -errno. */
int scene_write(const Scene *scene, const char *path, const char *text);
