#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Run by tests/vm/packages in both boots of a machine that the project is not installed in: its packages are
# installed, what the README says of a host is done as it is printed, and after the next boot the packages
# are upgraded, removed and purged. Says "ok STEP" for each step, as cases.sh does for cases.

set -Eeuo pipefail
cd "$(dirname "$0")"
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh
# shellcheck source=tests/vm/guest/case-lib.sh
. ./case-lib.sh
# shellcheck source=tests/vm/guest/moments.sh
. ./moments.sh
# shellcheck source=tests/vm/guest/cases/stuck.sh
. ./cases/stuck.sh

kept=/var/lib/iommu-policy-test
readme=/usr/share/doc/iommu-policy/README.md
first_rule=$rules/30-nvme-lazy.conf
passed=0

report_failure()
{
    echo "FAIL packages line $1: $2"
    [[ ! -s /run/said ]] || tail -n 40 /run/said
    echo "$passed passed, 1 failed"
}
trap 'report_failure "$LINENO" "$BASH_COMMAND"' ERR

ok()
{
    passed=$((passed + 1))
    echo "ok packages_$1"
}

# fail is the end, which no trap sees.
fail()
{
    report_failure "${BASH_LINENO[0]}" "$*"
    exit 1
}

# apt WORD…, as apt-get is called by people, but that nobody is there to say yes.
apt()
{
    apt-get --assume-yes "$@" >/run/said 2>&1
    : >/run/said
}

# --- what a package leaves

# Every file of the machine but what each use of dpkg and apt and each boot writes; of what is in /etc, the
# content, too.
list_files()
{
    local folder ignored=(-false)
    for folder in /root /tmp /srv /mnt /var/tmp /var/log /var/cache /var/lib/{apt,dpkg} \
        /var/lib/systemd/{catalog,timers} /usr/lib/iommu-policy-test "$kept"; do
        ignored+=(-o -path "$folder")
    done
    find / -xdev \( "${ignored[@]}" \) -prune -o -printf '%y %p %l\n' || true
    find /etc -type f -exec sha256sum {} +
    find /run -name '*iommu*' ! -name 'iommu-policy-test*' -printf '%y %p\n'
}

# A folder that other packages have, too, is none of ours, even if it was missing: the image has no manuals.
is_owned()
{
    [[ $1 == 'd '* ]] && dpkg-query --search "$(cut -d ' ' -f 2 <<<"$1")" >/dev/null 2>&1
}

