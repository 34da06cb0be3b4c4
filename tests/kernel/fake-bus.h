/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine.h"

/* Buses and drivers, with the answers of drivers/base/bus.c and dd.c. */
typedef struct Bus {
    Machine *machine;
    char *name;
    Node *node;
    Node *devices;
    Node *drivers;
    GHashTable *driver_table;   /* name -> Driver, those that are loaded */
    GPtrArray *absent;          /* Driver: loaded when a device that they match is added */
    bool autoprobe;
} Bus;

typedef struct Driver {
    Bus *bus;
    char *name;
    char **ids;
    bool managed_dma;
    bool suppress_bind;
    bool async;                 /* probes asynchronously on the older kernel, as nvme does */
    Node *node;                 /* NULL while it is not loaded */
} Driver;

struct Device;

Bus *bus_new(Machine *machine, const char *name);
Bus *bus_get(Machine *machine, const char *name);

/* `driver BUS NAME ...` and `driver-remove BUS NAME ...`, WORDS without the first. 0 or a negative errno. */
int driver_add(Machine *machine, char *const *words);
int driver_remove(Machine *machine, char *const *words);

/* True if DRIVER would take DEVICE: by driver_override, or else by its ids. */
bool driver_matches(const Driver *driver, const struct Device *device);

/* Probes the drivers that match, those to be loaded for it included if LOAD. */
void bus_probe_device(Bus *bus, struct Device *device, bool load);

void buses_free(Machine *machine);
