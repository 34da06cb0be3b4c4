// SPDX-License-Identifier: LGPL-2.1-or-later
// What has to be known before anything else on the page.

import { button, element } from "./dom.js";
import { alertBox } from "./message.js";

/** name: [is it so, kind, title (null: the failure), what to do, label of a button]. */
const BANNERS = {
    lost: [state => state.lost, "danger", "Cockpit has no connection to the system bus", "Reload the page."],
    missing: [
        state => !state.lost && state.missing, "danger", "The service is not running",
        "Start it with 'systemctl start iommu-policyd'. The page goes on by itself as soon as it is there.",
    ],
    failed: [state => state.failure, "danger", null],
    disabled: [
        state => state.manager?.State === "disabled", "warning", "Nothing is changed on this boot",
        "This is a kdump kernel, or iommu_policy=off is on the kernel command line.",
    ],
    frozen: [
        state => state.manager?.State === "frozen", "danger", "A rule file is refused",
        "Nothing is relaxed or unbound until it is sound. What is wrong stands below, at the rules.",
    ],
    changed: [
        state => state.manager?.RulesChangedOnDisk, "warning", "The rule files have changed since they were read",
        "What they say is not what is in force.", "Reload",
    ],
    stale: [
        state => state.manager?.InitramfsStale, "warning", "The initramfs has other rules than those on disk",
        "The next boot begins with the old ones. To reload the rules names the command that builds it anew.",
    ],
    none: [
        state => state.manager && state.groups === 0, "info", "No IOMMU groups",
        "The IOMMU is off, or there is none; 'iommuctl doctor' says which, and what to do.",
    ],
};

export class Banners {
    /** RELOAD: reads the rules again. */
    constructor(reload) {
        this.reload = reload;
        this.shown = {};
        this.element = element("div", { class: "iommu-banners", role: "region", "aria-label": "Notices",
            "aria-live": "polite" });
    }

    /** A box that stays is left as it is, so that it is not read aloud again. */
    update(state) {
        for (const [name, [holds, kind, title, advice, label]] of Object.entries(BANNERS)) {
            const text = holds(state) ? title ?? state.failure : null;

            if (text === (this.shown[name]?.text ?? null))
                continue;
            this.shown[name]?.box.remove();
            this.shown[name] = text === null ? null : { text, box: this.make(name, kind, text, advice, label) };
            if (text !== null)
                this.element.append(this.shown[name].box);
        }
    }

    make(name, kind, title, advice, label) {
        const box = alertBox(kind, title, advice, { "data-banner": name });

        if (label)
            box.append(element("div", { class: "pf-c-alert__action" }, button(label, "link", this.reload,
                { class: "pf-c-button pf-m-link pf-m-inline", "aria-label": `${label} the rules` })));
        return box;
    }
}
