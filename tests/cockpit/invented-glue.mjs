// SPDX-License-Identifier: GPL-2.0-or-later
// invented-glue.mjs CHANGES ARGUMENT...: answers as tgt-glue of a fleet that a test
// could not make in a short time: many states, long names, a long past, a full store.
// The lines of the file CHANGES follow the status, as they are appended.
import { readFileSync } from "node:fs";

const [changes, command, ...options] = process.argv.slice(2);
const client = options.at(-1);
const now = Math.floor(Date.now() / 1000);
const hour = 3600, mib = 1024 ** 2, gib = 1024 ** 3;
const longName = `lab-${"0123456789".repeat(5)}-front`;
const long = "a note that says at length why this state was kept, and for which machines of the room it is";
const isoTime = seconds => new Date(seconds * 1000).toISOString().replace(/\.\d+/, "");

function session(i) {
    return { initiator: `iqn.2010-04.org.ipxe:pc${i}`, address: `192.0.2.${i}`, session: 100 + i, since: now - i * hour,
        "read-bytes": 40 * gib + i, "read-commands": 900000, "written-bytes": 3 * gib, "write-commands": 70000, errors: 0 };
}

function dataDisk(i) {
    return { name: "home", lun: 2, kind: "size", exported: true, readonly: false, image: `disks/home/pc${i}.vhdx`,
        "child-state": "ready", "child-why": null, view: `disks/home/pc${i}.vhdx.raw`, "disk-use": i * 300 * mib, quota: null,
        blocks: null, "blocks-total": null, growth: i * mib, "disk-size": 20 * gib };
}

function machine(i, name = `pc${i}`, other = {}) {
    return { groups: i <= 10 ? ["front"] : ["back"], "disk-size": 60 * gib, name, iqn: `iqn.2026-01.lan.example:${name}`,
        tid: i, shard: i % 2, target: "ok", difference: null, agrees: true, restart: false, master: "masters/win11.vhdx",
        version: "masters/win11@7.vhdx", wanted: "masters/win11@7.vhdx", behind: false, child: `clients/${name}.vhdx`,
        "child-state": "ready", "child-why": null, view: `clients/${name}.vhdx.raw`, "disk-use": i * 70 * mib, growth: i * i * mib,
        quota: 8 * gib, blocks: 137 * i, "blocks-total": 30720, disks: i % 3 ? [] : [dataDisk(i)], writers: i % 4 ? 1 : 0,
        initiators: 1, sessions: i % 4 ? [session(i)] : [], "last-refusal": null, ...other };
}

const refusal = { when: now - 5 * hour, initiator: "iqn.1991-05.com.microsoft:office", reason: "no target of fleet.conf admits this initiator" };
const rare = {
    2: { version: "masters/win11@5.vhdx", behind: true },
    5: { "child-state": "other", "child-why": "clients/pc5.vhdx is no child of masters/win11.vhdx", sessions: [] },
    7: { restart: true },
    9: { target: "differs", difference: "portal: expected 192.0.2.1:3260, found 192.0.2.2:3260" },
    11: { "last-refusal": refusal },
    13: { "disk-use": 9 * gib, growth: 3 * gib },
    14: { master: "masters/debian.vhdx", version: "masters/debian@2.vhdx", wanted: "masters/debian@2.vhdx" },
};
const clients = [...Array.from({ length: 40 }, (_, i) => machine(i + 1, `pc${i + 1}`, rare[i + 1])), machine(41, longName)];

function status() {
    const shard = number => ({ shard: number, "control-port": number, portals: [`192.0.2.1:${3260 + number}`],
        "targets-file": `/etc/tgt/conf.d/vhdfs-${number}.conf`, retired: false, tgtd: true, clients: 20, sessions: 15 });

    return { store: "/srv/images", mount: "/srv/vhdfs", mounted: true, tgtd: true, watch: true, mistaken: false, agrees: false, size: 900 * gib,
        free: 30 * gib, "min-free": 50 * gib, "days-until-full": 4.5,
        images: { present: 380 * gib, masters: 190 * gib, snapshots: 120 * gib, kept: 20 * gib, "put-aside": 90 * gib, unused: 12 * gib },
        shards: [shard(0), shard(1)], clients, extra: [], foreign: [], orphans: { images: 3, size: 12 * gib }, reserve: gib,
        "worker-deaths": 0, "last-refusal": refusal };
}

