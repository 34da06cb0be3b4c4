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

case_full_authorisation_user_without_session_changes_nothing()
{
    all_mutating_methods_are_denied 1000
}

case_full_authorisation_reading_is_free()
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

case_full_authorisation_nothing_to_do_asks_nothing()
{
    as_user 65534 gdbus call --system --dest "$bus_name" --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" DMA-FQ '{}'
}

# What a call has asked for lasts; to drop it is a change of the wanted type.
case_full_authorisation_dropping_a_call_of_others()
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
    [[ $(group_property "$free" WantedBy) == call:* ]] ||
        fail "WantedBy is $(group_property "$free" WantedBy)"
}

case_full_authorisation_without_polkit_only_root()
{
    systemctl mask --quiet --runtime --now polkit.service
    trap 'systemctl unmask --quiet --runtime polkit.service; end_helpers' EXIT
    denied as_user 1000 gdbus call --system --timeout 60 --dest "$bus_name" \
        --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" identity '{}'
    switch "$free" identity
    is 'the type' "$(type_of "$free")" identity
}

case_full_authorisation_polkit_rule_for_one_action()
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
    denied as_user 1000 gdbus call --system --timeout 60 --dest "$bus_name" \
        --object-path "$(group_path "$free")" \
        --method "$bus_name.Group.SetType" identity '{}'
    is 'the type after the refusal' "$(type_of "$free")" DMA
}

case_full_authorisation_exit_status_of_the_client()
{
    local status=0
    as_user 1000 iommuctl --no-ask-password set "$free" identity || status=$?
    is 'the exit status (4: not authorised)' "$status" 4
    status=0
    iommuctl set "$free" dma || status=$?
    [[ $status != 0 ]] || fail 'the type "dma" was accepted'
    is 'the type' "$(type_of "$free")" DMA-FQ
}

# --- sessions, as pam_systemd and logind make them

# start_session UID TTY COMMAND…: a login on a virtual terminal, which waits for end_session and then runs
# COMMAND. Its number is in $session.
start_session()
{
    local uid=$1 tty=$2 base=/run/test-session-$2
    shift 2
    rm -f "$base".*
    mkfifo -m 666 "$base.ready" "$base.go"
    systemctl stop "test-session-$tty.service" 2>/dev/null || true
    printf '%q ' "$@" >"$base.command"
    # In the session's scope, not in the service's: pam_systemd moves what runs here.
    # shellcheck disable=SC2016
    systemd-run --quiet --collect --unit="test-session-$tty" -p User="$uid" -p PAMName=login \
        -p TTYPath="/dev/tty$tty" -p StandardInput=tty-force -p StandardOutput="file:$base.out" \
        -p StandardError="file:$base.out" bash -c '
            echo "$XDG_SESSION_ID" >"$0.ready"
            read -r _ <"$0.go"
            bash "$0.command"
            echo "status $?" >"$0.ready"' "$base"
    read -r -t 60 session <"$base.ready" || fail "no session for user $uid on tty$tty"
    [[ $session =~ ^c?[0-9]+$ ]] || fail "user $uid has no session on tty$tty, but \"$session\""
}

# end_session TTY: the exit status of its command; what it said is in $said.
end_session()
{
    local base=/run/test-session-$1 status
    echo >"$base.go"
    read -r -t 180 _ status <"$base.ready" || fail "the session on tty$1 does not end"
    said=$(<"$base.out")
    return "$status"
}

session_is_active()
{
    [[ $(loginctl show-session "$1" --property Active --value) == "$2" ]]
}

# activate SESSION: brings its terminal to the front, and waits until logind has seen it.
activate()
{
    local feed
    exec 7< <(exec stdbuf -oL gdbus monitor --system --dest org.freedesktop.login1)
    feed=$!
    read -r -t 60 _ <&7
    loginctl activate "$1"
    until session_is_active "$1" yes; do
        IFS= read -r -t 60 _ <&7 || break
    done
    kill "$feed"
    exec 7<&-
    session_is_active "$1" yes || fail "session $1 does not get active"
}

# user_call ADDRESS METHOD [ARGUMENT…] as words of a command, to be run as somebody else.
user_call()
{
    printf '%s\n' gdbus call --system --timeout 120 --dest "$bus_name" --object-path "$(group_path "$1")" \
        --method "$bus_name.Group.$2" "${@:3}"
}

# What the shipped actions leave to an administrator is given to whom polkit takes for active and local.
allow_active()
{
    cat >/etc/polkit-1/rules.d/50-test.rules <<'RULE'
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.iommupolicy1.") == 0 && subject.active && subject.local)
        return polkit.Result.YES;
});
RULE
    systemctl restart polkit.service
}

