// SPDX-License-Identifier: LGPL-2.1-or-later
// What is known of one group beyond its row. Explain and GetFindings are asked when the details are opened, and again
// when the group has changed; the features of a device only when somebody wants them, as that may wake it.

import { deviceNodes } from "./device-details.js";
import { button, element } from "./dom.js";
import { descriptionList, listTable } from "./list-table.js";
import { errorBox } from "./message.js";
import { GROUP } from "./service.js";
import { STATES } from "./words.js";

function hexadecimal(number) {
    return BigInt.asUintN(64, BigInt(number)).toString(16);
}

function section(title, ...nodes) {
    return element("section", { class: "iommu-details__section" },
        element("h3", { class: "pf-c-title pf-m-md" }, title), nodes);
}

/** What to know of the state, or of the reason for it. */
function stateNodes(group) {
    const words = STATES[group.PendingReason] ?? STATES[group.State];

    return words && group.State !== "settled" ? [element("p", null, words.meaning),
        element("p", { class: "iommu-small" }, words.advice)] : [];
}

function lastChange([time, type, error, text]) {
    if (time === 0)
        return "";
    const when = new Date(time / 1000).toLocaleString();

    return `${when}, ${type}: ${error ? text : ["done", text].filter(part => part).join("; ")}`;
}

function groupNodes(group) {
    return [descriptionList([
        ["Can be set", group.SettableTypes.join(", ")],
        ["Without unbinding", group.LiveTypes.join(", ")],
        ["Conflict", group.Conflict ? "rules differ about this group, or the kernel overrules one; see below" : ""],
        ["Reserved", group.ReservedRegions.map(([from, to, kind]) =>
            element("div", null, element("span", { class: "iommu-name" }, `${hexadecimal(from)}-${hexadecimal(to)}`),
                ` ${kind}`))],
        ["Last change", lastChange(group.LastResult)],
    ].filter(([, value]) => value.length > 0))];
}

export class GroupDetails {
    constructor(path, inventory) {
        this.path = path;
        this.inventory = inventory;
        this.shown = {};
        this.asked = "";
        this.summary = element("div", { class: "iommu-details__section" });
        this.trail = element("div", null, "Looking …");
        this.findings = element("div", { "aria-live": "polite" }, "Looking …");
        this.devices = element("div", { class: "iommu-details" });
        this.element = element("div", { class: "iommu-details" },
            this.summary,
            section("Why it is so", this.trail),
            section("What uses it", this.findings, button("Look again", "link", () => this.askFindings(),
                { class: "pf-c-button pf-m-link pf-m-inline iommu-small" })),
            this.devices);
    }

    refresh() {
        const group = this.inventory.groups.get(this.path);
        const members = this.inventory.members(group);

        this.show("summary", group, () => [stateNodes(group), groupNodes(group)].flat());
        this.show("devices", members, () => members.map((device, i) =>
            section(`Device ${device.Bus}:${device.Name}`,
                deviceNodes(device, group.Devices[i], this.inventory.service))));
        this.ask(group);
    }

    /** Makes the nodes of a part anew if FACTS, which it is made of, are others. */
    show(part, facts, make) {
        const shown = JSON.stringify(facts);

        if (shown === this.shown[part])
            return;
        this.shown[part] = shown;
        this[part].replaceChildren(...make());
    }

    /** Not while a change runs: each of its steps is a signal. */
    ask(group) {
        const asked = JSON.stringify([group.Type, group.WantedType, group.WantedBy, group.State, group.PendingReason,
            group.Devices]);

        if (asked === this.asked || group.State === "changing")
            return;
        this.asked = asked;
        this.askTrail();
        this.askFindings();
    }

    async fill(node, call, show) {
        try {
            node.replaceChildren(show(await call));
        } catch (error) {
            node.replaceChildren(errorBox(error));
        }
    }

    askTrail() {
        const call = this.inventory.service.call(this.path, GROUP, "Explain");

        return this.fill(this.trail, call, ([, trail]) =>
            listTable("Why it is so", ["Device", "Verdict", "Where", "Why"],
                trail.map(entry => [entry.member.v, entry.verdict.v, entry.origin.v, entry.text.v]),
                "No rule, call or force of the kernel concerns it."));
    }

    askFindings() {
        const call = this.inventory.service.callInTurn(this.path, GROUP, "GetFindings");

        return this.fill(this.findings, call, ([findings]) =>
            listTable("What uses it", ["Finding", "Device", "Severity", "What is in use"],
                findings.map(finding => [finding.id.v, finding.member.v, finding.severity.v, finding.text.v]),
                "Nothing is seen to use it."));
    }
}
