# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel has shown that it can do, as KernelFeatures has it: seen, never concluded from a
version."""

from bus import Connection
from harness import MANAGER, NAME, PROPERTIES, ROOT, case, equal


def features(context):
    return context.get(ROOT, MANAGER, "KernelFeatures")


def wait_features(context, expected):
    """Each look follows a PropertiesChanged."""
    connection = Connection()
    connection.match(f"type='signal',sender='{NAME}',path='{ROOT}',interface='{PROPERTIES}'")
    while features(context) != expected:
        connection.wait_signal(lambda message: len(message.body) > 1 and "KernelFeatures" in message.body[1])
    connection.close()


@case(start=False)
def kernel_features_live(context):
    context.kernel("replug 0000:00:06.0 group=0")
    context.kernel("boot-default DMA")
    context.kernel("replug 0000:00:06.0")
    context.daemon.start()
    equal(features(context), [])
    equal(context.change(0, "DMA-FQ"), "DMA-FQ")
    wait_features(context, ["live-fq"])


@case(generation="6.1")
def kernel_features_of_a_lazy_default(context):
    equal(features(context), ["live-fq"])
    equal(context.change(0, "identity"), "identity")
    equal(features(context), ["live-fq"])


@case(topology="two", generation="6.1")
def kernel_features_that_are_not_there_are_not_said(context):
    for group in context.groups():
        try:
            context.change(group, "identity")
        except Exception as error:  # noqa: BLE001: whatever it says
            assert f"{NAME}.Error" in str(getattr(error, "name", error)), error
    assert "multi-device" not in features(context) and "managed-stays-bound" not in features(context)


@case(topology="vfio", generation="6.12")
def kernel_features_managed_stays_bound(context):
    equal(features(context), ["live-fq"])
    equal(context.change(7, "identity"), "identity")
    wait_features(context, ["live-fq", "managed-stays-bound"])
    equal(context.kernel.driver("0000:00:06.0"), "vfio-pci")


@case(topology="bridge", generation="6.12")
def kernel_features_multi_device(context):
    equal(context.change(5, "DMA"), "DMA")
    wait_features(context, ["live-fq", "multi-device", "managed-stays-bound"])
    equal(context.kernel.driver("0000:00:05.0"), "pcieport")
    # What was seen is forgotten with the daemon, who has seen it.
    context.daemon.restart()
    equal(features(context), [])


@case(topology="late")
def kernel_features_groups_at_probe(context):
    equal(features(context), [])
    context.kernel("driver pci nvme ids=class=0108")
    wait_features(context, ["groups-at-probe"])
