/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-device.h"

/* SR-IOV, as drivers/pci/iov.c has it: a physical function (`device ... functions=TOTAL`) and what
 * appears and goes when its sriov_numvfs is written. Unlike there, reading that file does not wait for a
 * write. */
typedef struct Functions Functions;

Functions *functions_new(Device *device, unsigned total);
/* Takes the virtual functions away, and ends a write that was to make some. NULL is accepted. */
Functions *functions_free(Functions *functions);

/* sriov_drivers_autoprobe */
bool functions_autoprobe(const Functions *functions);

/* The links between a virtual function that has been added and its physical function, and its second
 * event. */
void function_link(Device *device);
/* Before it goes. */
void function_unlink(Device *device);
