// SPDX-License-Identifier: LGPL-2.1-or-later
// The devices as they are connected, with their groups.

import { button, element, freshId, hiddenText, setText } from "./dom.js";
import { StateLabel, orDash } from "./state-label.js";

const HEADERS = ["Device", "Group", "Type", "Wanted", "State", "Driver"];

/** The end of a path comes first, then the end of a folder's name, so that what is below a folder follows it. */
function compare(a, b) {
    const [first, second] = [a.split("/"), b.split("/")];
    const i = first.findIndex((part, at) => part !== second[at]);

    if (i < 0)
        return first.length - second.length;
    if (i >= second.length)
        return 1;
    return first[i] < second[i] ? -1 : 1;
}

/** Below /sys/devices. */
function place(device) {
    return device.SysfsPath.replace(/^\/sys\/devices\//, "");
}

/** The lines of the tree: path of the device's object (null: the root of a bus), its name, and its level. */
function lines(devices) {
    const sorted = [...devices].filter(([, device]) => device.Group !== "/")
        .map(([path, device]) => [place(device), path, device.Name]).sort(([a], [b]) => compare(a, b));
    const result = [];
    let branches = [];

    for (const [where, path, name] of sorted) {
        branches = branches.filter(branch => where.startsWith(`${branch}/`));
        if (branches.length === 0 && where.includes("/")) {
            const root = where.slice(0, where.indexOf("/"));

            result.push({ key: root, path: null, name: root, level: 0 });
            branches.push(root);
        }
        result.push({ key: path, path, name, level: branches.length });
        branches.push(where);
    }
    return result;
}

class TreeRow {
    constructor(line, actions) {
        this.line = line;
        this.label = new StateLabel();
        this.model = element("span", { class: "iommu-small" });
        this.depth = hiddenText("");
        this.group = button("", "link", () => actions.showGroup(this.groupPath),
            { class: "pf-c-button pf-m-link pf-m-inline" });
        this.cells = ["Type", "Wanted", "State", "Driver"].map(label =>
            element("td", { role: "cell", "data-label": label, "data-cell": label.toLowerCase() }, element("span")));
        this.cells[2].replaceChildren(this.label.element);
        this.change = button("Change type", "secondary", () => actions.changeType(this.groupPath, this.change),
            { class: "pf-c-button pf-m-secondary pf-m-small", "aria-describedby": freshId("device") });
        this.name = element("th", { role: "rowheader", scope: "row", class: "iommu-tree-name",
            id: this.change.getAttribute("aria-describedby") },
            this.depth, element("span", { class: "iommu-name" }, line.name), this.model);
        this.element = element("tr", { role: "row", "data-device": line.name }, this.name,
            line.path ? [element("td", { role: "cell", "data-label": "Group" }, this.group), this.cells,
                element("td", { role: "cell", class: "pf-c-table__action" }, this.change)]
                : element("td", { role: "cell", colspan: HEADERS.length }));
    }

    setLevel(level) {
        this.name.style.setProperty("--level", level);
        setText(this.depth, `Level ${level + 1}: `);
    }

    update(device, group) {
        this.groupPath = device.Group;
        setText(this.model, device.ModelName);
        setText(this.group, `Group ${group.Id}`);
        [group.Type, group.WantedType, null, device.Driver].forEach((text, i) => {
            if (text !== null)
                setText(this.cells[i].firstChild, orDash(text));
        });
        this.label.update(group);
        this.change.disabled = group.SettableTypes.length === 0;
    }
}

export class DeviceTree {
    /** ACTIONS: changeType(path, button), showGroup(path). */
    constructor(inventory, actions) {
        this.inventory = inventory;
        this.actions = actions;
        this.rows = new Map();
        this.words = [];
        this.body = element("tbody", { role: "rowgroup" });
        this.element = element("table", { class: "pf-c-table iommu-tree pf-m-grid-md", role: "table",
            "aria-labelledby": "groups" },
        element("thead", { role: "rowgroup" }, element("tr", { role: "row" },
            HEADERS.map(text => element("th", { role: "columnheader", scope: "col" }, text)),
            element("td", { role: "cell" }))), this.body);
    }

    /** Rows that are there already keep their place and their elements. */
    load() {
        const wanted = lines(this.inventory.devices);
        const rows = new Map(wanted.map(line =>
            [line.key, this.rows.get(line.key) ?? new TreeRow(line, this.actions)]));

        for (const [key, row] of this.rows)
            if (rows.get(key) !== row)
                row.element.remove();
        this.rows = rows;
        wanted.forEach((line, i) => {
            const row = rows.get(line.key);

            row.setLevel(line.level);
            if (this.body.children[i] !== row.element)
                this.body.insertBefore(row.element, this.body.children[i] ?? null);
            this.update(line.path);
        });
        this.filter(this.words);
    }

    /** PATH: of a device. */
    update(path) {
        const device = this.inventory.devices.get(path);
        const group = this.inventory.groups.get(device?.Group);

        if (group)
            this.rows.get(path)?.update(device, group);
    }

    updateGroup(path) {
        for (const device of this.inventory.groups.get(path)?.Devices ?? [])
            this.update(device);
    }

    /** A device that is shown is shown below those that it is connected through. */
    filter(words) {
        this.words = words;
        let [count, level] = [0, 0];

        for (const row of [...this.rows.values()].reverse()) {
            const text = row.element.textContent.toLowerCase();
            const own = row.line.path !== null && words.every(word => text.includes(word));
            const depth = Number(row.name.style.getPropertyValue("--level"));
            const above = depth < level;

            row.element.hidden = !own && !above;
            if (!row.element.hidden)
                level = depth;
            count += own;
        }
        return count;
    }
}
