# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the page looks and reads: contrast, width, names, headings; in Cockpit's frame, light and dark."""

from dialog import Dialog
from harness import case, equal
from page import opened
from cases_shown import LAZY

# The contrast of each text that is seen, as WCAG 2 defines it, on what is painted behind it.
CONTRAST = """
const parse = text => { const v = text.match(/[\\d.]+/g).map(Number); return v.length === 3 ? [...v, 1] : v; };
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const canvas = document.documentElement.classList.contains("pf-theme-dark") ? [0, 0, 0, 1] : [255, 255, 255, 1];
function background(node) {
    const layers = [];
    for (let at = node; at; at = at.parentElement)
        layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), canvas);
}
const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = color => 0.2126 * channel(color[0]) + 0.7152 * channel(color[1]) + 0.0722 * channel(color[2]);
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const poor = [];
let looked = 0;
while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), node = walker.currentNode.parentElement;
    if (!text || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || node.closest(":disabled")
            || node.getBoundingClientRect().width < 2)
        continue;
    looked += 1;
    const behind = background(node), color = over(parse(getComputedStyle(node).color), behind);
    const [high, low] = [light(color), light(behind)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5)
        poor.push(`${ratio.toFixed(2)}: ${text.slice(0, 40)} (${getComputedStyle(node).color} on ${behind})`);
}
return [looked, poor];
"""
NAMED_ROLES = {"button", "checkbox", "combobox", "link", "radio", "searchbox", "switch", "tab", "textbox", "dialog",
               "table", "treegrid", "tree", "progressbar", "radiogroup"}


def check_contrast(page):
    looked, poor = page.script(CONTRAST)
    assert looked > 10, f"only {looked} texts are seen"
    assert not poor, "\n".join(poor)


def accessibility_tree(page):
    """(role, name, level) of all that a screen reader is told of."""
    for node in page.command("Accessibility.getFullAXTree")["nodes"]:
        if not node.get("ignored"):
            level = next((item["value"]["value"] for item in node.get("properties", [])
                          if item["name"] == "level"), None)
            yield node["role"]["value"], node.get("name", {}).get("value", ""), level


def check_names(page):
    nodes = list(accessibility_tree(page))
    nameless = [node for node in nodes if node[0] in NAMED_ROLES and not node[1].strip()]
    assert not nameless, nameless
    assert not [node for node in nodes if node[0] == "image" and not node[1]], "an image without a name"
    return nodes


def check_headings(nodes):
    levels = [level for role, _, level in nodes if role == "heading"]
    equal(levels[:1], [1], "first heading")
    for before, after in zip(levels, levels[1:]):
        assert after <= before + 1, f"a heading of level {after} after one of level {before}"


def look(page):
    nodes = check_names(page)
    check_contrast(page)
    for width in 400, 1280:
        page.resize(width)
        page.check_width()
    return nodes


def set_theme(page, style):
    """As Cockpit's shell does it, which is another document of the same browser."""
    page.script("localStorage.setItem('shell:style', arguments[0]);"
                "window.dispatchEvent(new CustomEvent('cockpit-style', { detail: { style: arguments[0] } }));", style)


def is_dark(page):
    return page.script("return document.documentElement.classList.contains('pf-theme-dark')")


@case(topology="machine", rules={"30-lazy.conf": LAZY})
def cockpit_is_accessible(context):
    """Each view, light and dark."""
    with opened(context) as page:
        page.named("Details of group 6").click()
        page.one("#" + page.named("Details of group 6").get_attribute("aria-controls"))
        for style in "light", "dark":
            set_theme(page, style)
            equal(is_dark(page), style == "dark")
            check_headings(look(page))
            for view in "Tree", "Table":
                page.named(view).click()
                page.one("[data-device]" if view == "Tree" else "tr[data-group]")
                look(page)
                page.screenshot(f"{view.lower()}-{style}")
            dialog = Dialog(page, 6).open()
            dialog.choose("identity", "disruptive")
            look(page)
            page.screenshot(f"dialog-{style}")
            dialog.escape()


@case(topology="machine")
def cockpit_on_a_small_screen(context):
    """The dialog is longer than the screen: all of it can be reached, and nothing lies beside the screen."""
    with opened(context) as page:
        page.resize(400, 600)
        dialog = Dialog(page, 6).open()
        dialog.choose("identity", "disruptive")
        page.check_width()
        top, bottom = page.edges(dialog.element)
        assert top >= 0 and bottom <= 600, f"the dialog goes from {top} to {bottom}"
        for control in dialog.finding("netns:eth0@0000:00:06.0"), dialog.control("Change"), dialog.control("DMA"):
            page.script("arguments[0].scrollIntoView()", control)
            edges = page.edges(control)
            assert edges[0] >= top and edges[1] <= bottom, f"{control.accessible_name}: {edges} in {top} to {bottom}"
        page.save("dialog-small.png")


@case(topology="machine")
def cockpit_theme(context):
    """The one that was chosen in Cockpit, and by default the system's."""
    with opened(context) as page:
        for system in "dark", "light":
            page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": system}])
            page.until(lambda: is_dark(page) == (system == "dark"), f"auto does not follow {system}")
        page.script("localStorage.setItem('shell:style', 'dark')")
        page.load()
        assert is_dark(page), "the theme is forgotten"


@case(topology="machine")
def cockpit_in_its_frame(context):
    """As people see it: in the shell, found in its menu."""
    with opened(context, load=False) as page:
        page.own_messages_only = True
        page.load("/iommu-policy", ready=False)
        frame = page.one("iframe[name='cockpit1:localhost/iommu-policy']")
        entry = page.one("#host-apps a[href='/iommu-policy']")
        page.until(lambda: "IOMMU" in entry.text, lambda: entry.text)
        page.driver.switch_to.frame(frame)
        page.wait_ready()
        page.row(6)
        page.driver.switch_to.default_content()
        page.screenshot("shell")
        set_theme(page, "dark")
        page.driver.switch_to.frame(frame)
        page.until(lambda: is_dark(page), "the shell is dark, the page is not")
        page.driver.switch_to.default_content()
        page.screenshot("shell-dark")
