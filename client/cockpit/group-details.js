// SPDX-License-Identifier: LGPL-2.1-or-later
// What is known of one group beyond its row.

import { element } from "./dom.js";

export class GroupDetails {
    constructor(path, inventory) {
        this.path = path;
        this.inventory = inventory;
        this.element = element("div", { class: "iommu-details" });
    }

    refresh() {
        const group = this.inventory.groups.get(this.path);

        this.element.replaceChildren(`Can be set: ${group.SettableTypes.join(", ")}`);
    }
}
