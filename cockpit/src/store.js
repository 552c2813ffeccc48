// SPDX-License-Identifier: GPL-2.0-or-later
// Store: free space, what it is used for, and the health of the programs.
import { fill, make } from "./dom.js";
import { count, size } from "./format.js";
import { alert, table } from "./parts.js";

/**
 * What the disks with a master take, by master: { disks, own, full }, in bytes.
 * full is what copies of the whole disks would take, null if a size is unknown.
 */
export function spaceByMaster(clients) {
    const masters = new Map();

    for (const client of clients)
        for (const disk of [client, ...client.disks].filter(d => d.master && d.kind !== "image")) {
            const sum = masters.get(disk.master) ?? { disks: 0, own: 0, full: 0 };

            sum.disks++;
            sum.own += disk["disk-use"] ?? 0;
            sum.full = disk["disk-size"] === null ? null : sum.full + disk["disk-size"];
            masters.set(disk.master, sum);
        }
    return masters;
}

export class Store {
    constructor(fleet) {
        this.fleet = fleet;
        this.element = make("section", { "aria-label": "Store" });
    }

    update() {
        const { status, clients } = this.fleet;

        fill(this.element, this.warnings(status), this.space(status),
             make("h2", { class: "pf-v6-c-title pf-m-lg" }, "By master"), this.masters(clients),
             make("h2", { class: "pf-v6-c-title pf-m-lg" }, "Health"), this.health(status));
    }

    warnings(status) {
        const result = [];

        if (status.free < status["min-free"])
            result.push(alert("danger", "The store has little free space",
                              `${size(status.free)} is free; fleet.conf wants at least ${size(status["min-free"])}. `,
                              "`tgt-glue orphans' lists images that belong to no machine; `tgt-glue disks MACHINE' lists old states, and keep-age in fleet.conf removes them by age."));
        if (status.orphans.images)
            result.push(alert("info", `${count(status.orphans.images, "image")} (${size(status.orphans.size)}) belong to no machine`,
                              "`tgt-glue orphans' names them."));
        return result;
    }

    space(status) {
        const used = status.size ? (status.size - status.free) / status.size * 100 : 0;

        return make("div", { class: "pf-v6-c-progress" },
                    make("div", { class: "pf-v6-c-progress__description", id: "space" },
                         `${size(status.free)} of ${size(status.size)} is free`,
                         status["days-until-full"] === null ? "" : `; full in ${count(Math.floor(status["days-until-full"]), "day")} at the pace of the last two`),
                    make("div", { class: "pf-v6-c-progress__bar", role: "progressbar", "aria-labelledby": "space",
                                  "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": used.toFixed(0) },
                         make("div", { class: "pf-v6-c-progress__indicator", style: { width: `${used.toFixed(1)}%` } })));
    }

    masters(clients) {
        return table("Space by master", ["Master", "Disks", "Their images take", "Full copies would take", "Saved"],
                     [...spaceByMaster(clients.values())].map(([master, sum]) =>
                         [master, String(sum.disks), size(sum.own), sum.full ? size(sum.full) : "?",
                             sum.full ? `${(100 - sum.own / sum.full * 100).toFixed(1)} %` : "?"]));
    }

    health(status) {
        const shards = status.shards.map(shard =>
            [`tgtd, shard ${shard.shard}`, shard.tgtd ? "answers" : "does not answer; systemctl status tgt",
                `${count(shard.clients, "client")}, ${count(shard.sessions, "session")}`]);

        return table("Health", ["Program", "State", ""], [
            ...shards,
            ["fleet.conf", status.mistaken ? "has mistakes; tgt-glue check" : "has no mistakes", ""],
            ["Targets", status.agrees ? "are as fleet.conf describes them" : "differ from fleet.conf; tgt-glue plan", ""],
        ]);
    }
}
