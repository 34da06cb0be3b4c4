// SPDX-License-Identifier: LGPL-2.1-or-later
// The daemon on the bus: whether it is there, and calls to it.
/* global cockpit */

export const NAME = "org.iommupolicy1";
export const ROOT = "/org/iommupolicy1";
export const MANAGER = "org.iommupolicy1.Manager";
export const GROUP = "org.iommupolicy1.Group";
export const DEVICE = "org.iommupolicy1.Device";
export const PROPERTIES = "org.freedesktop.DBus.Properties";
export const OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager";

const NOT_RUNNING = "The service is not running; see: systemctl status iommu-policyd";

const BUS = { name: "org.freedesktop.DBus", path: "/org/freedesktop/DBus" };

/** {t: TYPE, v: VALUE} is how Cockpit writes a variant. */
export function plain(dictionary) {
    return Object.fromEntries(Object.entries(dictionary).map(([name, variant]) => [name, variant.v]));
}

/**
 * Events: "appeared" (a connection is there), "vanished", "lost" (Cockpit itself has no bus any more).
 *
 * The name is watched at the bus itself: a channel to a name that nobody has would start the daemon, which may have
 * been stopped on purpose, and ends with "not-found" if that fails.
 */
export class Service extends EventTarget {
    constructor() {
        super();
        this.client = null;
        this.line = Promise.resolve();
    }

    watch() {
        const bus = cockpit.dbus(BUS.name, { bus: "system" });
        const match = { path: BUS.path, interface: BUS.name, member: "NameOwnerChanged", arg0: NAME };

        bus.subscribe(match, (_path, _interface, _member, [, , owner]) => this.setOwner(owner));
        bus.addEventListener("close", () => this.dispatchEvent(new Event("lost")));
        bus.call(BUS.path, BUS.name, "NameHasOwner", [NAME], { type: "s" })
            .then(([owned]) => owned ? this.setOwner(NAME) : this.dispatchEvent(new Event("vanished")))
            .catch(() => this.dispatchEvent(new Event("lost")));
    }

    setOwner(owner) {
        if (this.client)
            this.disconnect();
        if (owner) {
            this.client = cockpit.dbus(NAME, { bus: "system" });
            this.dispatchEvent(new Event("appeared"));
        } else {
            this.dispatchEvent(new Event("vanished"));
        }
    }

    disconnect() {
        this.client.close();
        this.client = null;
    }

    /** The signals of all objects of the daemon, for as long as this connection is there. */
    subscribe(listener) {
        this.client.subscribe({ path_namespace: ROOT }, listener);
    }

    /** Calls METHOD; the result is the list of what it returns. */
    async call(path, interfaceName, method, type = "", values = []) {
        if (!this.client)
            throw new Error(NOT_RUNNING);
        return this.client.call(path, interfaceName, method, values, { type });
    }

    /**
     * As call(), for methods that change something. Where administrative access is on in Cockpit, root calls, who is
     * never asked ("try"); else the user does, and polkit may ask ("i").
     */
    async change(path, interfaceName, method, type = "", values = []) {
        if (!this.client)
            throw new Error(NOT_RUNNING);
        const client = cockpit.dbus(NAME, { bus: "system", superuser: "try" });

        try {
            return await client.call(path, interfaceName, method, values, { type, flags: "i" });
        } finally {
            client.close();
        }
    }

    /** As call(), for what the daemon looks up for each connection one at a time: Plan, GetFindings, GetFeatures. */
    callInTurn(...call) {
        const ended = this.line.then(() => this.call(...call));

        this.line = ended.catch(() => null);
        return ended;
    }
}
