# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine: initramfs
# as booted
#
# The drive with the root file system, set by the rule of cases.conf before its driver was there.

note=/run/iommu-policy/early/initramfs
rule=/etc/iommu-policy.d/10-cases.conf
program=/usr/lib/iommu-policy/iommu-policy-early

# note_of STAGE ADDRESS KEY: what the early pass says of the group of this device.
note_of()
{
    awk -F = -v name="$2" -v key="$3" '
        $1 == "group" { split("", group) }
        { group[$1] = substr($0, length($1) + 2) }
        $1 == "name" && $2 == name { print group[key]; exit }' "/run/iommu-policy/early/$1"
}

all_drives()
{
    local controller
    for controller in /sys/class/nvme/nvme*; do
        cat "$controller/address"
    done
}

# A disk that comes anew has the next number: one that had ever been taken from its driver leaves a gap.
no_disk_came_twice()
{
    local numbers
    numbers=$(cat /sys/block/*/diskseq | sort -n)
    is 'the numbers of all disks' "$(paste -sd ' ' <<<"$numbers")" "$(seq -s ' ' "$(wc -l <<<"$numbers")")"
}

# Each drive has met its driver once; no journal tells of a change, nor is one recorded.
nothing_was_unbound()
{
    local address
    while read -r address; do
        is "the driver of $address" "$(driver_of "$address")" nvme
        is "how often it met $address" \
            "$(journalctl --boot --dmesg --grep "nvme nvme[0-9]+: pci function $address" \
            --quiet --output cat | wc -l)" 1
    done < <(all_drives)
    no_disk_came_twice
    journalctl --sync
    is 'what the journal says of changes' \
        "$(journalctl --boot --quiet MESSAGE_ID=53dd8aaadb1a4f418abc56636b4705a8 \
        + MESSAGE_ID=448d34afb55942308d4dc6322359854e)" ''
    is 'the records of changes' "$(find /run/iommu-policy/change -type f ! -name '*.lock' \
        2>/dev/null || true)" ''
}

# The kernel's time, in µs since it started, of the line that says that the driver has a drive.
driver_came()
{
    journalctl --boot --dmesg --output json --grep "nvme nvme[0-9]+: pci function $1" |
        sed -E 's/.*"_SOURCE_MONOTONIC_TIMESTAMP":"([0-9]+)".*/\1/'
}

case_root_drive_is_set_in_the_initramfs()
{
    local root begin end
    root=$(address_of ROOT)
    is 'the disk of the root file system' "$(findmnt -no SOURCE /)" "$(node_of "$root")"
    is 'its type' "$(type_of "$root")" identity
    is 'what the initramfs did' "$(note_of initramfs "$root" outcome)" set
    is 'from' "$(note_of initramfs "$root" from)" DMA-FQ
    is 'by' "$(note_of initramfs "$root" wanted-by)" "$rule:7"
    is 'what the host did' "$(note_of host "$root" outcome)" already
    begin=$(sed -n 's/^begin-usec=//p' "$note") end=$(sed -n 's/^end-usec=//p' "$note")
    (( end < $(driver_came "$root") )) ||
        fail "the driver came before the pass had ended, $end µs after the kernel"
    echo "figure: the pass took $((end - begin)) µs, $((begin / 1000)) ms after the kernel; the driver came at" \
        "$(($(driver_came "$root") / 1000)) ms"
}

case_all_drives_are_set_and_no_other()
{
    local address
    is 'the number of drives' "$(all_drives | wc -l)" 3
    while read -r address; do
        is "the type of $address" "$(type_of "$address")" identity
        is "what the initramfs did with $address" "$(note_of initramfs "$address" outcome)" set
    done < <(all_drives)
    is "the type of $nic" "$(type_of "$nic")" DMA-FQ
    is "what the initramfs did with $nic" "$(note_of initramfs "$nic" outcome)" ''
}

case_nothing_was_unbound_at_boot()
{
    nothing_was_unbound
}

# The rules of the image are those of the host: the same sum.
case_image_has_the_rules_of_the_host()
{
    is 'the sum of the rules of the image' "$(sed -n 's/^digest=//p' "$note")" "$("$program" --digest)"
    is 'frozen' "$(sed -n 's/^frozen=//p' "$note")" no
    is 'the note belongs to root alone' \
        "$(stat -c '%a %U' "$note" /run/iommu-policy/early | paste -sd ' ')" \
        '600 root 700 root'
}

case_daemon_finds_nothing_to_do()
{
    local root
    root=$(address_of ROOT)
    systemctl start iommu-policyd.service
    wait_until 60 is_settled "$root" identity
    is 'what is wanted' "$(group_property "$root" WantedType)" identity
    nothing_was_unbound
}

# What the cases above rely on: were a driver unbound, it would show. The last case, as it does it.
case_unbinding_would_have_been_seen()
{
    (nothing_was_unbound) || fail 'it was, before this case'
    switch_by_hand "$free" DMA-FQ
    wait_until 60 has_node "$free"
    if (no_disk_came_twice); then fail 'the numbers of the disks do not tell'; fi
    if (nothing_was_unbound); then fail 'the log of the kernel does not tell'; fi
}
