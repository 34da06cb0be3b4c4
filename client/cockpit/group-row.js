// SPDX-License-Identifier: LGPL-2.1-or-later
// One group in the table: a row, and below it the details, which are made when they are first asked for.

import { button, element, freshId, hiddenText, setAttribute, setText } from "./dom.js";
import { GroupDetails } from "./group-details.js";
import { StateLabel, orDash } from "./state-label.js";

const COLUMNS = 7;

/** What stands for one device in the row. */
function deviceLines(devices) {
    return devices.map(device => element("div", { class: "iommu-device" },
        element("span", { class: "iommu-name" }, device.Name),
        device.ModelName ? element("span", { class: "iommu-model" }, device.ModelName) : null,
        element("span", { class: "iommu-small" },
            [device.ClassName || "device", device.Driver ? `driver ${device.Driver}` : "no driver"].join(", "))));
}

export class GroupRow {
    /** ACTIONS: changeType(path, button), expanded(path, on). */
    constructor(path, inventory, actions) {
        this.path = path;
        this.inventory = inventory;
        this.actions = actions;
        this.details = null;
        this.seen = "";
        this.label = new StateLabel();
        this.element = element("tbody", { role: "rowgroup" }, this.makeRow(), this.makeDetailsRow());
    }

    makeRow() {
        const group = this.inventory.groups.get(this.path);
        const cell = (name, label, ...children) =>
            element("td", { role: "cell", "data-cell": name, "data-label": label }, ...children);

        this.detailsId = freshId("details");
        this.toggle = element("button", {
            type: "button", class: "pf-c-button pf-m-plain iommu-toggle", "aria-expanded": "false",
            "aria-controls": this.detailsId, onclick: () => this.expand(!this.isExpanded()),
        }, element("span", { class: "iommu-chevron", "aria-hidden": "true" }),
        hiddenText(`Details of group ${group.Id}`));
        this.devices = cell("devices", "Devices");
        this.type = cell("type", "Type");
        this.wanted = element("span", { "data-cell": "wanted" });
        this.by = element("span", { class: "iommu-small iommu-by", "data-cell": "by" });
        this.state = cell("state", "State", this.label.element);
        this.change = button("Change type", "secondary", () => this.actions.changeType(this.path, this.change),
            { class: "pf-c-button pf-m-secondary pf-m-small", "aria-describedby": freshId("group") });
        this.number = element("th", {
            role: "rowheader", scope: "row", "data-label": "Group", id: this.change.getAttribute("aria-describedby"),
        }, hiddenText("Group "), String(group.Id));
        this.row = element("tr", { role: "row", "data-group": group.Id },
            element("td", { role: "cell", class: "pf-c-table__toggle" }, this.toggle),
            this.number, this.devices, this.type,
            element("td", { role: "cell", "data-label": "Wanted" }, this.wanted, this.by), this.state,
            element("td", { role: "cell", class: "pf-c-table__action" }, this.change));
        return this.row;
    }

    makeDetailsRow() {
        this.content = element("div", { class: "pf-c-table__expandable-row-content" });
        this.detailsRow = element("tr",
            { role: "row", class: "pf-c-table__expandable-row", id: this.detailsId, hidden: true },
            element("td", { role: "cell", colspan: COLUMNS }, this.content));
        return this.detailsRow;
    }

    isExpanded() {
        return !this.detailsRow.hidden;
    }

    expand(on) {
        this.detailsRow.hidden = !on;
        setAttribute(this.toggle, "aria-expanded", String(on));
        this.element.classList.toggle("pf-m-expanded", on);
        if (on && !this.details) {
            this.details = new GroupDetails(this.path, this.inventory);
            this.content.append(this.details.element);
        }
        if (on)
            this.details.refresh();
        this.actions.expanded(this.path, on);
    }

    /** Nodes of devices are made anew only if something of them is different. */
    update() {
        const group = this.inventory.groups.get(this.path);
        const devices = this.inventory.members(group);
        const seen = JSON.stringify(devices.map(device =>
            [device.Name, device.ModelName, device.ClassName, device.Driver]));

        if (seen !== this.seen) {
            this.seen = seen;
            this.devices.replaceChildren(...deviceLines(devices));
        }
        setText(this.type, orDash(group.Type));
        setText(this.wanted, orDash(group.WantedType));
        setText(this.by, group.WantedBy ? `by ${group.WantedBy}` : "");
        this.label.update(group);
        this.change.disabled = group.SettableTypes.length === 0;
        if (this.isExpanded())
            this.details.refresh();
    }

    /** Whether all WORDS, in small letters, stand somewhere in the row. */
    show(words) {
        const text = this.row.textContent.toLowerCase();

        this.element.hidden = !words.every(word => text.includes(word));
        return !this.element.hidden;
    }
}
