// SPDX-License-Identifier: GPL-2.0-or-later
// What a machine's status means: its state, problem, versions and space.

/** From the most urgent to the calmest; urgent: something is to be done. */
export const states = {
    error: { label: "error", many: "errors", colour: "danger", urgent: true },
    differs: { label: "differs", many: "differ", colour: "warning", urgent: true },
    on: { label: "on", colour: "green" },
    unknown: { label: "unknown", colour: "blue" },
    off: { label: "off", colour: "grey" },
};
export const stateOrder = Object.keys(states);

/** The key of a client's state, in states. */
export function stateOf(client) {
    if (problemOf(client))
        return "error";
    if (client.target === "differs" || client.restart)
        return "differs";
    if (isHidden(client))
        return "unknown";
    return client.sessions.length ? "on" : "off";
}

/** Whether the user has no permission to know the machine's target, and so whether it is on. */
function isHidden(client) {
    return client.denied === true && client.target === "unknown";
}

/** What keeps the machine from its disk; null if nothing does, or that is unknown. */
export function problemOf(client) {
    if (client["child-state"] === "other" || client["child-why"])
        return client["child-why"] ?? "its image is not a child of its master";
    if (client.target === "missing")
        return client.difference ?? "its target is missing; type: tgt-glue apply";
    if (client.target === "unknown" && !isHidden(client))
        return "tgtd gives no answer that can be used";
    if (client.writers > 1)
        return `${client.writers} sessions write to its disk, which damages its file system`;
    return null;
}

/** Failed reads, writes and flushes of its disks; null without one.  tgtd's own count is none: it has the logins. */
function errorsOf(client) {
    const failed = disksOf(client).reduce((sum, disk) => sum + (disk["io-errors"] ?? 0), 0);

    return failed ? `reads, writes or flushes of its disk failed: ${failed}; type: journalctl -t vhdfs` : null;
}

/** What a reader should know of the client, in one line; null if nothing. */
export function remarkOf(client) {
    return problemOf(client) ?? errorsOf(client) ?? client.difference ??
        (client.restart ? "the machine must be restarted" : null);
}

/** Unix time at which the oldest session began; null if unknown. */
export function onSince(client) {
    const times = client.sessions.map(s => s.since).filter(t => t !== null && t !== undefined);

    return times.length ? Math.min(...times) : null;
}

/** The client's disks, the system disk first, all with the keys of a data disk. */
export function disksOf(client) {
    return [{ ...client, name: null, kind: "master" }, ...client.disks];
}

/** Whether a disk of the client is on another version than fleet.conf wants. */
export function isBehind(client) {
    return Boolean(client.behind) || client.disks.some(disk => disk.behind);
}

/** Bytes that the client's own images take. */
export function ownSize(client) {
    return disksOf(client).reduce((sum, disk) => sum + (disk["disk-use"] ?? 0), 0);
}

/** Bytes a day that the client's own images grow by; null if unknown. */
export function growthOf(client) {
    const known = disksOf(client).map(disk => disk.growth).filter(g => g !== null && g !== undefined);

    return known.length ? known.reduce((sum, g) => sum + g, 0) : null;
}

/** masters/win11 of masters/win11.vhdx or masters/win11@7.vhdx. */
export function masterName(file) {
    return file.replace(/(@[^/]*)?\.[^./]*$/, "");
}

/** ["win11", "7"] of masters/win11@7.vhdx, ["win11"] of masters/win11.vhdx. */
export function versionParts(file) {
    if (!file)
        return ["?"];
    return [masterName(file).replace(/^masters\//, ""), /@(\d+)\.[^./]*$/.exec(file)?.[1]].filter(Boolean);
}

export function versionText(file) {
    return versionParts(file).join(" ");
}

/** The version that a disk should be on, as short as it can be said beside its own. */
function wantedText({ version, wanted }) {
    return version && wanted && masterName(version) === masterName(wanted) ? versionParts(wanted).at(-1) : versionText(wanted);
}

/** What the disks should be on instead: "wanted: 2, home wanted: 4"; "" if they are. */
export function wantedTexts(client) {
    const texts = client.behind ? [`wanted: ${wantedText(client)}`] : [];

    return [...texts, ...client.disks.filter(disk => disk.behind)
            .map(disk => `${disk.name} wanted: ${wantedText(disk)}`)].join(", ");
}

/** The masters of all disks of a client, as masters/NAME. */
export function mastersOf(client) {
    return disksOf(client).map(disk => disk.master).filter(Boolean).map(masterName);
}
