# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# What iommuctl sees of a real systemd and of real groups. What it makes of that is tested by tests/service;
# so these belong to the long tier.

# doctor_says WORD: it complained of that, when it last wrote to /run/doctor.
doctor_says()
{
    grep -q "\"id\" : \"$1\"" /run/doctor
}

case_full_client_doctor_knows_what_the_daemon_may_do()
{
    local word
    iommuctl doctor --json >/run/doctor || true
    for word in no-daemon not-enabled missing-capability read-only frozen; do
        not doctor_says "$word"
    done
    change_unit 'CapabilityBoundingSet=~CAP_SYS_RAWIO' 'ReadWritePaths=' \
        'ReadWritePaths=-+/sys/kernel/iommu_groups -+/sys/devices'
    systemctl restart iommu-policyd.service
    iommuctl doctor >/run/doctor || true
    grep -q 'iommu-policyd runs without CAP_SYS_RAWIO$' /run/doctor
    is 'what it cannot write to' "$(grep -o 'cannot write to .*' /run/doctor)" 'cannot write to /sys/bus'
    # It is enabled again for the next case.
    systemctl disable --quiet --now iommu-policyd.service
    iommuctl doctor --json >/run/doctor || true
    doctor_says not-enabled
    doctor_says no-daemon
}

case_full_client_generates_rules_that_hold()
{
    switch "$free" identity
    iommuctl rules generate "$free" >"$rules/50-generated.conf"
    is 'what reload says' "$(iommuctl reload)" ''
    is_settled "$free" identity
    iommuctl why "$free" | grep -q '50-generated.conf'
    iommuctl list --tree | grep "$free" | grep -q identity
}
