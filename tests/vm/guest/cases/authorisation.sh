# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who may do what, with the real polkitd.

# Every method that changes something, by a user without a session.
all_mutating_methods_are_denied()
{
    local uid=$1 before
    before=$(cat /sys/kernel/iommu_groups/*/type)
    # gdbus has to be run as the user, which no function can be.
    denied as_user "$uid" gdbus call --system --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" identity '{}'
    denied as_user "$uid" gdbus call --system --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" DMA "{'persist': <true>}"
    denied as_user "$uid" gdbus call --system --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.Inhibit" me because
    denied as_user "$uid" gdbus call --system --dest "$bus_name" --object-path "$manager_path" \
        --method "$bus_name.Manager.Apply"
    denied as_user "$uid" gdbus call --system --dest "$bus_name" --object-path "$manager_path" \
        --method "$bus_name.Manager.Reload"
    is 'the list of all types' "$(cat /sys/kernel/iommu_groups/*/type)" "$before"
    [[ -z $(ls "$rules") ]] || fail "a rule file was written: $(ls "$rules")"
}

case_authorisation_nobody_changes_nothing()
{
    all_mutating_methods_are_denied 65534
}

case_authorisation_user_without_session_changes_nothing()
{
    all_mutating_methods_are_denied 1000
}

case_authorisation_reading_is_free()
{
    local method
    for method in GetFindings Explain Refresh; do
        as_user 65534 gdbus call --system --dest "$bus_name" --object-path "$(group_path "$free")" \
            --method "$bus_name.Group.$method"
    done
    as_user 65534 gdbus call --system --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.Plan" identity '{}' | grep -q disruptive
    as_user 65534 gdbus call --system --dest "$bus_name" --object-path "$manager_path" \
        --method "$bus_name.Manager.ListGroups" >/dev/null
}

case_authorisation_nothing_to_do_asks_nothing()
{
    as_user 65534 gdbus call --system --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" DMA-FQ '{}'
}

# What a call has asked for lasts; to drop it is a change of the wanted type.
case_authorisation_dropping_a_call_of_others()
{
    local uid
    printf '[Match]\nClass=nvme\n[Policy]\nType=DMA-FQ\n' >"$rules/50-lazy.conf"
    iommuctl reload
    switch "$free" DMA
    for uid in 65534 1000; do
        denied as_user "$uid" gdbus call --system --dest "$bus_name" --object-path "$(group_path "$free")" \
            --method "$bus_name.Group.SetType" '' '{}'
    done
    is 'the type' "$(type_of "$free")" DMA
    [[ $(group_property "$free" WantedBy) == call:* ]] || fail "WantedBy is $(group_property "$free" WantedBy)"
}

case_authorisation_without_polkit_only_root()
{
    systemctl mask --quiet --runtime --now polkit.service
    trap 'systemctl unmask --quiet --runtime polkit.service; end_helpers' EXIT
    denied as_user 1000 gdbus call --system --timeout 60 --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" identity '{}'
    switch "$free" identity
    is 'the type' "$(type_of "$free")" identity
}

case_authorisation_polkit_rule_for_one_action()
{
    cat >/etc/polkit-1/rules.d/50-test.rules <<'RULE'
polkit.addRule(function(action, subject) {
    if (action.id == "org.iommupolicy1.tighten-disruptive" && subject.user == "tester")
        return polkit.Result.YES;
});
RULE
    systemctl restart polkit.service
    as_user 1000 gdbus call --system --timeout 60 --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" DMA '{}'
    is 'the type after the tightening' "$(type_of "$free")" DMA
    # The way back relaxes: another action, which the rule does not name.
    denied as_user 1000 gdbus call --system --timeout 60 --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" identity '{}'
    is 'the type after the refusal' "$(type_of "$free")" DMA
}

case_authorisation_exit_status_of_the_client()
{
    local status=0
    as_user 1000 iommuctl --no-ask-password set "$free" identity || status=$?
    is 'the exit status (4: not authorised)' "$status" 4
    status=0
    iommuctl set "$free" dma || status=$?
    [[ $status != 0 ]] || fail 'the type "dma" was accepted'
    is 'the type' "$(type_of "$free")" DMA-FQ
}
