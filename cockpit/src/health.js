// SPDX-License-Identifier: GPL-2.0-or-later
// The health of what serves the disks, as rows: what, whether it is well (kind, text), details.
import { make } from "./dom.js";
import { count, date, size } from "./format.js";
import { icon } from "./icon.js";
import { command } from "./parts.js";

const good = text => ({ kind: "success", text });
const hidden = { kind: "info", text: "unknown: you have no permission to see it" };
const bad = (kind, text, typed) => ({ kind, text, typed });

/** Whether the mount is gone, or does not answer; false if that is unknown, as to an earlier tgt-glue. */
export function mountIsGone(status) {
    return status.mounted === false;
}

/** The systemd unit of a shard's tgtd. */
export function unitOf({ shard }) {
    return shard === 0 ? "tgt" : `vhdfs-tgtd@${shard}`;
}

/** The cell of a state: its text beside an icon, and what to type. */
export function stateCell({ kind, text, typed }) {
    return make("span", { class: `health health-${kind}` }, icon(kind),
                make("span", {}, text, typed && ["; type: ", command(typed)]));
}

/** An earlier tgt-glue does not say why. */
function tgtdState(shard) {
    if (shard.tgtd === null)
        return hidden;
    if (shard.tgtd)
        return good("answers");
    return shard["tgtd-problem"] ? bad("danger", "gives no answer that can be used") : bad("danger", "does not answer", `systemctl status ${unitOf(shard)}`);
}

function tgtdRow(shard) {
    return [`tgtd, shard ${shard.shard}`, tgtdState(shard),
        [shard["tgtd-problem"], count(shard.clients, "machine"), shard.sessions === null ? "" : count(shard.sessions, "session"),
            shard.retired ? "leaves fleet.conf" : ""].filter(Boolean).join(", ")];
}

function mountRow(status) {
    const deaths = status["worker-deaths"];

    return ["vhdfs", status.mounted === null ? hidden : mountIsGone(status) ? bad("danger", "cannot be used", "systemctl status 'vhdfs@*'")
        : deaths ? bad("warning", `is mounted; a worker died ${count(deaths, "time")}`, "tgt-glue log") : good("is mounted"),
    [status["mount-problem"] ?? status.mount, status.reserve ? `reserve ${size(status.reserve)}` : ""].filter(Boolean).join(", ")];
}

/** watch is missing in the status of an earlier tgt-glue. */
function watchRow({ watch }) {
    if (watch === undefined)
        return null;
    return ["watch", watch === null ? hidden : watch ? good("runs") : bad("warning", "does not run", "systemctl start tgt-glue-watch"),
        watch !== false ? "" : "Until it runs, no change of fleet.conf is applied, and no reset is made at boot."];
}

function targetsRow({ agrees, extra, foreign }) {
    const more = [extra.length && `extra: ${extra.join(", ")}`,
        foreign.length && `foreign: ${foreign.map(f => `${f.target} has the disk of ${f.client}`).join(", ")}`];

    return ["Targets", agrees === null ? hidden : agrees ? good("are as fleet.conf describes them") : bad("warning", "differ from fleet.conf", "tgt-glue plan"),
        more.filter(Boolean).join("; ")];
}

function restartRow(clients) {
    const names = [...clients.values()].filter(client => client.restart).map(client => client.name);

    return names.length ? ["Machines", { kind: "warning", text: `${count(names.length, "machine")} must be restarted` }, names.join(", ")] : null;
}

function refusalRow({ "last-refusal": refusal }) {
    return refusal ? ["Refused logins of unknown initiators", { kind: "info", text: `last ${date(refusal.when)}` },
        `${refusal.initiator ?? "?"}: ${refusal.reason}`] : null;
}

export function healthRows(status, clients) {
    return [
        ...status.shards.map(tgtdRow), mountRow(status), watchRow(status),
        ["fleet.conf", status.mistaken ? bad("warning", "has mistakes", "tgt-glue check") : good("has no mistakes"), ""],
        targetsRow(status), restartRow(clients), refusalRow(status),
    ].filter(Boolean);
}

export function shardRows({ shards }) {
    return shards.map(shard => [String(shard.shard), shard.tgtd === null ? "unknown" : shard.tgtd ? "answers" : "no usable answer",
        String(shard["control-port"] ?? "default"), (shard.portals ?? []).join(", ") || "all addresses",
        String(shard.clients), String(shard.sessions ?? "?")]);
}
