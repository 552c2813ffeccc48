// SPDX-License-Identifier: GPL-2.0-or-later
// The states of a machine, from the most urgent to the calmest.

export const states = {
    error: { label: "error", colour: "red" },
    differs: { label: "differs", colour: "orange" },
    on: { label: "on", colour: "green" },
    off: { label: "off", colour: "grey" },
};

/** The key of a client's state, in states. */
export function stateOf(client) {
    if (problemOf(client))
        return "error";
    if (client.target === "differs" || client.restart)
        return "differs";
    return client.sessions.length ? "on" : "off";
}

/** What keeps the machine from its disk; null if nothing does. */
export function problemOf(client) {
    if (client["child-state"] === "other" || client["child-why"])
        return client["child-why"] ?? "its image is not a child of its master";
    if (client.target === "missing")
        return client.difference ?? "its target is missing; run tgt-glue apply";
    if (client.target === "unknown")
        return "tgtd does not answer";
    if (client.writers > 1)
        return `${client.writers} sessions write to its disk, which damages its file system`;
    return null;
}

/** What a reader should know of the client, in one line; null if nothing. */
export function remarkOf(client) {
    return problemOf(client) ?? client.difference ??
        (client.restart ? "the machine must be restarted" : null);
}

/** Unix time at which the oldest session began; null if unknown. */
export function onSince(client) {
    const times = client.sessions.map(s => s.since).filter(t => t !== null);

    return times.length ? Math.min(...times) : null;
}

/** The number of a version's file, "7"; a file that is no version has its name. */
export function versionName(file) {
    if (!file)
        return "?";
    return /@(\d+)\.[^.]*$/.exec(file)?.[1] ?? file;
}

/** Bytes that the client's own images take. */
export function ownSize(client) {
    return client.disks.reduce((sum, disk) => sum + (disk["disk-use"] ?? 0),
                               client["disk-use"] ?? 0);
}
