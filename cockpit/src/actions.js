// SPDX-License-Identifier: GPL-2.0-or-later
// What can be done, as commands of tgt-glue.  Options come before "--", names after.

const note = { name: "note", label: "Note", optional: true };
const noteOption = value => value ? [`--note=${value}`] : [];
const diskOption = disk => disk ? [`--disk=${disk}`] : [];
const named = disk => disk ? `the disk ${disk}` : "the system disk";

export function snapshot(client, disk) {
    return {
        title: "Take a snapshot",
        text: `The present state of ${named(disk)} of ${client} gets a name. The machine goes on.`,
        fields: [{ name: "snapshot", label: "Name" }, note],
        args: f => ["snapshot", ...diskOption(disk), ...noteOption(f.note), "--", f.snapshot, client],
    };
}

export function keep(client, disk) {
    return {
        title: "Keep the state",
        text: `Resets of ${named(disk)} of ${client} go back to the present state, until the master changes. Shut the machine down first.`,
        fields: [note],
        offline: true,
        args: f => ["keep", ...diskOption(disk), ...noteOption(f.note), "--", client],
    };
}

export function reset(client, disk) {
    return {
        title: "Reset the disk",
        text: `${disk ? `The disk ${disk}` : "The system disk"} of ${client} goes back to its master, or to the kept state. What it has now is put aside. The machine must be logged out.`,
        danger: true,
        offline: true,
        args: () => ["reset", ...diskOption(disk), "--", client],
    };
}

export function endSession(client) {
    return {
        title: "End the session",
        text: `The connection of ${client} to its disk is closed. A machine that runs can log in again at once; what it has not written yet may be lost.`,
        danger: true,
        args: () => ["end-session", "--", client],
    };
}

export function revert(client, { which, disk }) {
    return {
        title: `Revert to ${which}`,
        text: `${named(disk)} of ${client} goes back to this snapshot, which stays. What it has now is put aside. The machine must be logged out.`.replace(/^t/, "T"),
        danger: true,
        offline: true,
        args: () => ["revert", ...diskOption(disk), "--", which, client],
    };
}

export function restore(client, { which, disk }) {
    return {
        title: `Restore ${which}`,
        text: `${named(disk)} of ${client} is again as it was. What it has now is put aside. The machine must be logged out.`.replace(/^t/, "T"),
        danger: true,
        offline: true,
        args: () => ["restore", ...diskOption(disk), "--", client, which],
    };
}

export function removeState(client, { which, disk }) {
    return {
        title: `Remove ${which}`,
        text: `This state of ${named(disk)} of ${client} is removed for good. What another state needs of it is copied there.`,
        danger: true,
        args: () => ["disks", "--remove", ...diskOption(disk), "--", client, which],
    };
}

const publishText = "The disk of a machine that is logged out and shut down cleanly becomes the next version, under test. The machine goes on with the same disk.";
const unclean = { name: "unclean", label: "Also if a file system was not unmounted (--unclean)", mark: true };

/** Publishes a disk; sources: [value, text] pairs, a value is CLIENT or CLIENT/DISK. */
export function publish(master, sources) {
    return {
        title: "Publish a machine's disk",
        text: publishText,
        fields: [{ name: "source", label: "Machine", choices: sources }, note, unclean],
        args: f => publishArgs(f, master),
    };
}

/** As publish, as version 1 of a master with a new name. */
export function publishNew(sources) {
    return {
        title: "Publish a new master",
        text: `${publishText} It is version 1 of a master with a new name.`,
        fields: [{ name: "source", label: "Machine", choices: sources }, { name: "master", label: "Name of the master" }, note, unclean],
        args: f => publishArgs(f, f.master),
    };
}

function publishArgs({ source, note: text, unclean: also }, master) {
    const [client, disk] = source.split("/");

    return ["publish", ...diskOption(disk), ...noteOption(text), ...(also ? ["--unclean"] : []), "--", client, master];
}

export function promote(master, number) {
    return {
        title: `Promote version ${number}`,
        text: `Version ${number} of ${master} is in production from now on. Machines that are logged in go on as they are; no disk changes at once.`,
        args: () => ["promote", "--", master, number],
    };
}

export function back(master) {
    return {
        title: "Go one step back",
        text: `The version of ${master} that was in production before is in production again.`,
        args: () => ["promote", "--back", "--", master],
    };
}

export function retire(master, number) {
    return {
        title: `Retire version ${number}`,
        text: `Version ${number} of ${master} is removed for good. tgt-glue refuses, and says why, if an image or a machine needs it.`,
        danger: true,
        args: () => ["retire", "--", master, number],
    };
}

export function removeOrphan(file) {
    return {
        title: "Remove the image",
        text: `${file} belongs to no machine. It is removed for good, unless another image needs it.`,
        danger: true,
        args: () => ["orphans", "--remove", "--", file],
    };
}
