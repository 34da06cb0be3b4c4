# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the page shows is what the daemon says, and stays so without being loaded again."""

import pathlib

from harness import GROUP, MANAGER, ROOT, case, equal
from page import opened

LAZY = "[Match]\nAddress=0000:00:06.0\n[Policy]\nType=identity\nUnbind=never\n"
STRICT = "[Match]\nClass=nvme\n[Policy]\nType=DMA\nUnbind=never\n"
HOSTILE = '<img src=x onerror="document.body.dataset.broken=1">'


def wanted_cells(context, group):
    """What the cells of a group's row have to say."""
    kind, wanted, state, by, _ = context.groups()[group]
    reason = context.group(group, "PendingReason")
    return {"type": kind or "–",
            "wanted": wanted or "–",
            "by": f"by {by}" if by else "",
            "state": f"{state} ({reason})" if reason else state}


def compare(context, page, group):
    """The row says what the daemon says; one of the two may be a moment behind."""
    seen = wanted = None

    def same():
        nonlocal seen, wanted
        wanted = wanted_cells(context, group)
        seen = {name: page.cell(group, name) for name in wanted}
        return seen == wanted
    page.until(same, lambda: f"group {group}: {seen}, expected {wanted}")


def mark(page):
    """Another document would not have it."""
    page.script("window.sameDocument = true")


def check_mark(page):
    assert page.script("return window.sameDocument"), "the page has been loaded again"


@case(topology="machine", rules={"30-lazy.conf": LAZY, "40-strict.conf": STRICT})
def cockpit_shows_the_groups(context):
    with opened(context) as page:
        equal([int(row.get_attribute("data-group")) for row in page.all("tr[data-group]")], sorted(context.groups()))
        for group in context.groups():
            compare(context, page, group)
        devices = page.cell(9, "devices")
        for word in "0000:00:1f.0", "lpc_ich", "0000:00:1f.2", "no driver":
            assert word in devices, devices
        text = page.one("body").text
        for word in context.get(ROOT, MANAGER, "Version"), context.get(ROOT, MANAGER, "BootDefaultType"):
            assert word in text, text
        page.screenshot("table")


@case(topology="machine", rules={"30-lazy.conf": LAZY})
def cockpit_shows_the_tree(context):
    with opened(context) as page:
        page.named("Tree").click()
        page.one("[data-device]")
        seen = page.script("""
            return [...document.querySelectorAll("[data-device]")].map(node => {
                const level = node.querySelector("th").textContent.match(/^Level (\\d+): /)?.[1];
                const cell = name => node.querySelector(`[data-cell="${name}"]`)?.innerText.trim();
                return [node.dataset.device, Number(level), cell("type"), cell("state")];
            });""")
        levels = {name: level for name, level, _, _ in seen}
        equal([name for name, _, _, _ in seen if name.startswith("0000:")],
              ["0000:00:00.0", "0000:00:04.0", "0000:00:05.0", "0000:01:00.0", "0000:00:06.0", "0000:00:07.0",
               "0000:00:1f.0", "0000:00:1f.2"])
        equal(levels["0000:01:00.0"], levels["0000:00:05.0"] + 1)
        equal(levels["0000:00:06.0"], levels["0000:00:05.0"])
        cells = {name: (kind, state) for name, _, kind, state in seen}
        equal(cells["0000:00:06.0"], ("DMA-FQ", "pending (unbind-not-allowed)"))
        equal(cells["0000:00:07.0"], ("DMA", "settled"))
        page.screenshot("tree")
        # The view is kept in the address: another look at it is the same view.
        page.renew(page.driver.refresh)
        page.one("[data-device='0000:00:06.0']")
        page.named("Table").click()
        page.one("tr[data-group='6']")


@case(topology="machine", rules={"30-lazy.conf": LAZY})
def cockpit_shows_details(context):
    with opened(context) as page:
        page.named("Details of group 6").click()
        details = page.one(f"#{page.named('Details of group 6').get_attribute('aria-controls')}")
        _, trail = context.call(f"{ROOT}/group/6", GROUP, "Explain")
        findings = context.call(f"{ROOT}/group/6", GROUP, "GetFindings")
        assert trail and findings
        for text in [entry["text"] for entry in trail] + [finding["text"] for finding in findings]:
            page.until(lambda: text in details.text, lambda: f"no \"{text}\" in {details.text}")
        page.screenshot("details")


