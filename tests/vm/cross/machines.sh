# shellcheck shell=bash
# shellcheck disable=SC2034,SC2054,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# The emulated machines of tests/vm/cross/run, which sources this: for each, what its name is to QEMU, its
# console, and the arguments of QEMU for its devices, one a line. $directory is the folder with the drives'
# files.

# A drive with a file of its own: drive SERIAL FILE PLACE
drive()
{
    printf '%s\n' -blockdev \
        "driver=raw,node-name=drive-$2,discard=unmap,file.driver=file,file.filename=$directory/$2.img" \
        -device "nvme,serial=$1,drive=drive-$2,$3"
}

# One of zeros that cannot be written.
empty_drive()
{
    printf '%s\n' -blockdev "driver=null-co,node-name=drive-$2,size=67108864,read-zeroes=on" \
        -device "nvme,serial=$1,drive=drive-$2,$3"
}

# card MODEL NAME PLACE
card()
{
    printf '%s\n' -netdev "hubport,id=$2,hubid=0" -device "$1,netdev=$2,romfile=,$3"
}

# The guest's way to tests/vm/supervise.
control_port()
{
    printf '%s\n' -device "virtio-serial-pci,id=control-port,$1" \
        -device virtserialport,chardev=control,name=control
}

# --- arm64

machine_arm64()
{
    qemu=qemu-system-aarch64 console=ttyAMA0 triple=aarch64-linux-gnu
    options=(-M "virt,gic-version=3$([[ $iommu != smmuv3 ]] || echo ,iommu=smmuv3)" -cpu cortex-a57 -smp 1 -m 1024)
    [[ $firmware == dt ]] || options+=(-bios /usr/share/qemu-efi-aarch64/QEMU_EFI.fd)
}

devices_arm64()
{
    [[ $iommu != virtio ]] || printf '%s\n' -device virtio-iommu-pci,addr=2
    control_port addr=3
    drive FREE free addr=4
    drive MOUNTED mounted addr=5
    card e1000e net0 addr=6
    empty_drive TWO0 two0 addr=7.0,multifunction=on
    empty_drive TWO1 two1 addr=7.1
    printf '%s\n' -device pcie-root-port,id=port-behind,chassis=1,slot=1,addr=8,disable-acs=on
    drive BEHINDBRIDGE behind bus=port-behind
    printf '%s\n' -device pcie-root-port,id=port-pci,chassis=2,slot=2,addr=9 \
        -device pcie-pci-bridge,id=pci,bus=port-pci
    card e1000 net1 bus=pci,addr=1
    card e1000 net2 bus=pci,addr=2
    [[ $platform_devices == no ]] || printf '%s\n' \
        -blockdev "driver=raw,node-name=drive-platform,file.driver=file,file.filename=$directory/platform.img" \
        -device virtio-blk-device,drive=drive-platform,serial=PLATFORM,bus=virtio-mmio-bus.1
}

# The nodes of the machine's device tree that --platform-devices puts behind the SMMU: the clock, the GPIOs,
# a virtio device that is not there, and the disk. QEMU's SMMU translates only what is on PCI, and theirs it
# does not see.
platform_nodes=(pl031@9010000 pl061@9030000 virtio_mmio@a000000 virtio_mmio@a000200)

# write_device_tree FILE: that of the machine, with these nodes as masters of the SMMU.
write_device_tree()
{
    local smmu node stream=$((0xff00))
    "$qemu" "${options[@]/%iommu=smmuv3/iommu=smmuv3,dumpdtb=$1}" -nodefaults -display none >&2
    smmu=$(fdtget -t x "$1" "$(fdtget -l "$1" / | sed -n 's,^smmuv3@.*,/&,p')" phandle)
    for node in "${platform_nodes[@]}"; do
        fdtput -t x "$1" "/$node" iommus "$smmu" "$(printf '%x' "$stream")"
        stream=$((stream + 1))
    done
}

# --- ppc64el

# With a variable to keep, QEMU formats the memory for these; the kernel warns of one that is not.
machine_pseries()
{
    qemu=qemu-system-ppc64 console=hvc0 triple=powerpc64le-linux-gnu
    options=(-M pseries,x-vof=on,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off -cpu power9
        -smp 1 -m 1024 -prom-env 'auto-boot?=false')
}

# All devices of a host bridge are in one group, so that each of the two drives has one of its own.
devices_pseries()
{
    printf '%s\n' -device spapr-pci-host-bridge,index=1,id=phb1 -device spapr-pci-host-bridge,index=2,id=phb2
    control_port bus=pci.0,addr=1
    drive FREE free bus=phb1.0,addr=1
    drive MOUNTED mounted bus=phb2.0,addr=1
    card e1000e net0 bus=pci.0,addr=2
    empty_drive TWO0 two0 bus=pci.0,addr=3.0,multifunction=on
    empty_drive TWO1 two1 bus=pci.0,addr=3.1
    printf '%s\n' -device pci-bridge,id=pci,chassis_nr=1,bus=pci.0,addr=4
    card e1000 net1 bus=pci,addr=1
    card e1000 net2 bus=pci,addr=2
}

# Without the two devices of its BMC it never ends.
machine_powernv9()
{
    qemu=qemu-system-ppc64 console=hvc0 triple=powerpc64le-linux-gnu
    options=(-M powernv9 -smp 1 -m 2048 -device ipmi-bmc-sim,id=bmc0 -device isa-ipmi-bt,bmc=bmc0,irq=10)
}

# Its bridges have no I/O ports, without which the driver of an e1000 ends in an oops: no conventional PCI.
devices_powernv9()
{
    local i
    for i in 0 1 2 3 4; do
        printf '%s\n' -device "pnv-phb,chip-id=0,index=$i,id=phb$i" \
            -device "pnv-phb-root-port,bus=phb$i,id=port$i"
    done
    drive FREE free bus=port0
    drive MOUNTED mounted bus=port1
    empty_drive TWO0 two0 bus=port2,addr=0.0,multifunction=on
    empty_drive TWO1 two1 bus=port2,addr=0.1
    card e1000e net0 bus=port3
    control_port bus=port4
}
