/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <syslog.h>
#include <systemd/sd-journal.h>

/*
 * Only program code logs (daemon layers 4 to 6, early); everything below returns an error and lets its
 * caller say it once. All lines go to the journal, those about a group or a member with fields to search
 * for.
 */
#define log_full(level, ...) ((void) sd_journal_print((level), __VA_ARGS__))
#define log_debug(...) log_full(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_full(LOG_INFO, __VA_ARGS__)
#define log_notice(...) log_full(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_full(LOG_ERR, __VA_ARGS__)

/* Logs TEXT about GROUP (its number) with IOMMU_GROUP= and, if not NULL, DEVICE as IOMMU_DEVICE=. */
#define log_group(level, group, device, text)                                                             \
    ((void) sd_journal_send("PRIORITY=%i", (level), "IOMMU_GROUP=%u", (group), "IOMMU_DEVICE=%s",          \
                            (device) ?: "", "MESSAGE=group %u: %s", (group), (text), NULL))
