// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Says of the root port of the drive "hot" (00:08.0, see run) that it leads out of the machine, as firmware does for
// Thunderbolt: what is plugged in there reads "removable". Linux takes it from the _DSD in drivers/pci/pci-acpi.c,
// pci_acpi_set_external_facing().
DefinitionBlock ("", "SSDT", 2, "IOMMUP", "EXTPORT", 1)
{
    External (\_SB.PCI0.S40, DeviceObj)
    Scope (\_SB.PCI0.S40)
    {
        Name (_DSD, Package ()
        {
            ToUUID ("efcc06cc-73ac-4bc3-bff0-76143807c389"),
            Package () { Package () { "ExternalFacingPort", 1 } }
        })
    }
}
