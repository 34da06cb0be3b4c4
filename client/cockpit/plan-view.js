// SPDX-License-Identifier: LGPL-2.1-or-later
// What the daemon would do, as Plan tells it, and what stands in its way.

import { element, freshId } from "./dom.js";
import { alertBox } from "./message.js";

const HOW = {
    nothing: "The type is there already.",
    live: "The type is switched live, with the drivers bound.",
    unbound: "The type is switched; nothing needs to be unbound.",
    disruptive: "Drivers are unbound, the type is switched, and the drivers are bound again.",
    refused: "It cannot be done.",
};

const RELAX = "org.iommupolicy1.relax";

/** What is given up by a type that is less strict. */
const GIVEN_UP = {
    identity: "A device that is not translated can read and write all memory.",
    "DMA-FQ": "For a short time after each transfer a device can still reach memory that may be used for something "
        + "else already.",
};
const LESS_STRICT = "The type is less strict than now. A device that is not translated can read and write all memory.";

function stepsList(steps) {
    if (steps.length === 0)
        return null;
    return element("ol", { class: "pf-c-list" }, steps.map(step => element("li", null, step.text.v)));
}

/** A finding that can be allowed is a box to tick; nobody passes an absolute one. */
function findingItem(finding, ticked, changed) {
    const id = freshId("finding");
    const absolute = finding.severity.v === "absolute";
    const input = element("input", {
        type: "checkbox", class: "pf-c-check__input", id, value: finding.id.v, disabled: absolute,
        "aria-describedby": `${id}-id`, onchange: event => changed(finding.id.v, event.target.checked),
    });

    input.checked = ticked.has(finding.id.v);
    return element("li", { class: "pf-c-check", "data-finding": finding.id.v },
        input,
        element("label", { class: "pf-c-check__label", for: id }, finding.text.v),
        element("span", { class: "pf-c-check__description", id: `${id}-id` },
            `${finding.severity.v}${absolute ? ", nobody can allow it" : ""}: `,
            element("span", { class: "iommu-name" }, finding.id.v)));
}

function findingsList(findings, ticked, changed) {
    if (findings.length === 0)
        return null;
    return element("fieldset", { class: "iommu-fieldset" },
        element("legend", { class: "pf-c-title pf-m-md" }, "In use; tick what may be passed over"),
        element("ul", { class: "iommu-plain-list" }, findings.map(finding => findingItem(finding, ticked, changed))));
}

/** The nodes for a reply of Plan, which was asked for TYPE. TICKED: the ids that are allowed; CHANGED(id, on): a box
 * was ticked or cleared. */
export function planNodes(type, [how, steps, findings, refusal, action], ticked, changed) {
    return [
        element("p", { "data-how": how }, HOW[how] ?? how),
        stepsList(steps),
        findingsList(findings, ticked, changed),
        refusal ? alertBox("warning", refusal, null, { "data-refusal": true }) : null,
        action === RELAX && !refusal
            ? alertBox("warning", GIVEN_UP[type] ?? LESS_STRICT, null, { "data-given-up": true }) : null,
        action ? element("p", { class: "iommu-small" }, "Authorisation: ",
            element("span", { class: "iommu-name" }, action)) : null,
    ].filter(node => node);
}
