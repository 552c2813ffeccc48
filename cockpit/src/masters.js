// SPDX-License-Identifier: GPL-2.0-or-later
// Masters: the versions of each master as a tree.
import { actionButton } from "./action.js";
import { back, publish, publishNew } from "./actions.js";
import { fill, make } from "./dom.js";
import { collator } from "./format.js";
import { card, viewTitle } from "./parts.js";
import { Reading } from "./reading.js";
import { disksOf, masterName } from "./state.js";
import { read } from "./tgt-glue.js";
import { versionTable } from "./versions.js";

/** CLIENT or CLIENT/DISK, with its text. */
function source(client, disk) {
    const on = client.sessions.length ? " (logged in)" : "";

    return disk.name === null ? [client.name, client.name + on]
                              : [`${client.name}/${disk.name}`, `${client.name}, disk ${disk.name}${on}`];
}

/** The disks that pass the test, those of machines that are off first. */
function sources(clients, test) {
    return [...clients.values()].sort((a, b) => Math.sign(a.sessions.length) - Math.sign(b.sessions.length))
            .flatMap(client => disksOf(client)
                    .filter(disk => ["master", "size"].includes(disk.kind) && test(disk))
                    .map(disk => source(client, disk)));
}

/** The masters of all disks of the fleet, as masters/NAME, in order. */
export function mastersOf(clients) {
    return [...new Set([...clients.values()].flatMap(disksOf)
            .map(disk => disk.master).filter(Boolean).map(masterName))].sort(collator.compare);
}

/** One master: its buttons and its versions. */
class Master extends Reading {
    constructor(fleet, name) {
        super("The versions", () => read("versions", "--json", "--", name), versions => this.drawMaster(versions));
        this.fleet = fleet;
        this.name = name;
        this.buttons = make("div", { class: "buttons" });
    }

    drawMaster(versions) {
        fill(this.buttons, this.drawButtons(versions));
        return versions.length ? versionTable(this.name, versions, () => this.again())
                               : make("p", { class: "none" }, "This master has no versions. The first publish makes it version 1.");
    }

    drawButtons(versions) {
        const done = () => this.again();
        const own = () => sources(this.fleet.clients, disk => disk.master && masterName(disk.master) === this.name);

        return [
            // The machines are those of the moment at which the dialog opens.
            own().length > 0 && actionButton("Publish…", { ...publish(this.name, []), get fields() { return publish(null, own()).fields }, done }, { kind: "primary" }),
            versions.some(v => v.channels.includes("back")) && actionButton("Back…", { ...back(this.name), done }),
        ];
    }
}

export class Masters {
    constructor(fleet) {
        this.fleet = fleet;
        this.masters = new Map(); // by name
        this.list = make("div");
        this.element = make("section", { "aria-label": "Masters" });
        fill(this.element, viewTitle("Masters", this.makeNew()), this.list);
        this.showMasters([]);
    }

    makeNew() {
        const action = publishNew([]);
        const all = () => sources(this.fleet.clients, () => true);

        // The machines are those of the moment at which the dialog opens.
        return actionButton("New master…", { ...action, get fields() { return publishNew(all()).fields } });
    }

    update({ changed }) {
        const names = mastersOf(this.fleet.clients);

        if (names.length !== this.masters.size || names.some(n => !this.masters.has(n)))
            this.showMasters(names);
        if (changed.size)
            this.followFleet();
    }

    showMasters(names) {
        this.masters = new Map(names.map(name => [name, this.masters.get(name) ?? new Master(this.fleet, name)]));
        fill(this.list, names.length
            ? names.map(name => this.masters.get(name)).map(master => card([master.name, master.buttons], master.element))
            : make("p", { class: "none" }, "fleet.conf names no master; see fleet.conf(5)."));
    }

    /** Reads the versions of a master again after a change of a disk that descends from one. */
    followFleet() {
        for (const [name, master] of this.masters)
            master.follow(JSON.stringify([...this.fleet.clients.values()].map(client => disksOf(client)
                    .filter(disk => disk.master && masterName(disk.master) === name)
                    .map(disk => [client.name, disk.name, disk.version, disk.wanted]))));
    }
}