@case(topology="machine")
def cockpit_follows_devices(context):
    """One is plugged in, one is pulled, one gets another type and another driver: without a reload."""
    with opened(context) as page:
        mark(page)
        context.kernel("device pci 0000:00:08.0 group=8 id=8086:10d3 class=020000 child=net:eth7")
        page.row(8)
        compare(context, page, 8)
        page.until(lambda: "driver e1000e" in page.cell(8, "devices"), lambda: page.cell(8, "devices"))
        context.kernel("remove 0000:00:08.0")
        page.until(lambda: not page.all("[data-group='8']"), "the group is still there")
        context.change(4, "identity")
        compare(context, page, 4)
        equal(page.cell(4, "type"), "identity")
        pathlib.Path("/sys/bus/pci/drivers/e1000e/unbind").write_text("0000:00:06.0", encoding="ascii")
        page.until(lambda: "no driver" in page.cell(6, "devices"), lambda: page.cell(6, "devices"))
        # The tree as well.
        page.named("Tree").click()
        page.one("[data-device='0000:00:06.0']")
        context.kernel("device pci 0000:00:08.0 group=8 id=8086:10d3 class=020000 child=net:eth7")
        page.one("[data-device='0000:00:08.0']")
        context.kernel("remove 0000:00:08.0")
        page.until(lambda: not page.all("[data-device='0000:00:08.0']"), "the device is still in the tree")
        check_mark(page)


@case(start=False)
def cockpit_shows_many_groups(context):
    """250 groups: shown, filtered, and a change of one touches no other row."""
    many = 250
    for number in range(1, many):
        context.kernel(f"device pci {1 + number // 32:04x}:01:{number % 32:02x}.0 group={number} id=8086:10d3"
                       f" class=020000 child=net:many{number}")
    context.daemon.start()
    with opened(context) as page:
        equal(len(page.all("tr[data-group]")), many)
        page.named("Filter groups").send_keys("0005:01:07.0")
        shown = """
            return [...document.querySelectorAll("tr[data-group]")].filter(row => row.offsetParent)
                .map(row => row.dataset.group);"""
        page.until(lambda: page.script(shown) == ["135"], lambda: f"shown: {page.script(shown)}")
        page.named("Filter groups").clear()
        page.named("Filter groups").send_keys(" \b")
        page.until(lambda: len(page.script(shown)) == many, lambda: f"shown: {len(page.script(shown))}")
        page.script("""
            window.touched = new Set();
            const observer = new MutationObserver(records => {
                for (const record of records)
                    window.touched.add(record.target.parentElement?.closest("[data-group]")?.dataset.group ?? "none");
            });
            observer.observe(document.querySelector("tr[data-group]").closest("table"),
                             { subtree: true, childList: true, characterData: true, attributes: true });""")
        context.change(77, "identity")
        compare(context, page, 77)
        equal(page.script("return [...window.touched]"), ["77"])


@case(rules={"30-hostile.conf": f"[Match]\nAny=yes\n[Policy]\nType=DMA-FQ\nReason={HOSTILE}{'long' * 2000}\n",
             f"40-{HOSTILE}.conf": "[Match]\nAny=yes\n[Policy]\nType=keep\n"})
def cockpit_shows_hostile_text_as_text(context):
    """The reason and the name of a rule, and the name of a device."""
    context.kernel(f"device platform '{HOSTILE}' group=5")
    with opened(context) as page:
        page.until(lambda: HOSTILE in (page.cell(5, "devices") or ""), lambda: page.cell(5, "devices"))
        page.named("Details of group 0").click()
        page.until(lambda: HOSTILE in page.one("main").text, lambda: page.one("main").text)
        page.named("Rules", ["heading"])
        equal(page.all("main img"), [])
        equal(page.script("return document.body.dataset.broken ?? null"), None)
        for width in 400, 1280:
            page.resize(width)
            page.check_width()
        page.screenshot("hostile")
