// SPDX-License-Identifier: LGPL-2.1-or-later
// The groups as a table, a row for each.

import { element } from "./dom.js";
import { GroupRow } from "./group-row.js";

const HEADERS = ["Group", "Devices", "Type", "Wanted", "State"];

export class GroupTable {
    constructor(inventory, actions) {
        this.inventory = inventory;
        this.actions = actions;
        this.rows = new Map();
        this.words = [];
        this.element = element("table",
            { class: "pf-c-table iommu-groups pf-m-grid-md", role: "table", "aria-labelledby": "groups" },
            element("thead", { role: "rowgroup" }, element("tr", { role: "row" },
                element("td", { role: "cell" }),
                HEADERS.map(text => element("th", { role: "columnheader", scope: "col" }, text)),
                element("td", { role: "cell" }))));
    }

    /** Everything is new. */
    load() {
        for (const row of this.rows.values())
            row.element.remove();
        this.rows.clear();
        const paths = [...this.inventory.groups.keys()];

        paths.sort((a, b) => this.number(a) - this.number(b));
        this.element.append(...paths.map(path => this.make(path).element));
    }

    number(path) {
        return this.inventory.groups.get(path).Id;
    }

    make(path) {
        const row = new GroupRow(path, this.inventory, this.actions);

        this.rows.set(path, row);
        row.id = this.number(path);
        row.update();
        row.show(this.words);
        return row;
    }

    update(path) {
        const row = this.rows.get(path);

        if (!this.inventory.groups.has(path)) {
            row?.element.remove();
            this.rows.delete(path);
        } else if (row) {
            row.update();
            row.show(this.words);
        } else {
            this.insert(this.make(path));
        }
    }

    insert(row) {
        const after = [...this.rows.values()].filter(other => other !== row && other.id > row.id)
            .sort((a, b) => a.id - b.id)[0];

        this.element.insertBefore(row.element, after?.element ?? null);
    }

    /** Opens the details of the groups with these numbers, and closes those of the others. */
    open(ids) {
        for (const row of this.rows.values())
            if (row.isExpanded() !== ids.has(String(row.id)))
                row.expand(!row.isExpanded());
    }

    /** Opens the details of one group, and puts the focus there. */
    focus(path) {
        const row = this.rows.get(path);

        if (!row)
            return;
        if (!row.isExpanded())
            row.expand(true);
        row.element.scrollIntoView({ block: "nearest" });
        row.toggle.focus();
    }

    /** Shows the rows that have all WORDS, and tells how many these are. */
    filter(words) {
        this.words = words;
        return [...this.rows.values()].filter(row => row.show(words)).length;
    }
}
