# shellcheck shell=bash disable=SC2154,SC2034,SC2317
# SPDX-License-Identifier: LGPL-2.1-or-later
# The change itself: what it does to the device, and what the options of SetType mean.

case_change_keeps_the_data()
{
    local sum type
    sum=$(fill_drive "$free")
    for type in identity DMA DMA-FQ identity DMA-FQ DMA; do
        switch "$free" "$type"
        is 'the type' "$(type_of "$free")" "$type"
        is 'the driver' "$(driver_of "$free")" nvme
        is 'the data' "$(drive_checksum "$free")" "$sum"
    done
    all_is_whole
}

# udev is still probing the disk that came back, when the next change claims it.
case_full_change_follows_change_at_once()
{
    local sum type begin
    sum=$(fill_drive "$free")
    begin=$EPOCHREALTIME
    for type in identity DMA identity DMA-FQ identity; do
        switch "$free" "$type"
    done
    printf 'figure: five changes in a row in %d ms, calls included\n' \
        $(( (${EPOCHREALTIME/./} - ${begin/./}) / 1000 ))
    is 'the type' "$(type_of "$free")" identity
    is 'the data' "$(drive_checksum "$free")" "$sum"
    all_is_whole
}

# Both drives, the network card, and the two cards that share a group where the kernel switches such a group.
case_change_of_independent_groups_at_once()
{
    local address shared groups changes=() before=$EPOCHREALTIME
    shared=$(nic_with_driver e1000)
    groups=("$free" "$mounted" "$nic")
    [[ $(kernel_generation) == 6.1 ]] || groups+=("$shared")
    for address in "${groups[@]}"; do
        switch "$address" identity &
        changes+=($!)
    done
    for address in "${changes[@]}"; do
        wait "$address"
    done
    printf 'figure: %d groups at once in %d ms, calls included\n' ${#groups[@]} \
        $(( (${EPOCHREALTIME/./} - ${before/./}) / 1000 ))
    for address in "${groups[@]}"; do
        is "the type of $address" "$(type_of "$address")" identity
    done
    is 'the driver of the card' "$(driver_of "$nic")" e1000e
    is 'the driver of the other card' "$(driver_of "$shared")" e1000
    all_is_whole
    [[ $(type_of "$shared") == DMA-FQ ]] || switch "$shared" DMA-FQ
}

# The controller's directory is a new one after an unbind, and has another inode.
controller_inode()
{
    stat -c %i "/sys/bus/pci/devices/$1"/nvme/nvme*
}

case_change_live_unbinds_nothing()
{
    local inode
    switch "$free" DMA
    inode=$(controller_inode "$free")
    make_file_system "$free"
    mount "$(node_of "$free")" /mnt
    switch "$free" DMA-FQ
    is 'the type' "$(type_of "$free")" DMA-FQ
    is 'the controller' "$(controller_inode "$free")" "$inode"
    echo "written after the switch" >/mnt/file
    sync /mnt/file
    umount /mnt
}

case_full_change_to_the_same_type_touches_nothing()
{
    local inode
    inode=$(controller_inode "$free")
    switch "$free" DMA-FQ
    is 'the controller' "$(controller_inode "$free")" "$inode"
}

case_full_change_auto_is_the_choice_of_the_kernel()
{
    switch "$free" identity
    switch "$free" auto
    is 'the type' "$(type_of "$free")" DMA-FQ
    is 'the driver' "$(driver_of "$free")" nvme
}

case_full_change_of_a_device_without_a_driver()
{
    echo "$free" >/sys/bus/pci/drivers/nvme/unbind
    switch "$free" identity
    is 'the type' "$(type_of "$free")" identity
    is 'the driver' "$(driver_of "$free")" ''
}

case_full_change_without_disruption_is_refused()
{
    local inode
    inode=$(controller_inode "$free")
    refused DisruptionNotAllowed switch "$free" identity "{'unbind': <'never'>}"
    is 'the type' "$(type_of "$free")" DMA-FQ
    is 'the controller' "$(controller_inode "$free")" "$inode"
}

# Two network cards behind one conventional bridge share a group.
case_change_of_a_group_with_two_devices()
{
    local devices address
    devices=$(cd /sys/bus/pci/drivers/e1000 && echo 0000:*)
    is 'the count of cards' "$(wc -w <<<"$devices")" 2
    address=${devices%% *}
    if [[ $(kernel_generation) == 6.1 ]]; then
        # It says so before anybody is unbound.
        refused NotSupported switch "$address" identity
        for address in $devices; do
            is "the driver of $address" "$(driver_of "$address")" e1000
        done
        return
    fi
    switch "$address" identity
    is 'the type' "$(type_of "$address")" identity
    for address in $devices; do
        is "the driver of $address" "$(driver_of "$address")" e1000
        [[ -n $(interface_of "$address") ]]
    done
    switch "$address" DMA
    switch "$address" DMA-FQ "{'unbind': <'never'>}"
    is 'the type' "$(type_of "$address")" DMA-FQ
}

case_full_change_wrong_arguments_change_nothing()
{
    refused InvalidType switch "$free" dma
    refused InvalidType switch "$free" blocked
    refused InvalidArgs switch "$free" identity "{'force': <true>}"
    refused InvalidArgs switch "$free" identity "{'unbind': <true>}"
    refused InvalidArgs switch "$free" identity "{'unbind': <'always'>}"
    refused NoSuchGroup manager_call GetGroup 4711
    refused NoSuchDevice manager_call GetDevice 0000:ff:1f.7
    is 'the type' "$(type_of "$free")" DMA-FQ
}

case_full_change_is_undone_by_revert()
{
    switch "$free" identity
    [[ $(group_property "$free" WantedBy) == call:* ]]
    iommuctl revert "$free"
    is 'WantedBy' "$(group_property "$free" WantedBy)" ''
    printf '[Match]\nClass=nvme\nSerial=FREE\n[Policy]\nType=DMA\nUnbind=idle\n' >"$rules/50-dma.conf"
    iommuctl reload
    wait_until 60 is_settled "$free" DMA
}

case_full_change_persists_as_a_rule()
{
    local file=$rules/05-call-pci-$free.conf
    switch "$free" identity "{'persist': <true>}"
    [[ -s $file ]] || fail "$file was not written: $(ls "$rules")"
    iommuctl check "$file"
    # The file counts from the next reading of the rules; the call outranks it until it is dropped.
    systemctl restart iommu-policyd.service
    [[ $(group_property "$free" WantedBy) == call:* ]] ||
        fail "WantedBy is $(group_property "$free" WantedBy)"
    iommuctl revert "$free"
    is 'WantedType' "$(group_property "$free" WantedType)" identity
    grep -qF "05-call-pci-$free.conf" <<<"$(group_property "$free" WantedBy)"
    is 'the type' "$(type_of "$free")" identity
}

case_full_change_by_others_is_seen()
{
    echo "$free" >/sys/bus/pci/drivers/nvme/unbind
    echo identity >"/sys/bus/pci/devices/$free/iommu_group/type"
    echo "$free" >/sys/bus/pci/drivers/nvme/bind
    shows_identity()
    {
        [[ $(group_property "$free" Type) == identity ]]
    }
    wait_until 30 shows_identity
}

case_full_change_exit_status_of_the_client()
{
    local status=0
    make_file_system "$free"
    mount "$(node_of "$free")" /mnt
    iommuctl set "$free" identity || status=$?
    is 'the exit status (3: in use)' "$status" 3
    status=0
    iommuctl set /mnt identity || status=$?
    is 'the exit status with the mount point as target' "$status" 3
    umount /mnt
    status=0
    iommuctl set || status=$?
    is 'the exit status (2: usage)' "$status" 2
}
