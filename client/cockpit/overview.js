// SPDX-License-Identifier: LGPL-2.1-or-later
// The head of the page: the daemon, and how many groups need a look.

import { element, setText } from "./dom.js";

const FACTS = {
    Service: manager => `${manager.Version}, ${manager.State}`,
    "Type at boot": manager => manager.BootDefaultType || "not known",
    Pending: manager => String(manager.Pending),
    Identity: manager => String(manager.Identity),
    Forbidden: manager => String(manager.Forbidden),
    Untranslated: manager => String(manager.Untranslated),
};

const MEANINGS = {
    "Type at boot": "The type that the kernel gives to groups by itself",
    Pending: "Groups for which another type is wanted that cannot be set now",
    Identity: "Groups whose DMA is not translated",
    Forbidden: "Groups with a type that a rule forbids",
    Untranslated: "Devices without a group although a rule asks for protection",
};

export class Overview {
    constructor() {
        this.values = {};
        const list = element("dl", { class: "pf-c-description-list" }, Object.keys(FACTS).map(name => {
            this.values[name] = element("dd", { class: "pf-c-description-list__description", "data-fact": name });
            return element("div", { class: "pf-c-description-list__group", title: MEANINGS[name] },
                element("dt", { class: "pf-c-description-list__term" }, name), this.values[name]);
        }));
        this.body = element("div", { class: "pf-c-card__body" }, list);
        this.element = element("section", { class: "pf-c-card", "aria-labelledby": "title" },
            element("div", { class: "pf-c-card__header" },
                element("h1", { class: "pf-c-title pf-m-2xl", id: "title" }, "IOMMU")),
            this.body);
    }

    /** MANAGER: the properties, or null. */
    update(manager) {
        this.body.hidden = !manager;
        if (manager)
            for (const [name, text] of Object.entries(FACTS))
                setText(this.values[name], text(manager));
    }
}
