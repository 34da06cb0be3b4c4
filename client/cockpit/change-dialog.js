// SPDX-License-Identifier: LGPL-2.1-or-later
// The dialog in which the type of a group is changed: what to, what that would do, and how it goes.
/* global cockpit */

import { Dialog } from "./dialog.js";
import { button, element, freshId, setText } from "./dom.js";
import { alertBox, errorBox } from "./message.js";
import { planNodes } from "./plan-view.js";
import { GROUP } from "./service.js";
import { TYPES } from "./words.js";

const IN_USE = "org.iommupolicy1.Error.InUse";

/** What can be asked for, and what is to be known of it. */
function choices(group) {
    const notes = type => [
        TYPES[type],
        type === "auto" ? "what the kernel would choose" : null,
        type === group.Type ? "the type now" : null,
        type === group.WantedType ? `wanted by ${group.WantedBy}` : null,
        group.LiveTypes.includes(type) ? "without unbinding" : null,
    ].filter(note => note).join("; ");
    const types = group.SettableTypes.map(type => [type, type, notes(type)]);

    if (group.WantedBy.startsWith("call:"))
        types.push(["", "Back to the rules", `drops what ${group.WantedBy} asked for`]);
    return types;
}

function field(kind, label, note, attributes) {
    const id = freshId(kind);
    const input = element("input", {
        type: kind, class: `pf-c-${kind === "radio" ? "radio" : "check"}__input`, id,
        "aria-describedby": note ? `${id}-note` : null, ...attributes,
    });

    return [input, element("div", { class: kind === "radio" ? "pf-c-radio" : "pf-c-check" }, input,
        element("label", { class: "pf-c-check__label", for: id }, label),
        note ? element("span", { class: "pf-c-check__description", id: `${id}-note` }, note) : null)];
}

export class ChangeDialog {
    constructor(path, service, inventory) {
        this.path = path;
        this.service = service;
        this.inventory = inventory;
        this.allowed = new Set();
        this.asked = 0;
        this.running = false;
        const group = this.group();

        this.dialog = new Dialog(`Change the type of group ${group.Id}`);
        this.dialog.body.append(this.makeForm(group), this.makePlan(), this.makeProgress());
        this.makeFooter();
        this.listener = event => this.groupChanged(event.detail.path);
        inventory.addEventListener("groups", this.listener);
        this.dialog.element.addEventListener("close", () => inventory.removeEventListener("groups", this.listener));
    }

    group() {
        return this.inventory.groups.get(this.path);
    }

    open(opener) {
        this.dialog.open(opener);
        const inputs = [...this.types.querySelectorAll("input")];

        (inputs.find(input => input.checked) ?? inputs[0]).focus();
        if (this.type() !== null)
            this.plan();
    }

    makeForm(group) {
        const name = freshId("type");
        const radios = choices(group).map(([type, label, note]) =>
            field("radio", label, note, {
                name, value: type, checked: type === group.WantedType && type !== group.Type,
                onchange: () => this.choose(),
            })[1]);
        const [unbind, unbindField] = field("checkbox", "Only without unbinding a driver", null,
            { onchange: () => this.plan() });
        const [persist, persistField] = field("checkbox", "Also write a rule file, so that it holds after a reboot");
        const reasonId = freshId("reason");

        Object.assign(this, { unbind, persist, persistField });
        this.reason = element("input", { class: "pf-c-form-control", id: reasonId, type: "text", autocomplete: "off" });
        this.types = element("fieldset", { class: "iommu-fieldset" },
            element("legend", { class: "pf-c-title pf-m-md" }, "Type"), radios);
        this.form = element("form", { class: "pf-c-form", onsubmit: event => this.submit(event), id: freshId("form") },
            this.devices(group), this.types,
            element("div", null, unbindField, persistField),
            element("div", null,
                element("label", { class: "pf-c-form__label", for: reasonId },
                    "Reason, for the journal and the rule file"),
                this.reason));
        return this.form;
    }

    devices(group) {
        return element("p", { class: "iommu-small" },
            this.inventory.members(group).map(device => `${device.Name} ${device.ModelName}`.trim()).join(", "));
    }

    makePlan() {
        this.planBody = element("div", { class: "iommu-stack", "aria-live": "polite", "data-plan": true });
        this.planSection = element("section", { class: "iommu-stack", hidden: true },
            element("h3", { class: "pf-c-title pf-m-md" }, "What would be done"), this.planBody);
        return this.planSection;
    }

    makeProgress() {
        const id = freshId("allow");

        this.more = element("input", { class: "pf-c-form-control", id, type: "text", autocomplete: "off" });
        this.moreField = element("div", { hidden: true },
            element("label", { class: "pf-c-form__label", for: id }, "Allow also these findings, by their ids"),
            this.more);
        this.progress = element("div", { class: "iommu-progress", role: "status" });
        this.outcome = element("div", { class: "iommu-stack" });
        return element("div", { class: "iommu-stack" }, this.progress, this.outcome, this.moreField);
    }

