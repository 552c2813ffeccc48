// SPDX-License-Identifier: GPL-2.0-or-later
// Masters: the versions of each master as a tree.
import { actionButton } from "./action.js";
import { fill, make } from "./dom.js";
import { count, date, size } from "./format.js";
import { failedState, loadingState, table } from "./parts.js";
import { read } from "./tgt-glue.js";

/** masters/win11 of masters/win11.vhdx or masters/win11@test.vhdx. */
function masterName(file) {
    return file.replace(/(@[^/]*)?\.[^./]*$/, "");
}

/** [version, depth] with children after their parents. */
function tree(versions, parent = null, depth = 0) {
    const files = new Set(versions.map(v => v.file));

    return versions.filter(v => parent === null ? !files.has(v.parent) : v.parent === parent)
            .flatMap(v => [[v, depth], ...tree(versions, v.file, depth + 1)]);
}

export class Masters {
    constructor(fleet) {
        this.fleet = fleet;
        this.masters = new Map(); // name: element
        this.element = make("section", { "aria-label": "Masters" });
    }

    update() {
        const names = [...new Set([...this.fleet.clients.values()]
                .flatMap(c => [c.master, ...c.disks.map(d => d.master)])
                .filter(Boolean).map(masterName))].sort();

        if (names.length === this.masters.size && names.every(n => this.masters.has(n)))
            return;
        this.masters = new Map(names.map(name => [name, make("div")]));
        fill(this.element, names.length
            ? names.map(name => [make("h2", { class: "pf-v6-c-title pf-m-xl" }, name), this.masters.get(name)]).flat()
            : make("p", {}, "fleet.conf names no master; see fleet.conf(5)."));
        names.forEach(name => this.readMaster(name));
    }

    async readMaster(name) {
        const element = this.masters.get(name);

        if (!element.firstChild)
            fill(element, loadingState("Reading the versions"));
        try {
            const versions = await read("versions", "--json", "--", name);

            fill(element, this.masterButtons(name, versions),
                 versions.length ? this.versionTable(name, versions)
                                 : make("p", {}, "This master has no versions. The first publish makes it version 1."));
        } catch (error) {
            fill(element, failedState("The versions cannot be read", error.message));
        }
    }

    masterButtons(name, versions) {
        const done = () => this.readMaster(name);
        const clients = [...this.fleet.clients.values()]
                .filter(c => c.master && masterName(c.master) === name).map(c => c.name);
        const buttons = [
            clients.length && actionButton("Publish…", {
                title: "Publish a machine's disk",
                text: "The disk of a machine that is logged out and cleanly shut down becomes the next version, under test.",
                fields: [{ name: "client", label: "Machine", choices: clients }, { name: "note", label: "Note", optional: true }],
                args: f => ["publish", ...(f.note ? [`--note=${f.note}`] : []), "--", f.client, name],
                done,
            }, "primary"),
            versions.some(v => v.channels.includes("back")) && actionButton("Back…", {
                title: "Go one step back",
                text: "Production is again the version before.",
                args: () => ["promote", "--back", "--", name],
                done,
            }),
        ];

        return make("div", { class: "buttons" }, buttons);
    }

    versionTable(name, versions) {
        return table(`Versions of ${name}`, ["Version", "Channel", "Date", "Own size", "Machines", "Note", ""],
                     tree(versions).map(([version, depth]) => this.versionRow(name, version, depth)));
    }

    versionRow(name, version, depth) {
        const done = () => this.readMaster(name);
        const number = String(version.number);
        const production = version.channels.includes("production");

        return [
            make("span", { style: { "--depth": depth }, class: "version" }, number),
            version.channels.map(channel => make("span", { class: `pf-v6-c-label pf-m-compact ${channel === "production" ? "pf-m-green" : "pf-m-blue"}` },
                                                 make("span", { class: "pf-v6-c-label__content" }, channel))),
            date(Date.parse(version.date) / 1000), size(version.allocated),
            version.clients.length
                ? make("details", {}, make("summary", {}, count(version.clients.length, "machine")), version.clients.join(", "))
                : "none",
            version.note,
            make("div", { class: "buttons" },
                 !production && actionButton("Promote…", {
                     title: `Promote version ${number}`,
                     text: "Production is this version from now on. Machines that are logged in go on as they are.",
                     args: () => ["promote", "--", name, number],
                     done,
                 }),
                 !version.clients.length && !version.channels.length && actionButton("Retire…", {
                     title: `Retire version ${number}`,
                     text: "The version is removed. It is refused if a machine needs it.",
                     danger: true,
                     args: () => ["retire", "--", name, number],
                     done,
                 })),
        ];
    }
}
