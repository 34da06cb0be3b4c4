// SPDX-License-Identifier: LGPL-2.1-or-later
// What the daemon shows: its own properties, groups and devices, kept as they are by its signals.

import { DEVICE, GROUP, MANAGER, OBJECT_MANAGER, PROPERTIES, ROOT, plain } from "./service.js";

/**
 * Events: "loaded" (everything is new), "manager", "reloaded", "groups" and "devices" (`detail.path` is new, other,
 * or gone).
 */
export class Inventory extends EventTarget {
    constructor(service) {
        super();
        this.service = service;
        this.clear();
    }

    clear() {
        this.loaded = false;
        this.manager = {};
        this.groups = new Map();
        this.devices = new Map();
    }

    /** Signals that come before the reply are in it already: the daemon has sent them before. */
    async load() {
        const client = this.service.client;

        this.clear();
        this.service.subscribe((path, _interface, member, values) => {
            if (this.loaded && client === this.service.client)
                this.take(path, member, values);
        });
        const [[objects], [manager]] = await Promise.all([
            this.service.call(ROOT, OBJECT_MANAGER, "GetManagedObjects"),
            this.service.call(ROOT, PROPERTIES, "GetAll", "s", [MANAGER]),
        ]);
        if (client !== this.service.client)
            return;
        this.manager = plain(manager);
        for (const [path, interfaces] of Object.entries(objects))
            this.add(path, interfaces);
        this.loaded = true;
        this.dispatchEvent(new Event("loaded"));
    }

    add(path, interfaces) {
        if (interfaces[GROUP])
            this.groups.set(path, plain(interfaces[GROUP]));
        if (interfaces[DEVICE])
            this.devices.set(path, plain(interfaces[DEVICE]));
    }

    tell(kind, path) {
        this.dispatchEvent(new CustomEvent(kind, { detail: { path } }));
    }

    take(path, member, values) {
        if (member === "PropertiesChanged") {
            this.change(path, values[0], plain(values[1]));
        } else if (member === "InterfacesAdded") {
            this.add(values[0], values[1]);
            this.tellInterfaces(values[0], Object.keys(values[1]));
        } else if (member === "InterfacesRemoved") {
            this.groups.delete(values[0]);
            this.devices.delete(values[0]);
            this.tellInterfaces(values[0], values[1]);
        } else if (member === "Reloaded") {
            this.dispatchEvent(new Event("reloaded"));
        }
    }

    tellInterfaces(path, interfaces) {
        if (interfaces.includes(GROUP))
            this.tell("groups", path);
        if (interfaces.includes(DEVICE))
            this.tell("devices", path);
    }

    change(path, interfaceName, properties) {
        if (interfaceName === MANAGER) {
            Object.assign(this.manager, properties);
            this.dispatchEvent(new Event("manager"));
            return;
        }
        const [kind, objects] = interfaceName === GROUP ? ["groups", this.groups] : ["devices", this.devices];

        if (objects.has(path)) {
            Object.assign(objects.get(path), properties);
            this.tell(kind, path);
        }
    }

    /** The only property of the manager that no signal tells of. */
    async lookAtFiles() {
        const [changed] = await this.service.call(ROOT, PROPERTIES, "Get", "ss", [MANAGER, "RulesChangedOnDisk"]);

        this.manager.RulesChangedOnDisk = changed.v;
        this.dispatchEvent(new Event("manager"));
    }

    members(group) {
        return group.Devices.map(path => this.devices.get(path)).filter(device => device);
    }
}
