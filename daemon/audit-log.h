/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

/*
 * Records in the kernel's audit log, of type AUDIT_USYS_CONFIG. Built without libaudit it does nothing; a
 * kernel without audit, and a service without CAP_AUDIT_WRITE, are said once.
 *
 * They are sent by a child: while auditd is behind, the kernel lets who sends a record wait for up to a
 * minute (kernel/audit.c, audit_receive()), which must not be the loop. There is one child at a time, and what
 * comes meanwhile goes with the next.
 */
typedef struct AuditLog AuditLog;

/* EVENT NULL: of a program without a loop; records are sent before audit_log_write() returns. */
AuditLog *audit_log_new(sd_event *event);

/* Sends "NAME=VALUE NAME=VALUE..." (see audit_log_append()), followed by what libaudit adds: the program, and
 * res=success or res=failed by SUCCESS. */
void audit_log_write(AuditLog *log, const char *text, bool success);

/* Appends " NAME=VALUE" to TEXT; a value that could be taken for more than one field is put as hexadecimal
 * digits, which ausearch(8) turns back. */
void audit_log_append(GString *text, const char *name, const char *value);

/* What has not been sent is lost. Accepts NULL; returns NULL. */
AuditLog *audit_log_free(AuditLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuditLog, audit_log_free)