/** Ten versions, the fourth and the eighth on a branch. */
const parents = { 2: 1, 3: 2, 4: 2, 5: 3, 6: 5, 7: 6, 8: 6, 9: 7, 10: 9 };
const channels = { 6: ["back"], 7: ["production"], 10: ["test"] };

function versions(master) {
    const on = file => clients.filter(c => c.version === file).map(c => c.name);

    return Array.from({ length: master.endsWith("win11") ? 10 : 2 }, (_, i) => {
        const file = `${master}@${i + 1}.vhdx`, parent = parents[i + 1];

        return { number: i + 1, file, parent: parent ? `${master}@${parent}.vhdx` : null, date: isoTime(now - (10 - i) * 90 * hour),
            note: i === 5 ? long : i % 2 ? `updates of month ${i + 1}` : null, client: i ? "pc1" : null, disk: null,
            allocated: i ? i * 700 * mib : 30 * gib, channels: master.endsWith("win11") ? channels[i + 1] ?? [] : i ? ["production"] : [],
            clients: on(file), disks: on(file).map(name => ({ client: name, disk: null })) };
    });
}

function disks() {
    const state = (which, kind, i, other = {}) => ({ disk: null, which, kind, file: `clients/${client}.vhdx`, date: isoTime(now - i * 7 * hour),
        size: (i * 37 + 1) * mib, note: null, master: "masters/win11@7.vhdx", related: kind === "put-aside" ? null : true, error: null, ...other });

    return [state("now", "now", 0), state("kept", "kept", 40, { note: long }),
        ...Array.from({ length: 300 }, (_, i) => state(i === 4 ? "before-the-exam-of-the-second-term" : `day-${300 - i}`, "snapshot", i, i === 3 ? { note: long, related: false } : {})),
        ...[1, 2].map(i => state(isoTime(now - i * 50 * hour), "put-aside", i)),
        { ...state("now", "now", 0), disk: "home", master: null }];
}

function log() {
    const messages = { login: "logged in from 192.0.2.7", logout: "logged out after 3 h; read 2.1 GiB, wrote 340 MiB", reset: "got a fresh image of masters/win11.vhdx",
        refused: "refused iqn.1991-05.com.microsoft:office at 192.0.2.9: no target of fleet.conf admits this initiator" };
    const events = Object.keys(messages);

    return Array.from({ length: 1000 }, (_, i) => ({ time: now - (1000 - i) * 1000, event: events[i % 4], client, message: messages[events[i % 4]] }));
}

const orphans = [1, 2, 3].map(i => ({ file: `clients/old${i}.vhdx`, client: `old${i}`, size: i * gib, child: i === 2 ? "clients/old2@exam.vhdx" : null }));
const answers = { disks, versions: () => versions(client), orphans: () => orphans };

function follow() {
    const removed = new Set();
    let told = 0, turn = 0;

    setInterval(() => {
        const lines = readFileSync(changes, "utf8").split("\n").slice(0, -1);

        for (const line of lines.slice(told)) {
            removed.add(/"name":"([^"]*)","removed":true/.exec(line)?.[1]);
            console.log(line);
        }
        told = lines.length;
    }, 100);
    setInterval(() => {
        turn++;
        for (const { name, sessions } of clients.slice(0, 12).filter(c => c.sessions.length && !removed.has(c.name))) {
            sessions[0]["read-bytes"] += Math.round(mib * (2 + Math.sin(turn / 3 + sessions[0].session)));
            console.log(JSON.stringify({ client: { name, sessions } }));
        }
    }, 1000);
}

if (command === "status") {
    console.log(JSON.stringify(status()));
    if (options.includes("--follow"))
        follow();
} else if (command === "log") {
    log().forEach(event => console.log(JSON.stringify(event)));
} else if (answers[command]) {
    console.log(JSON.stringify(answers[command]()));
} else {
    console.error(`tgt-glue: ${command}: this fleet is invented; nothing was done`);
    process.exit(1);
}
