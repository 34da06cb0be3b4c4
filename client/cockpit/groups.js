// SPDX-License-Identifier: LGPL-2.1-or-later
// The groups, as a table or as a tree, with what narrows them down.

import { ChangeDialog } from "./change-dialog.js";
import { DeviceTree } from "./device-tree.js";
import { element, setAttribute, setText } from "./dom.js";
import { GroupTable } from "./group-table.js";
import { onViewChanged, readView, writeView } from "./view-state.js";

export class Groups {
    constructor(service, inventory) {
        const changeType = (path, opener) => new ChangeDialog(path, service, inventory).open(opener);

        this.inventory = inventory;
        this.treeIsOld = true;
        this.state = readView();
        this.table = new GroupTable(inventory, { changeType, expanded: (path, on) => this.expanded(path, on) });
        this.tree = new DeviceTree(inventory, { changeType, showGroup: path => this.showGroup(path) });
        this.shown = element("p", { class: "pf-c-empty-state", role: "status" });
        this.element = element("section", { class: "pf-c-card", "aria-labelledby": "groups" },
            this.makeToolbar(), this.table.element, this.tree.element, this.shown);
        onViewChanged(() => this.follow());
        this.showView();
    }

    makeToolbar() {
        this.filter = element("input", {
            class: "pf-c-form-control iommu-filter", type: "search", placeholder: "Filter",
            "aria-label": "Filter groups", value: this.state.filter,
            oninput: () => this.setState({ filter: this.filter.value }),
        });
        this.buttons = ["table", "tree"].map(view => element("button", {
            type: "button", class: "pf-c-toggle-group__button", "data-view": view,
            onclick: () => this.setState({ view }),
        }, view === "table" ? "Table" : "Tree"));
        return element("div", { class: "pf-c-card__header" },
            element("h2", { class: "pf-c-title pf-m-xl", id: "groups" }, "Groups"), this.filter,
            element("div", { class: "pf-c-toggle-group", role: "group", "aria-label": "View" },
                this.buttons.map(one => element("div", { class: "pf-c-toggle-group__item" }, one))));
    }

    setState(change) {
        Object.assign(this.state, change);
        writeView(this.state);
        this.showView();
    }

    /** The location is another: the back button, or a link. */
    follow() {
        const state = readView();
        const differs = JSON.stringify([state.view, state.filter, [...state.open]]) !==
            JSON.stringify([this.state.view, this.state.filter, [...this.state.open]]);

        if (!differs)
            return;
        this.state = state;
        this.filter.value = state.filter;
        this.showView();
        this.table.open(state.open);
    }

    showView() {
        const { view } = this.state;

        for (const one of this.buttons)
            setAttribute(one, "aria-pressed", String(one.dataset.view === view));
        this.table.element.hidden = view !== "table";
        this.tree.element.hidden = view !== "tree";
        if (view === "tree" && this.treeIsOld)
            this.loadTree();
        this.applyFilter();
    }

    applyFilter() {
        const words = this.state.filter.toLowerCase().split(/\s+/).filter(word => word);
        const count = this[this.state.view].filter(words);

        this.shown.hidden = !this.inventory.loaded || count > 0 || words.length === 0;
        setText(this.shown, this.shown.hidden ? "" : "Nothing here has these words.");
    }

    expanded(path, on) {
        const id = String(this.inventory.groups.get(path).Id);

        if (this.state.open.has(id) === on)
            return;
        this.state.open[on ? "add" : "delete"](id);
        writeView(this.state);
    }

    showGroup(path) {
        this.filter.value = "";
        this.setState({ view: "table", filter: "" });
        this.table.focus(path);
    }

    load() {
        this.table.load();
        this.table.open(this.state.open);
        this.treeIsOld = true;
        this.showView();
    }

    loadTree() {
        this.treeIsOld = false;
        this.tree.load();
    }

    /** Devices have come or gone. They do so in crowds: the tree is made when it is to be seen, once for all. */
    treeChanged() {
        if (this.state.view === "tree" && !this.treeIsOld)
            window.requestAnimationFrame(() => this.showView());
        this.treeIsOld = true;
    }

    groupChanged(path) {
        this.table.update(path);
        this.tree.updateGroup(path);
    }

    deviceChanged(path) {
        const device = this.inventory.devices.get(path);

        if (!device || device.Group === "/" || !this.tree.rows.has(path))
            this.treeChanged();
        else
            this.tree.update(path);
        if (this.inventory.groups.has(device?.Group))
            this.table.update(device.Group);
    }
}
