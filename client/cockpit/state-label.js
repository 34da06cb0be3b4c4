// SPDX-License-Identifier: LGPL-2.1-or-later
// The words for a group that stand in the table, in the tree and in its details.

import { element, setAttribute, setText } from "./dom.js";

const COLOURS = {
    settled: "green",
    pending: "gold",
    changing: "blue",
    failed: "red",
    broken: "red",
    stuck: "red",
};

/** "pending (in-use)", as iommuctl has it. */
export function stateText(group) {
    const reason = group.PendingReason || group.Step;

    return reason ? `${group.State} (${reason})` : group.State;
}

export function orDash(text) {
    return text || "–";
}

export class StateLabel {
    constructor() {
        this.text = element("span", { class: "pf-c-label__content" });
        this.element = element("span", { class: "pf-c-label" }, this.text);
    }

    update(group) {
        const colour = COLOURS[group.State];

        setAttribute(this.element, "class", colour ? `pf-c-label pf-m-${colour}` : "pf-c-label");
        setText(this.text, stateText(group));
    }
}
