// SPDX-License-Identifier: LGPL-2.1-or-later
// The page: its sections, and who is told of what.

import { element } from "./dom.js";
import { GroupTable } from "./group-table.js";

export class Page {
    constructor(service, inventory) {
        this.service = service;
        this.inventory = inventory;
        this.table = new GroupTable(inventory, { changeType: () => null, expanded: () => null });
        this.element = element("section", { class: "pf-c-page__main-section" },
            element("h1", { class: "pf-c-title pf-m-2xl" }, "IOMMU"),
            element("h2", { class: "pf-c-title pf-m-xl", id: "groups" }, "Groups"),
            this.table.element);
        this.listen();
    }

    listen() {
        this.service.addEventListener("appeared", () => this.inventory.load());
        this.inventory.addEventListener("loaded", () => {
            this.table.load();
            document.body.dataset.ready = "true";
        });
        this.inventory.addEventListener("groups", event => this.table.update(event.detail.path));
        this.inventory.addEventListener("devices", event => this.deviceChanged(event.detail.path));
    }

    deviceChanged(path) {
        const group = this.inventory.devices.get(path)?.Group;

        if (this.inventory.groups.has(group))
            this.table.update(group);
    }
}
