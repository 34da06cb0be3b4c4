#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The main job, shown step by step on a running machine with real NVMe drives (emulated) and a real IOMMU
# (emulated VT-d). Each step verifies what it shows; the first that does not hold ends the script with status
# 1.

set -uo pipefail
cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/vm/guest/lib.sh
. ./lib.sh

steps=9
number=0
started=

now_ms()
{
    echo $(( ${EPOCHREALTIME/./} / 1000 ))
}

end_step()
{
    local ms
    [[ -n $started ]] || return 0
    ms=$(( $(now_ms) - started ))
    printf '   (%d.%d s)\n' $((ms / 1000)) $((ms % 1000 / 100))
}

step()
{
    end_step
    started=$(now_ms)
    number=$((number + 1))
    printf '\n== %d/%d  %s\n' "$number" "$steps" "$*"
}

note()
{
    printf '   %s\n' "$*"
}

# show COMMAND…: prints the command as one would type it, its output and, if not 0, its exit status.
show()
{
    if [[ $1 == as_user ]]; then
        printf '   tester$ %s\n' "${*:3}"
    else
        printf '   root# %s\n' "$*"
    fi
    "$@" 2>&1 | sed 's/^/   /'
    shown_status=${PIPESTATUS[0]}
    (( shown_status == 0 )) || printf '   [exit status %d]\n' "$shown_status"
    return "$shown_status"
}

fail()
{
    end_step
    printf '\nFAILED in step %d: %s\n' "$number" "$*"
    exit 1
}

# expect WHAT IS SHOULD
expect()
{
    [[ $2 == "$3" ]] || fail "$1 is \"$2\", it should be \"$3\""
    note "verified: $1 is $3"
}

# show_rule FILE: writes standard input to it, and shows it.
show_rule()
{
    mkdir -p "$(dirname "$1")"
    cat >"$1" || fail "$1 could not be written"
    note "$1:"
    sed 's/^/   |  /' "$1"
}

# is_settled_as ADDRESS TYPE
is_settled_as()
{
    [[ $(type_of "$1") == "$2" && $(group_property "$1" State) == settled && -n $(driver_of "$1") ]]
}

checksum_on()
{
    local address=$1 sum
    mount -o ro "$(node_of "$address")" /mnt || fail "the file system on $address cannot be mounted"
    sum=$(sha256sum </mnt/data)
    umount /mnt
    echo "${sum%% *}"
}

io_errors()
{
    dmesg | grep -ciE 'I/O error|blk_update_request|nvme.*(timeout|reset)|EXT4-fs error|DMAR: .*fault'
}

# Writes to the file system at /srv without end, each block checked, and one line to standard output for
# each.
write_without_end()
{
    local n=0
    while :; do
        dd if=/dev/urandom of=/srv/written bs=256k count=4 conv=fsync status=none ||
            { echo "failed"; return; }
        echo "$((n += 1))"
    done
}

systemctl is-system-running --wait >/dev/null
free=$(address_of FREE) || fail "there is no NVMe drive with the serial number FREE"
mounted=$(address_of MOUNTED) || fail "there is no NVMe drive with the serial number MOUNTED"

# ------------------------------------------------------------------------------------------------
step 'The service starts; freshly installed and without a rule it changes nothing'
before=$(cat /sys/kernel/iommu_groups/*/type)
show systemctl enable --now iommu-policyd.service || fail 'the service did not start'
expect 'iommu-policyd.service' "$(systemctl is-active iommu-policyd.service)" active
[[ $(cat /sys/kernel/iommu_groups/*/type) == "$before" ]] || fail 'a type changed without a rule'
note 'verified: every group has the type it had'

# ------------------------------------------------------------------------------------------------
step 'The IOMMU groups of this machine, with type and drivers'
show iommuctl list || fail 'iommuctl list failed'
listing=$(iommuctl list)
for address in "$free" "$mounted"; do
    grep -F "$address" <<<"$listing" | grep -wF "$(type_of "$address")" | grep -qwF nvme ||
        fail "the listing does not show $address with its type and the driver nvme"
done
note "verified: both NVMe drives are listed with type $(type_of "$free") and driver nvme"

# ------------------------------------------------------------------------------------------------
step 'A rule switches the free drive to identity; the file on it stays'
for address in "$free" "$mounted"; do
    mkfs.ext4 -q "$(node_of "$address")" || fail "no file system could be made on $address"
done
mount "$(node_of "$free")" /mnt || fail 'the free drive cannot be mounted'
head -c 16M /dev/urandom >/mnt/data
umount /mnt
sum=$(checksum_on "$free")
note "a file of 16 MiB on the free drive ($free), sha256 $sum"
mount "$(node_of "$mounted")" /srv || fail 'the second drive cannot be mounted'
note "the other drive ($mounted) is mounted at /srv and stays so"
show_rule "$rules/30-data.conf" <<'RULE'
[Match]
Class=nvme
[Policy]
Type=identity
Unbind=idle
Accept=signature
RULE
show iommuctl reload || fail 'the rule was not taken'
note 'a rule may only unbind a drive that has shown no sign of use for 10 s (SettleSec=): waiting for that'
wait_until 60 is_settled_as "$free" identity ||
    { show iommuctl why "$free"; fail 'the rule was not applied'; }
show iommuctl why "$free"
expect "the type of $free" "$(type_of "$free")" identity
expect "the driver of $free" "$(driver_of "$free")" nvme
expect 'the sha256 of the file' "$(checksum_on "$free")" "$sum"

