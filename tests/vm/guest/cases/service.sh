# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# The service under the real systemd, and what it shows on the bus.

case_service_writes_nothing_without_a_rule()
{
    local before
    systemctl stop iommu-policyd.service
    before=$(cat /sys/kernel/iommu_groups/*/type)
    systemctl start iommu-policyd.service
    is 'the list of all types' "$(cat /sys/kernel/iommu_groups/*/type)" "$before"
    is 'State' "$(manager_property State)" running
}

case_service_sandboxed_type_write()
{
    local pid
    pid=$(daemon_pid)
    grep -q '^NoNewPrivs:[[:space:]]*1$' "/proc/$pid/status"
    grep -q '^Seccomp:[[:space:]]*2$' "/proc/$pid/status"
    grep '^CapBnd:' "/proc/$pid/status" | grep -qv 1ffffffffff
    switch "$free" identity
    is 'the type' "$(type_of "$free")" identity
    is 'the driver' "$(driver_of "$free")" nvme
}

case_full_service_is_started_by_nobody_when_disabled()
{
    systemctl disable --quiet --now iommu-policyd.service
    not busctl --timeout=20 call "$bus_name" "$manager_path" "$bus_name.Manager" ListGroups
    not systemctl is-active --quiet iommu-policyd.service
}

case_full_service_is_started_by_a_call_when_enabled()
{
    systemctl stop iommu-policyd.service
    manager_call ListGroups >/dev/null
    is 'the unit' "$(systemctl is-active iommu-policyd.service)" active
}

# "interface kind name signature" of a file or of what the daemon answers, sorted.
interface_members()
{
    awk '
        function attribute(name,    text) {
            if (!match($0, "[ \t]" name "=\"[^\"]*\"")) return ""
            text = substr($0, RSTART, RLENGTH); sub(/^[^"]*"/, "", text); sub(/"$/, "", text)
            return text
        }
        function flush() { if (member != "") print member " (" in_types ") (" out_types ")"; member = "" }
        /<!--/ { comment = 1 }
        comment { if (/-->/) comment = 0; next }
        /<interface / { interface = attribute("name") }
        /<(method|signal) / {
            flush(); in_types = out_types = ""
            member = interface (/<method/ ? " method " : " signal ") attribute("name")
            if (/\/>/) flush()
        }
        /<arg / {
            if (attribute("direction") == "out") out_types = out_types attribute("type")
            else in_types = in_types attribute("type")
        }
        /<property / {
            flush()
            print interface " property " attribute("name") " " attribute("type") " " attribute("access")
        }
        /<\/(method|signal|interface)>/ { flush() }
    ' "$@" | grep "^$bus_name\." | sort
}

case_full_service_introspection_is_as_documented()
{
    local documented shown
    documented=$(interface_members /usr/share/dbus-1/interfaces/org.iommupolicy1.xml)
    shown=$({
        busctl introspect --xml-interface "$bus_name" "$manager_path"
        busctl introspect --xml-interface "$bus_name" "$(group_path "$free")"
        busctl introspect --xml-interface "$bus_name" "$manager_path/device/pci/_30000_3a00_3a04_2e0"
    } | sed "s,><,>\n<,g" | interface_members)
    (( $(wc -l <<<"$documented") > 40 )) ||
        fail "only $(wc -l <<<"$documented") documented members were found"
    diff <(echo "$documented") <(echo "$shown") || fail 'the bus shows other members than the documentation'
}

case_full_service_restart_keeps_the_type_of_a_call()
{
    switch "$free" DMA
    printf '[Match]\nClass=nvme\n[Policy]\nType=identity\nUnbind=idle\n' >"$rules/50-idle.conf"
    systemctl restart iommu-policyd.service
    # The other drive is what the rule does when no call stands against it.
    wait_until 60 is_settled "$mounted" identity
    is 'the type that the call asked for' "$(type_of "$free")" DMA
    [[ $(group_property "$free" WantedBy) == call:* ]] ||
        fail "WantedBy is $(group_property "$free" WantedBy)"
    switch "$free" ''
    wait_until 60 is_settled "$free" identity
}

# The daemon does not see /boot: what the kernel was built with is handed to it, where it is known.
case_full_service_knows_what_the_kernel_was_built_with()
{
    local config told
    config=/boot/config-$(uname -r)
    is 'BootDefaultType' "$(manager_property BootDefaultType)" "$(type_of "$free")"
    mv "$config" /root/
    systemctl restart iommu-policyd.service
    told=$(manager_property BootDefaultType)
    mv "/root/$(basename "$config")" "$config"
    is 'BootDefaultType without a configuration' "$told" ''
    systemctl restart iommu-policyd.service
}
