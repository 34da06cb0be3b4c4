// SPDX-License-Identifier: LGPL-2.1-or-later
// The rule files in force, what is wrong with those on disk, and what is done with them.

import { button, element, hiddenText } from "./dom.js";
import { listTable } from "./list-table.js";
import { alertBox, errorBox } from "./message.js";
import { checkRules } from "./rule-check.js";
import { MANAGER, ROOT } from "./service.js";

/** The line that compilers print, too. */
function where({ file, line, column }) {
    return [file, line, column].filter(part => part).join(":");
}

function diagnosticsTable(diagnostics) {
    return listTable("Diagnostics", ["Where", "Severity", "What"],
        diagnostics.map(entry => [where(entry), entry.severity, entry.text]), "The rule files are sound.");
}

function applyNodes(results) {
    const title = "Groups that are not settled, or were changed";

    return [
        element("h3", { class: "pf-c-title pf-m-md" }, title),
        listTable(title, ["Group", "State", "Reason"],
            results.map(([id, state, reason]) => [String(id), state, reason || "–"]), ""),
    ];
}

export class Rules {
    constructor(service, inventory) {
        this.service = service;
        this.inventory = inventory;
        this.onDisk = [];
        this.reloaded = [];
        this.reloadButton = button("Reload", "secondary", () => this.reload());
        this.applyButton = button("Apply", "secondary", () => this.apply());
        this.files = element("div");
        this.diagnostics = element("div", { class: "iommu-stack", "aria-live": "polite", "data-diagnostics": true });
        this.results = element("div", { class: "iommu-stack", "aria-live": "polite", "data-results": true });
        this.element = element("section", { class: "pf-c-card", "aria-labelledby": "rules" },
            element("div", { class: "pf-c-card__header" },
                element("h2", { class: "pf-c-title pf-m-xl", id: "rules" }, "Rules"),
                this.reloadButton, this.applyButton),
            element("div", { class: "pf-c-card__body iommu-stack" }, this.results, this.files, this.diagnostics));
    }

    /** How many devices FILE gives their type. */
    count(file) {
        return [...this.inventory.devices.values()].filter(device => device.RuleOrigin.startsWith(`${file}:`)).length;
    }

    update() {
        const rows = this.inventory.manager.RuleFiles.map(file => [file, String(this.count(file))]);
        const shown = JSON.stringify(rows);

        if (shown === this.shown)
            return;
        this.shown = shown;
        this.files.replaceChildren(
            listTable("Rule files in force", ["File", "Devices"], rows, "No rules: nothing is changed by itself."));
    }

    /** What is on disk, which need not be in force. */
    async check() {
        try {
            this.showDiagnostics(await checkRules());
        } catch (error) {
            this.diagnostics.replaceChildren(error.problem === "not-found"
                ? alertBox("info", "The files on disk are not checked: there is no iommuctl.") : errorBox(error));
        }
    }

    showDiagnostics(diagnostics) {
        this.onDisk = diagnostics.map(entry => JSON.stringify(entry));
        this.diagnostics.replaceChildren(
            element("h3", { class: "pf-c-title pf-m-md" }, "The files on disk"), diagnosticsTable(diagnostics));
        this.hideRepetition();
    }

    /** What Reload has just said need not be said again of the same files. */
    hideRepetition() {
        this.diagnostics.hidden = this.onDisk.length > 0 && this.onDisk.every(entry => this.reloaded.includes(entry));
    }

    async run(pressed, method, show) {
        const label = pressed.textContent;

        for (const one of [this.reloadButton, this.applyButton])
            one.disabled = true;
        this.reloaded = [];
        this.hideRepetition();
        this.results.replaceChildren(
            element("p", { role: "status" }, hiddenText(`${label}: `), "The service has been asked."));
        try {
            this.results.replaceChildren(...show(await this.service.change(ROOT, MANAGER, method)));
        } catch (error) {
            this.results.replaceChildren(errorBox(error));
        }
        for (const one of [this.reloadButton, this.applyButton])
            one.disabled = false;
        pressed.focus();
    }

    reload() {
        return this.run(this.reloadButton, "Reload", ([diagnostics]) => {
            const entries = diagnostics.map(([file, line, column, severity, text]) =>
                ({ file, line, column, severity, text }));

            this.reloaded = entries.map(entry => JSON.stringify(entry));
            this.hideRepetition();
            const errors = entries.some(entry => entry.severity === "error");

            return [errors ? alertBox("danger", "A rule file is refused; the rules in force stay.")
                : alertBox("success", "The rule files have been read."),
            entries.length > 0 ? diagnosticsTable(entries) : ""];
        });
    }

    apply() {
        return this.run(this.applyButton, "Apply", ([results]) => [
            results.length === 0 ? alertBox("success", "Everything is settled.") : applyNodes(results),
        ].flat());
    }
}