# ------------------------------------------------------------------------------------------------
step 'And back to DMA, by a call that names what it accepts'
signature=$(finding_ids "$free" | grep '^signature:') ||
    fail 'the file system on the free drive is not a finding'
show iommuctl set "$free" DMA --allow "$signature" || fail 'the call failed'
expect "the type of $free" "$(type_of "$free")" DMA
expect "the driver of $free" "$(driver_of "$free")" nvme
expect 'the sha256 of the file' "$(checksum_on "$free")" "$sum"

# ------------------------------------------------------------------------------------------------
step 'The drive that is mounted is refused'
show iommuctl set "$mounted" identity >/tmp/refusal
refused=$?
cat /tmp/refusal
expect 'the exit status (3: in use)' "$refused" 3
node=$(node_of "$mounted")
for word in "mount:/srv@${node##*/}" /srv; do
    grep -qF "$word" /tmp/refusal || fail "the refusal does not name $word"
done
note "verified: it names the finding mount:/srv@${node##*/} and the path /srv"
expect "the type of $mounted" "$(type_of "$mounted")" DMA
expect "the driver of $mounted" "$(driver_of "$mounted")" nvme
expect 'what the rule waits for' "$(group_property "$mounted" PendingReason)" in-use

# ------------------------------------------------------------------------------------------------
step 'Live: DMA to DMA-FQ on the mounted drive, while a writer runs'
errors=$(io_errors)
exec 7< <(write_without_end)
writer=$!
read -r -t 60 first <&7 || fail 'the writer did not start'
show iommuctl set "$mounted" DMA-FQ || fail 'the live switch failed'
expect "the type of $mounted" "$(type_of "$mounted")" DMA-FQ
# What the writer had finished before, and then one that it began after the switch.
while read -r -t 0 <&7; do read -r last <&7; done
for _ in 1 2; do read -r -t 60 last <&7 || fail 'the writer stopped'; done
kill "$writer"
exec 7<&-
[[ $last != failed ]] || fail 'a write failed'
sync /srv/written
note "verified: the writer went on (block $first before, block $last after)"
expect 'the count of new I/O errors in the kernel log' $(( $(io_errors) - errors )) 0
findmnt -n /srv >/dev/null || fail '/srv is not mounted any more'

# ------------------------------------------------------------------------------------------------
step 'A third drive is plugged in; the same rule governs it'
host_request plug || fail 'the host could not plug the drive in'
hot_is_there()
{
    hot=$(address_of HOT)
}
wait_until 60 hot_is_there || fail 'the drive did not appear'
note "the drive is there: $hot"
wait_until 60 is_settled_as "$hot" identity || { show iommuctl why "$hot"; fail 'the rule was not applied'; }
show iommuctl show "$hot"
expect "the type of $hot" "$(type_of "$hot")" identity
expect "the driver of $hot" "$(driver_of "$hot")" nvme

# ------------------------------------------------------------------------------------------------
step 'Who may ask: an unprivileged user is refused, root is not, and polkit rules decide about single devices'
# Without it busctl would start an agent that asks for root's password.
call=(busctl --allow-interactive-authorization=no --timeout=120 call "$bus_name" "$(group_path "$hot")" \
    "$bus_name.Group" SetType 'sa{sv}')
note 'as the user "tester", who has no session:'
show as_user 1000 "${call[@]}" DMA 0 && fail 'an unprivileged user changed the type'
expect "the type of $hot" "$(type_of "$hot")" identity
note 'the same call as root:'
show "${call[@]}" DMA 0 || fail 'root was refused'
expect "the type of $hot" "$(type_of "$hot")" DMA
note 'now a polkit rule names that device for that user:'
show_rule /etc/polkit-1/rules.d/50-tester.rules <<RULE
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.iommupolicy1.") == 0 && subject.user == "tester" &&
        action.lookup("devices") == "$hot")
        return polkit.Result.YES;
});
RULE
systemctl restart polkit.service || fail 'polkit did not start'
show as_user 1000 "${call[@]}" identity 0 ||
    fail 'the user was refused although the polkit rule names the device'
expect "the type of $hot" "$(type_of "$hot")" identity
expect "the driver of $hot" "$(driver_of "$hot")" nvme
note 'another device is still refused to that user:'
as_user 1000 busctl --allow-interactive-authorization=no call "$bus_name" "$(group_path "$free")" \
    "$bus_name.Group" SetType 'sa{sv}' identity 0 2>&1 |
    sed 's/^/   /'
expect "the type of $free" "$(type_of "$free")" DMA

# ------------------------------------------------------------------------------------------------
step 'A broken rule file is reported with its line, and the old rules stay'
show_rule "$rules/40-broken.conf" <<'RULE'
[Match]
Class=network
[Policy]
Typ=DMA
RULE
show iommuctl reload >/tmp/reload && fail 'the reload accepted a broken file'
cat /tmp/reload
grep -q '40-broken\.conf:4:' /tmp/reload || fail 'the report does not name the file and its line 4'
note 'verified: the report names 40-broken.conf and line 4'
expect 'the state of the daemon (it does not relax or unbind now)' "$(manager_property State)" frozen
grep -q "30-data.conf" <<<"$(iommuctl why "$hot")" || fail 'the old rule does not count any more'
note 'verified: 30-data.conf is still in force'
rm "$rules/40-broken.conf"
show iommuctl reload || fail 'the reload without the broken file failed'
expect 'the state of the daemon' "$(manager_property State)" running
end_step

printf '\nAll %d steps hold.\n' "$steps"
