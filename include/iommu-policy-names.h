/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every name that another program, a unit file or an administrator relies on, each written once. */

#define IOMMU_POLICY_BUS_NAME "org.iommupolicy1"
#define IOMMU_POLICY_ROOT_PATH "/org/iommupolicy1"
#define IOMMU_POLICY_GROUP_PREFIX "/org/iommupolicy1/group"
#define IOMMU_POLICY_DEVICE_PREFIX "/org/iommupolicy1/device"

#define IOMMU_POLICY_MANAGER_INTERFACE "org.iommupolicy1.Manager"
#define IOMMU_POLICY_GROUP_INTERFACE "org.iommupolicy1.Group"
#define IOMMU_POLICY_DEVICE_INTERFACE "org.iommupolicy1.Device"

#define IOMMU_POLICY_ERROR_PREFIX "org.iommupolicy1.Error."

/* polkit actions, see dbus/org.iommupolicy1.policy */
#define IOMMU_POLICY_ACTION_TIGHTEN "org.iommupolicy1.tighten"
#define IOMMU_POLICY_ACTION_TIGHTEN_DISRUPTIVE "org.iommupolicy1.tighten-disruptive"
#define IOMMU_POLICY_ACTION_RELAX "org.iommupolicy1.relax"
#define IOMMU_POLICY_ACTION_OVERRIDE_FINDING "org.iommupolicy1.override-finding"
#define IOMMU_POLICY_ACTION_MANAGE_RULES "org.iommupolicy1.manage-rules"

/* Directories and files, relative to the root that was opened: no leading slash. */
#define IOMMU_POLICY_RUN_DIR "run/iommu-policy"
#define IOMMU_POLICY_CHANGE_DIR "run/iommu-policy/change"
#define IOMMU_POLICY_CALL_DIR "run/iommu-policy/call"
#define IOMMU_POLICY_AUTOPROBE_DIR "run/iommu-policy/autoprobe"
#define IOMMU_POLICY_EARLY_DIR "run/iommu-policy/early"
#define IOMMU_POLICY_EARLY_STAMP "image" /* in it: of an initramfs that was built since the boot */
/* LoadCredential= of the unit. */
#define IOMMU_POLICY_KERNEL_CONFIG "run/credentials/iommu-policyd.service/kernel-config"
#define IOMMU_POLICY_RULE_DIR_ETC "etc/iommu-policy.d"
#define IOMMU_POLICY_DAEMON_CONF "etc/iommu-policy/daemon.conf"

/* What a held device's driver_override says while its group is switched. No driver has this name. */
#define IOMMU_POLICY_OVERRIDE_TOKEN "iommu-policy-hold"