# The main cells of docs/authorisation.md with the real logind: one rule, four callers, each action.
case_authorisation_by_session()
{
    local front back call before
    # The bus lets nobody in whom nobody knows.
    id -u second >/dev/null 2>&1 || useradd --uid 1001 --user-group --create-home --shell /bin/bash second
    id -u third >/dev/null 2>&1 || useradd --uid 1002 --user-group --create-home --shell /bin/bash third
    allow_active
    before=$(type_of "$free")
    for type in DMA identity; do
        mapfile -t call < <(user_call "$free" SetType "$type" '{}')
        start_session 1000 7 "${call[@]}"
        front=$session
        start_session 1001 8 "${call[@]}"
        back=$session
        activate "$front"
        session_is_active "$back" no || fail 'two sessions are active'
        # In the background, without a session, nobody: refused, and nothing has changed.
        ! end_session 8 || fail "the session in the background may set $type: $said"
        grep -q 'InteractiveAuthorizationRequired' <<<"$said" ||
            fail "the session in the background got: $said"
        denied as_user 1002 "${call[@]}"
        denied as_user 65534 "${call[@]}"
        is 'the type before' "$(type_of "$free")" "$before"
        # In the front: done.
        end_session 7 || fail "the session in the front may not set $type: $said"
        is 'the type after' "$(type_of "$free")" "$type"
        before=$type
    done
}

case_full_authorisation_reload_by_session()
{
    local call=(gdbus call --system --timeout 120 --dest "$bus_name" --object-path "$manager_path"
                --method "$bus_name.Manager.Reload")
    allow_active
    start_session 1000 7 "${call[@]}"
    activate "$session"
    end_session 7 || fail "the session in the front may not reload: $said"
    denied as_user 65534 "${call[@]}"
}

# --- while polkit asks

# ask_in_between COMMAND: polkit's rule says yes, after COMMAND was run by root: facts change while it asks.
# What ends is in $said, its status is returned.
ask_in_between()
{
    local base=/run/test-between status=0 go
    rm -f "$base".*
    mkfifo -m 666 "$base.asked" "$base.go"
    # For both ways: perhaps nobody reads any more when it is written to.
    exec {go}<>"$base.go"
    cat >/etc/polkit-1/rules.d/50-test.rules <<RULE
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.iommupolicy1.") == 0) {
        polkit.spawn(["/bin/sh", "-c", "echo x >$base.asked; read x <$base.go"]);
        return polkit.Result.YES;
    }
});
RULE
    systemctl restart polkit.service
    mapfile -t call < <(user_call "$free" SetType "${asked_type-DMA}" \
        "{'allow': <@as $(allowed_findings "$free")>}")
    as_user 1000 "${call[@]}" >"$base.out" 2>&1 &
    read -r -t 60 _ <"$base.asked" || fail 'polkit does not ask'
    "$@"
    echo >&"$go"
    wait $! || status=$?
    exec {go}>&-
    said=$(<"$base.out")
    return "$status"
}

# The ids of all findings of a group as gdbus wants them.
allowed_findings()
{
    local id list=
    while read -r id; do
        list+="${list:+, }'$id'"
    done < <(finding_ids "$1")
    echo "[$list]"
}

must_be_refused()
{
    local error=$1
    shift
    ! ask_in_between "$@" || fail "a change of facts ($*) went unnoticed: $said"
    grep -q "GDBus.Error:org.iommupolicy1.Error.$error:" <<<"$said" || fail "expected $error, got: $said"
    is 'the driver' "$(driver_of "$free")" nvme
}

case_full_authorisation_yes_in_time()
{
    ask_in_between true || fail "$said"
    is 'the type' "$(type_of "$free")" DMA
}

case_full_authorisation_mount_before_the_yes()
{
    mkfs.ext4 -q "$(node_of "$free")"
    udevadm settle
    must_be_refused InUse mount "$(node_of "$free")" /mnt
    is 'the type' "$(type_of "$free")" DMA-FQ
    echo there >/mnt/file
    sync /mnt/file
    umount /mnt
}

case_full_authorisation_forbidden_before_the_yes()
{
    forbid()
    {
        printf '[Match]\nClass=nvme\n[Policy]\nForbid=identity\n' >"$rules/50-forbid.conf"
        manager_call Reload >/dev/null
    }
    asked_type=identity must_be_refused Forbidden forbid
    is 'the type' "$(type_of "$free")" DMA-FQ
}

case_full_authorisation_other_type_before_the_yes()
{
    must_be_refused DeviceChanged switch_by_hand "$free" identity
    is 'the type' "$(type_of "$free")" identity
}

case_full_authorisation_replug_before_the_yes()
{
    replug()
    {
        echo 1 >"/sys/bus/pci/devices/$free/remove"
        echo 1 >/sys/bus/pci/rescan
        udevadm settle --timeout 60
    }
    ! ask_in_between replug || fail "another device was switched: $said"
    grep -qE 'DeviceChanged|NoSuchGroup' <<<"$said" || fail "expected DeviceChanged, got: $said"
    is 'the type' "$(type_of "$free")" DMA-FQ
    is 'the driver' "$(driver_of "$free")" nvme
}

case_full_authorisation_polkit_dies_while_it_asks()
{
    ! ask_in_between systemctl kill --kill-whom=all --signal=KILL polkit.service ||
        fail "done without a yes: $said"
    grep -q 'AccessDenied' <<<"$said" || fail "expected AccessDenied, got: $said"
    is 'the type' "$(type_of "$free")" DMA-FQ
}
