// SPDX-License-Identifier: GPL-2.0-or-later
// Masters: the versions of each master as a tree.
import { actionButton } from "./action.js";
import { back, publish, publishNew } from "./actions.js";
import { fill, make, refill, setText } from "./dom.js";
import { collator, size } from "./format.js";
import { MasterList } from "./master-list.js";
import { card, viewTitle } from "./parts.js";
import { Reading } from "./reading.js";
import { disksOf, masterName, mastersOf } from "./state.js";
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
export function mastersOfFleet(clients) {
    return [...new Set([...clients.values()].flatMap(mastersOf))].sort(collator.compare);
}

/** One master: its buttons and its versions. */
class Master extends Reading {
    constructor(fleet, name, list) {
        super("The versions", () => read("versions", "--json", "--", name), versions => this.drawMaster(versions));
        this.fleet = fleet;
        this.name = name;
        this.list = list;
        this.buttons = make("div", { class: "buttons" });
        this.plain = make("p", { class: "none" }); // of a master without versions
    }

    /** The versions have changed, and so has the list of all masters. */
    changed() {
        this.list.again();
        this.again();
    }

    drawMaster(versions) {
        this.showPlain();
        refill(this.buttons, this.drawButtons(versions));
        return [
            this.isUnnamed() && make("p", { class: "remark" }, "No disk of fleet.conf has this master."),
            versions.length ? versionTable(this.name, versions, () => this.changed())
                            : this.plain,
        ];
    }

    isUnnamed() {
        return !mastersOfFleet(this.fleet.clients).includes(this.name);
    }

    /** Says what a master without versions takes, once that is known. */
    showPlain() {
        const takes = this.list.sizeOf(this.name);

        setText(this.plain, [
            takes === null ? "This master has no versions." : `This master has no versions; its image takes ${size(takes)}.`,
            this.isUnnamed() ? "" : "The first publish makes it version 1."].join(" ").trim());
    }

    drawButtons(versions) {
        const done = () => this.changed();
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
        this.all = new MasterList(() => this.listed());
        this.list = make("div");
        this.element = make("section", { "aria-label": "Masters" });
        fill(this.element, viewTitle("Masters", this.makeNew()), this.list);
        this.showMasters([]);
    }

    makeNew() {
        const action = { ...publishNew([]), done: () => this.all.again() };
        const all = () => sources(this.fleet.clients, () => true);

        // The machines are those of the moment at which the dialog opens.
        return actionButton("New master…", { ...action, get fields() { return publishNew(all()).fields } });
    }

    /** Called when the view is shown again: not all that versions tell is in a status. */
    readAgain() {
        this.all.again();
        this.masters.forEach(master => master.again());
    }

    update({ changed }) {
        const { masters: bytes } = this.fleet.status.images;
        const named = mastersOfFleet(this.fleet.clients);
        const names = [...new Set([...named, ...this.all.unnamed()])].sort(collator.compare);

        this.all.follow(named, bytes);
        if (names.length !== this.masters.size || names.some(n => !this.masters.has(n)))
            this.showMasters(names);
        if (changed.size || bytes !== this.bytes || names.some(name => !this.masters.get(name).facts))
            this.followFleet(bytes);
        this.bytes = bytes;
    }

    /** The list of all masters is another one. */
    listed() {
        this.update({ changed: new Set() });
        this.masters.forEach(master => master.showPlain());
    }

    showMasters(names) {
        this.masters = new Map(names.map(name => [name, this.masters.get(name) ?? new Master(this.fleet, name, this.all)]));
        fill(this.list, names.length
            ? names.map(name => this.masters.get(name)).map(master => card([master.name, master.buttons], master.element))
            : make("p", { class: "none" }, "The store has no master, and fleet.conf names none; see fleet.conf(5)."));
    }

    /**
     * Reads the versions of a master again after a change of a disk that descends
     * from one, or of the bytes that all versions take.
     */
    followFleet(bytes) {
        for (const [name, master] of this.masters)
            master.follow(JSON.stringify([bytes, [...this.fleet.clients.values()].map(client => disksOf(client)
                    .filter(disk => disk.master && masterName(disk.master) === name)
                    .map(disk => [client.name, disk.name, disk.version, disk.wanted]))]));
    }
}
