/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "auth.h"
#include "caller.h"
#include "change-authorise.h"
#include "manager.h"

/* The daemon's face on the bus: objects, properties and methods of dbus/org.iommupolicy1.xml. No decisions
 * here. */

/* Adds every object to the manager's bus. Returns 0 or -errno. */
int bus_attach(sd_bus *bus, Manager *manager);
int bus_attach_groups(sd_bus *bus, Manager *manager);
int bus_attach_devices(sd_bus *bus, Manager *manager);

/* True if there is somebody to send signals to. */
bool bus_may_signal(const Manager *manager);

/* Object paths; the caller frees them. */
char *bus_group_path(unsigned id);
char *bus_device_path(const ManagedDevice *managed);

/* Names of the bits set in PROPERTIES, for PropertiesChanged: bit N is the Nth of NAMES. NULL-terminated;
 * the strings are borrowed. */
char **bus_property_names(const char *const *names, size_t n_names, unsigned properties);

/*
 * A call that is answered later: it has a place in a limit, holds the message, and may have asked polkit.
 * Ids, not pointers: what they name may go while a person is asked.
 */
typedef void (*BusCallNext)(BusCall *call);
struct BusCall {
    Manager *manager;
    CallLimits *limits;
    CallPlace *place;
    sd_bus_message *message;
    CallerQuery *query;
    AuthQuestion *question;
    Job *job;
    BusCallNext next;
    unsigned group;      /* or NO_GROUP */
    char *device;        /* key, or NULL */
    Caller caller;       /* known once bus_call_identify() has asked */
    DomainType type;
    uint64_t since;      /* µs since 1970: when Apply began */
    ChangeOptions options;
    char *who, *why;
    char *shown;         /* of SetType(""): what was authorised */
    bool authorised;     /* and not refused for another reason */
    bool late;           /* its caller has been answered; its worker still runs, and counts */
};

/* Counts MESSAGE in LIMITS. Returns 0 with *ret; 1 if the refusal was sent instead. */
int bus_call_new(Manager *manager, CallLimits *limits, sd_bus_message *message, BusCall **ret);
void bus_call_free(BusCall *call);

/* Finds out whose the call is, and counts it as that user's. Calls NEXT from the loop, or answers and frees
 * CALL. */
void bus_call_identify(BusCall *call, BusCallNext next);

/* The next step of a call that has been identified: NEXT if its caller may have ACTIONS, at once or when
 * polkit has said so; else answers and frees CALL. */
void bus_call_authorise(BusCall *call, const char *const *actions, const ChangeShown *shown,
                        BusCallNext next);

/* Each answers the call and frees it. */
void bus_call_done(BusCall *call, sd_bus_message *reply);
void bus_call_refuse(BusCall *call, RefusalCode code, const char *object, const char *detail);

/* The worker of CALL does not answer in time: the caller is answered Timeout, the call is counted until
 * its worker has ended. OBJECT as above. */
void bus_call_late(BusCall *call, const char *object, const char *detail);

/* For `done` of a job: true if nobody waits for the answer any more; CALL is freed then. */
bool bus_call_was_late(BusCall *call);

/* bus-group-methods.c */
int bus_group_set_type(sd_bus_message *message, void *userdata, sd_bus_error *error);
int bus_group_plan(sd_bus_message *message, void *userdata, sd_bus_error *error);
int bus_group_explain(sd_bus_message *message, void *userdata, sd_bus_error *error);
int bus_group_get_findings(sd_bus_message *message, void *userdata, sd_bus_error *error);
int bus_group_refresh(sd_bus_message *message, void *userdata, sd_bus_error *error);
int bus_group_inhibit(sd_bus_message *message, void *userdata, sd_bus_error *error);
