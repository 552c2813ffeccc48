// SPDX-License-Identifier: GPL-2.0-or-later
// The versions of one master: a table, the newest first, with the graph of their descent.
import { actionButton } from "./action.js";
import { promote, retire } from "./actions.js";
import { idOf, make } from "./dom.js";
import { count, isoDate, size } from "./format.js";
import { cell, label, numbers, rowHeader, shortCell, tableBody, tableOf, tableRow } from "./parts.js";
import { machineLink } from "./room-row.js";
import { drawRow, graph, width } from "./version-graph.js";

const headers = ["Version", "Channel", "Date", numbers("Own size"), "Machines", "Note", "Actions"];
const colours = { production: "green", test: "blue", back: "grey" };

/** The number of the version on which this one was made; null if it is the first. */
function parentOf(version, versions) {
    return versions.find(v => v.file === version.parent)?.number ?? null;
}

/** [client, disk] pairs of the disks that are on the version; disk is null for the system disk. */
function disksOn(version) {
    return version.disks?.map(({ client, disk }) => [client, disk ?? null]) ??
        version.clients.map(client => [client, null]);
}

function drawMachines(version) {
    const disks = disksOn(version);
    const machines = new Set(disks.map(([client]) => client)).size;

    if (!machines)
        return "none";
    return make("details", {}, make("summary", {}, count(machines, "machine")),
                make("ul", { class: "names" }, disks.map(([client, disk]) =>
                    make("li", {}, make("a", { href: machineLink(client) }, client), disk === null ? "" : ` (disk ${disk})`))));
}

function drawNote({ note, client, disk }, parent) {
    const origin = [client && `from ${client}${disk ? `, disk ${disk}` : ""}`, parent && `made of version ${parent}`];

    return [note && make("div", {}, note),
        origin.some(Boolean) && make("div", { class: "remark" }, origin.filter(Boolean).join("; "))];
}

function drawButtons(name, version, done, describedBy) {
    const number = String(version.number);
    const { channels } = version;
    const needed = disksOn(version).length || channels.includes("production") || channels.includes("test");

    const buttons = [
        !channels.includes("production") && actionButton("Promote…", { ...promote(name, number), done }, { describedBy }),
        !needed && actionButton("Retire…", { ...retire(name, number), done }, { kind: "link", describedBy }),
    ].filter(Boolean);

    return buttons.length > 0 && make("div", { class: "buttons" }, buttons);
}

function drawVersion(name, row, { lanes, parent, done }) {
    const { version } = row;
    const title = rowHeader(headers[0], drawRow(row), make("span", { class: "version-number" }, String(version.number)));

    title.id = idOf("version", name, String(version.number));
    title.classList.add("version");
    title.style.setProperty("--lanes", lanes);
    return tableRow(title,
                    cell(headers[1], version.channels.map(channel => label(channel, colours[channel] ?? "grey"))),
                    shortCell(headers[2], isoDate(version.date)), cell(headers[3], size(version.allocated)),
                    shortCell(headers[4], drawMachines(version)), cell(headers[5], drawNote(version, parent)),
                    cell(headers[6], drawButtons(name, version, done, title.id)));
}

/** done is called after each command. */
export function versionTable(name, versions, done) {
    const rows = graph(versions);
    const lanes = width(rows);

    return tableOf(`Versions of ${name}`, headers,
                   tableBody(rows.map(row => drawVersion(name, row, { lanes, parent: parentOf(row.version, versions), done }))));
}