    makeFooter() {
        this.change = button("Change", "primary", null, { type: "submit", form: this.form.id, disabled: true });
        this.cancel = button("Cancel", "link", () => this.dialog.close());
        this.dialog.footer.append(this.change, this.cancel);
    }

    /** null: none is chosen. */
    type() {
        return this.types.querySelector("input:checked")?.value ?? null;
    }

    choose() {
        this.allowed.clear();
        this.persistField.hidden = this.type() === "";
        this.plan();
    }

    options() {
        const options = {};

        if (this.unbind.checked)
            options.unbind = cockpit.variant("s", "never");
        if (this.allowed.size > 0)
            options.allow = cockpit.variant("as", [...this.allowed]);
        return options;
    }

    /** Asks for the plan; only the answer to the last question is shown. */
    async plan() {
        this.asked += 1;
        const asked = this.asked;

        if (this.type() === null)
            return;
        this.change.disabled = true;
        this.planSection.hidden = false;
        this.planBody.setAttribute("aria-busy", "true");
        try {
            const plan = await this.service.callInTurn(this.path, GROUP, "Plan", "sa{sv}",
                [this.type(), this.options()]);

            if (asked === this.asked)
                this.showPlan(plan);
        } catch (error) {
            if (asked === this.asked)
                this.planBody.replaceChildren(errorBox(error));
        }
        if (asked === this.asked)
            this.planBody.removeAttribute("aria-busy");
    }

    showPlan(plan) {
        const focused = this.planBody.contains(document.activeElement) ? document.activeElement.value : null;

        this.planBody.replaceChildren(...planNodes(this.type(), plan, this.allowed, (id, on) => {
            this.allowed[on ? "add" : "delete"](id);
            this.plan();
        }));
        if (focused !== null)
            [...this.planBody.querySelectorAll("input")].find(input => input.value === focused)?.focus();
        this.change.disabled = plan[3] !== "";
    }

    groupChanged(path) {
        if (path !== this.path)
            return;
        if (!this.group())
            this.gone();
        else if (this.running)
            this.showStep();
        else if (!this.done)
            this.plan();
    }

    gone() {
        this.asked += 1;
        this.enable(false);
        if (!this.running)
            this.outcome.replaceChildren(alertBox("warning", "The group has gone.", null, { role: "alert" }));
    }

    enable(on) {
        for (const input of this.dialog.body.querySelectorAll("input"))
            input.disabled = !on;
        this.change.disabled = true;
    }

    showStep() {
        const step = this.group().Step;

        if (step)
            setText(this.progress, step);
    }

    async submit(event) {
        event.preventDefault();
        if (this.change.disabled || this.running)
            return;
        const values = [this.type(), { ...this.options(), ...this.optionsOfSet() }];
        const before = String(this.group().LastResult);

        this.begin();
        try {
            const [effective] = await this.service.change(this.path, GROUP, "SetType", "sa{sv}", values);

            this.succeed(effective, before);
        } catch (error) {
            this.fail(error);
        }
    }

    /** What Plan does not take, and findings that only the last look has seen: they stand in its error alone. */
    optionsOfSet() {
        const options = {};
        const more = this.more.value.split(/[\s,]+/).filter(id => id);

        if (more.length > 0)
            options.allow = cockpit.variant("as", [...this.allowed, ...more]);
        if (this.persist.checked && this.type() !== "")
            options.persist = cockpit.variant("b", true);
        if (this.reason.value)
            options.reason = cockpit.variant("s", this.reason.value);
        return options;
    }

    begin() {
        this.running = true;
        this.asked += 1;
        this.enable(false);
        this.outcome.replaceChildren();
        setText(this.cancel, "Close");
        this.cancel.focus();
        setText(this.progress, "The service has been asked.");
        this.progress.classList.add("pf-m-running");
        this.progress.scrollIntoView({ block: "nearest" });
    }

    end() {
        this.running = false;
        setText(this.progress, "");
        this.progress.classList.remove("pf-m-running");
    }

    /** What the change left to see to stands in the last result, as iommuctl tells it. */
    succeed(effective, before) {
        const group = this.group();
        const note = group && String(group.LastResult) !== before ? group.LastResult[3] : "";

        this.end();
        this.done = true;
        this.form.hidden = true;
        this.moreField.hidden = true;
        this.planSection.hidden = true;
        this.change.hidden = true;
        this.outcome.replaceChildren(
            alertBox("success", group ? `Group ${group.Id}: ${effective}` : effective, note, { role: "status" }));
        if (group?.State === "pending")
            this.outcome.append(alertBox("warning", `pending: ${group.PendingReason}`));
    }

    fail(error) {
        this.end();
        setText(this.cancel, "Cancel");
        this.outcome.replaceChildren(errorBox(error));
        this.moreField.hidden = error.name !== IN_USE;
        this.outcome.parentNode.scrollIntoView({ block: "end" });
        if (this.group()) {
            this.enable(true);
            this.plan();
        }
    }
}
