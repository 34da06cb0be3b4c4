// SPDX-License-Identifier: LGPL-2.1-or-later
// The page: its sections, and who is told of what.
/* global cockpit */

import { Banners } from "./banners.js";
import { element } from "./dom.js";
import { Groups } from "./groups.js";
import { messageOf } from "./message.js";
import { Overview } from "./overview.js";
import { watchRules } from "./rule-check.js";
import { Rules } from "./rules.js";

export class Page {
    constructor(service, inventory) {
        this.service = service;
        this.inventory = inventory;
        this.state = { lost: false, missing: false, failure: null };
        this.overview = new Overview();
        this.groups = new Groups(service, inventory);
        this.rules = new Rules(service, inventory);
        this.banners = new Banners(() => this.rules.reload());
        this.element = element("div", { class: "pf-c-page__main-section" },
            this.overview.element, this.banners.element, this.groups.element, this.rules.element);
        this.listenToService();
        this.listenToInventory();
        watchRules(() => Promise.all([this.lookAtFiles(), this.rules.check()]));
        this.show();
    }

    listenToService() {
        this.service.addEventListener("appeared", () => this.load());
        this.service.addEventListener("vanished", () => {
            this.inventory.clear();
            this.show({ missing: true, failure: null });
        });
        this.service.addEventListener("lost", () => this.show({ lost: true }));
        cockpit.addEventListener("visibilitychange", () => cockpit.hidden || this.lookAtFiles());
    }

    listenToInventory() {
        this.inventory.addEventListener("loaded", () => this.loaded());
        this.inventory.addEventListener("manager", () => this.show());
        this.inventory.addEventListener("reloaded", () => {
            this.lookAtFiles();
            this.rules.check();
        });
        this.inventory.addEventListener("groups", event => {
            this.groups.groupChanged(event.detail.path);
            this.show();
        });
        this.inventory.addEventListener("devices", event => {
            this.groups.deviceChanged(event.detail.path);
            this.rules.update();
        });
    }

    async load() {
        this.show({ missing: false, failure: null });
        try {
            await this.inventory.load();
        } catch (error) {
            if (!this.state.missing)
                this.show({ failure: messageOf(error) });
        }
    }

    loaded() {
        this.groups.load();
        this.rules.check();
        this.show();
        document.body.dataset.ready = "true";
    }

    /** A daemon that has just gone tells it by its name on the bus. */
    lookAtFiles() {
        return this.inventory.loaded ? this.inventory.lookAtFiles().catch(() => null) : null;
    }

    show(change) {
        Object.assign(this.state, change);
        const { loaded, manager, groups } = this.inventory;

        this.banners.update({ ...this.state, manager: loaded ? manager : null, groups: groups.size });
        this.overview.update(loaded ? manager : null);
        this.groups.element.hidden = !loaded || groups.size === 0;
        this.rules.element.hidden = !loaded;
        if (loaded)
            this.rules.update();
    }
}
