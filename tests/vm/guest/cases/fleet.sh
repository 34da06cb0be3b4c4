# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# The units that docs/fleet.md shows, as somebody would copy them from the installed page.

# write_units PAGE: those of its blocks whose first line is their place.
write_units()
{
    awk '/^# \/etc\/systemd\/system\// { unit = $2 }
         /^```$/ { unit = "" }
         unit { print >unit }' "$1"
    systemctl daemon-reload
}

case_full_fleet_units_run_in_their_sandbox()
{
    local figures=/var/lib/prometheus/node-exporter labels=/etc/kubernetes/node-feature-discovery/features.d
    at_end systemctl daemon-reload
    at_end rm -rf /etc/systemd/system/iommu-policy-{figures,labels}.{service,timer} "$figures" "$labels"
    mkdir -p "$figures"
    write_units /usr/share/doc/iommu-policy/docs/fleet.md
    systemctl start iommu-policy-figures.timer iommu-policy-labels.timer
    at_end systemctl stop iommu-policy-figures.timer iommu-policy-labels.timer
    systemctl start iommu-policy-figures.service iommu-policy-labels.service
    is 'the figures' "$(cat "$figures/iommu-policy.prom")" "$(iommuctl export --prometheus)"
    is 'the labels' "$(cat "$labels/iommu-policy")" "$(iommuctl export --nfd)"

    systemctl disable --quiet --now iommu-policyd.service
    systemctl start iommu-policy-figures.service iommu-policy-labels.service
    is 'the figures' "$(grep -v '^#' "$figures/iommu-policy.prom")" 'iommu_policy_up 0'
    is 'what is left of the labels' "$(ls -A "$labels")" ''
}
