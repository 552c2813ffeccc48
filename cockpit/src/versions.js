// SPDX-License-Identifier: GPL-2.0-or-later
// The versions of one master: a table in the order of the tree.
import { actionButton } from "./action.js";
import { promote, retire } from "./actions.js";
import { make, newId } from "./dom.js";
import { count, isoDate, size } from "./format.js";
import { cell, label, rowHeader, shortCell, tableBody, tableOf, tableRow } from "./parts.js";
import { machineLink } from "./room-row.js";

const headers = ["Version", "Channel", "Date", "Own size", "Machines", "Note", "Actions"];
const colours = { production: "green", test: "blue", back: "grey" };

/**
 * [version, depth] pairs in the order of the tree: a version, its branches one
 * step deeper, and then its newest child, which goes on at the same depth.
 */
export function tree(versions) {
    const files = new Set(versions.map(v => v.file));
    const from = (version, depth) => {
        const children = versions.filter(v => v.parent === version.file);
        const newest = children.pop();

        return [[version, depth], ...children.flatMap(child => from(child, depth + 1)),
            ...(newest ? from(newest, depth) : [])];
    };

    return versions.filter(v => !files.has(v.parent)).flatMap(v => from(v, 0));
}

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

    return make("div", { class: "buttons" },
                !channels.includes("production") && actionButton("Promote…", { ...promote(name, number), done }, { describedBy }),
                !needed && actionButton("Retire…", { ...retire(name, number), done }, { kind: "link", describedBy }));
}

function drawVersion(name, version, { depth, parent, done }) {
    const place = make("span", { style: { "--depth": depth }, class: depth ? "version branch" : "version" }, String(version.number));
    const title = rowHeader(headers[0], place);

    title.id = newId("version");
    return tableRow(title,
                    cell(headers[1], version.channels.map(channel => label(channel, colours[channel] ?? "grey"))),
                    shortCell(headers[2], isoDate(version.date)), shortCell(headers[3], size(version.allocated)),
                    shortCell(headers[4], drawMachines(version)), cell(headers[5], drawNote(version, parent)),
                    cell(headers[6], drawButtons(name, version, done, title.id)));
}

/** done is called after each command. */
export function versionTable(name, versions, done) {
    return tableOf(`Versions of ${name}`, headers,
                   tableBody(tree(versions).map(([version, depth]) =>
                       drawVersion(name, version, { depth, parent: parentOf(version, versions), done }))));
}