nothing_is_left()
{
    local line left=()
    while read -r line; do
        is_owned "$line" || left+=("$line")
    done < <(list_files | sort | comm -13 "$kept/files" -)
    (( ${#left[@]} == 0 )) || fail "left over: ${left[*]}"
    line=$(list_files | sort | comm -23 "$kept/files" -)
    [[ -z $line ]] || fail "missing: $line"
    is 'what dpkg knows' "$({ dpkg-query --show '*iommu-policy*' 2>/dev/null || true; } | awk 'NF > 1')" ''
}

# --- the README

# The commands that a section of the README prints, without the remarks behind them; the address of its
# examples is the free drive's.
commands_of()
{
    awk -v title="## $1" '
        /^## / { is_meant = $0 == title }
        is_meant && /^    / { print substr($0, 5) }' "$readme" |
        sed -E -e 's/ +# .*//' -e "s/0000:3b:00\\.0/$free/g"
}

# follow SECTION [SKIPPED], a pattern of commands that cannot be tried here: each ends well, with what it
# prints on the console.
follow()
{
    local command count=0
    while read -r command; do
        echo "   root# $command"
        bash -c "$command" </dev/null >/run/said 2>&1
        sed 's/^/   /' /run/said
        count=$((count + 1))
    done < <(commands_of "$1" | grep -vE "${2:-^$}")
    (( count > 0 )) || fail "the README has no command for \"$1\""
    : >/run/said
}

# The first file that the README shows.
write_first_rule()
{
    local text
    text=$(awk '/^```ini$/ { is_meant = 1; next } /^```$/ { exit } is_meant' "$readme")
    is 'the name of the first rule' "$(head -n 1 <<<"$text")" "# $first_rule"
    echo "$text" >"$first_rule"
}

# --- the first boot

install_them()
{
    local before
    mkdir -p "$kept"
    before=$(cat /sys/kernel/iommu_groups/*/type)
    list_files | sort >"$kept/files"
    apt install /root/*.deb
    is 'the service' "$(systemctl is-active iommu-policyd.service)" active
    is 'the service at boot' "$(systemctl is-enabled iommu-policyd.service)" enabled
    is 'the early pass at boot' "$(systemctl is-enabled iommu-policy-early.service)" enabled
    is 'the early pass' "$(systemctl is-active iommu-policy-early.service || true)" inactive
    is 'the list of all types' "$(cat /sys/kernel/iommu_groups/*/type)" "$before"
    is 'the rules' "$(ls -A "$rules")" ''
    grep -q 'trigproc initramfs-tools' /var/log/dpkg.log || fail 'the initramfs was not asked for'
    grep -q 'IOMMU' <(journalctl --list-catalog) || fail 'the catalog does not know the messages'
    ok installed_it_runs_and_changes_nothing

    sh /root/service >/run/said 2>&1
    is 'the list of all types' "$(cat /sys/kernel/iommu_groups/*/type)" "$before"
    sh /root/page >/run/said 2>&1
    ok the_tests_of_the_installed_packages
}

walk_through()
{
    mkfs.ext4 -q "$(node_of "$mounted")"
    mount "$(node_of "$mounted")" /srv
    is 'the type at first' "$(type_of "$free")" DMA
    # How it came here is done already.
    follow 'Install it on a host' '^(\./quickstart|apt-get|dpkg-buildpackage)'
    is 'the type that the README asks for' "$(type_of "$free")" DMA-FQ
    write_first_rule
    follow 'A first rule'
    wait_until 60 is_settled "$mounted" DMA-FQ
    findmnt /srv >/dev/null
    ok the_readme_works_as_printed
}

# --- the second boot

after_the_boot()
{
    follow 'At boot'
    grep -q '^outcome=set$' /run/iommu-policy/early/host
    wait_until 60 is_settled "$free" DMA-FQ
    ok at_boot_as_the_readme_says
}

version_is()
{
    is 'the version' "$(dpkg-query --show --showformat '${Version}' iommu-policy)" "$1"
    is 'the service' "$(systemctl is-active iommu-policyd.service)" active
}

is_at_the_unbind()
{
    [[ $(group_property "$share" Step) == "unbind $share" ]]
}

# A change to the other type that hangs in the unbind, until let_go.
begin_held_change()
{
    hold_share
    wanted=$(other_type "$share")
    group_call "$share" SetType "$wanted" "$(allow_all "$share")" >/run/held 2>&1 &
    held=$!
    wait_until 30 is_at_the_unbind
}

upgrade_with_a_change_that_hangs()
{
    local pid
    pid=$(daemon_pid)
    begin_held_change
    apt install /root/next/*.deb
    version_is "$(dpkg-deb --field /root/next/iommu-policy_*.deb Version)"
    (( $(daemon_pid) != pid )) || fail 'the daemon is still that of the old version'
    wait "$held" || true
    wait_until 30 is_at_the_unbind || fail "the new daemon does not know of it: $(iommuctl show "$share")"
    let_go
    wait_until 60 ends_well
    is 'the type' "$(type_of "$share")" "$wanted"
    ok upgraded_while_a_change_hangs
}

# One change after the other, until /run/enough is there.
change_without_end()
{
    local type count=0
    while [[ ! -e /run/enough ]]; do
        for type in identity DMA; do
            ! switch "$free" "$type" >/dev/null 2>&1 || count=$((count + 1))
        done
    done
    echo "$count" >/run/count
}

upgrade_while_changes_go_on()
{
    local sum pid worker
    sum=$(fill_drive "$free")
    change_without_end &
    worker=$!
    for folder in /root /root/next; do
        pid=$(daemon_pid)
        apt --allow-downgrades install "$folder"/*.deb
        (( $(daemon_pid) != pid )) || fail 'the daemon was not started again'
    done
    touch /run/enough
    wait "$worker"
    wait_until 60 all_is_whole
    is 'the data' "$(drive_checksum "$free")" "$sum"
    (( $(</run/count) > 0 )) || fail 'no change was made meanwhile'
    echo "figure: $(</run/count) changes while the packages were replaced twice, no drive without its driver"
    switch "$free" '' >/dev/null
    ok upgraded_while_changes_go_on
}

# A name may be left to systemd, by the links that a purge removes.
none_is_active()
{
    local states=active,activating,deactivating,failed
    [[ -z $(systemctl list-units --plain --no-legend --state "$states" 'iommu-policy*' |
        { grep -v iommu-policy-test || true; }) ]]
}

remove_them()
{
    local types
    iommuctl set "$free" DMA --persist >/dev/null
    types=$(cat /sys/kernel/iommu_groups/*/type)
    apt remove '*iommu-policy*'
    is 'the list of all types' "$(cat /sys/kernel/iommu_groups/*/type)" "$types"
    all_is_whole
    not pgrep iommu-policyd
    none_is_active || fail "units: $(systemctl list-units --all 'iommu-policy*')"
    not busctl status "$bus_name" 2>/dev/null
    for file in /etc/iommu-policy/daemon.conf "$first_rule" "$rules/05-call-pci-$free.conf"; do
        [[ -f $file ]] || fail "$file is gone"
    done
    [[ ! -e /usr/lib/iommu-policy && ! -e /usr/bin/iommuctl && ! -e /usr/share/cockpit/iommu-policy ]]
    ok removed_the_configuration_stays

    apt install /root/*.deb
    is 'the service' "$(systemctl is-active iommu-policyd.service)" active
    wait_until 60 is_settled "$free" DMA
    grep -qF "05-call-pci-$free.conf" <(iommuctl why "$free")
    ok installed_again_the_rules_are_in_force
}

purge_them()
{
    apt purge '*iommu-policy*'
    all_is_whole
    is 'the rules' "$(ls -A "$rules")" "$(basename "$first_rule")"
    # The administrator's own.
    rm -r "$rules"
    nothing_is_left
    ok purged_nothing_is_left
}

# What the process that does the change still needs must not go: the package stays, and the service with it.
remove_with_a_change_that_hangs()
{
    begin_held_change
    if apt-get --assume-yes purge '*iommu-policy*' >/run/said 2>&1; then
        fail 'the package was removed'
    fi
    grep -qF 'a device is being changed' /run/said
    : >/run/said
    wait "$held" || true
    is 'the service' "$(systemctl is-active iommu-policyd.service)" active
    wait_until 30 is_at_the_unbind
    let_go
    wait_until 60 ends_well
    is 'the type' "$(type_of "$share")" "$wanted"
    # The packages without the daemon had gone before.
    apt --allow-downgrades install /root/*.deb
    ok not_removed_while_a_change_hangs
}

systemctl is-system-running --wait >/dev/null || true
find_drives
if [[ ! -e $kept ]]; then
    install_them
    walk_through
    echo "$passed" >"$kept/passed"
    echo '==> booting again'
    systemctl reboot
    exec sleep infinity
fi
passed=$(<"$kept/passed")
after_the_boot
upgrade_with_a_change_that_hangs
upgrade_while_changes_go_on
remove_with_a_change_that_hangs
remove_them
purge_them
echo "$passed passed, 0 failed"
