// SPDX-License-Identifier: GPL-2.0-or-later
// The space of the store: a bar by kind of image, and a table by master.
import { make, setOrRemove, setText } from "./dom.js";
import { collator, daysText, percent, size } from "./format.js";
import { numbers } from "./parts.js";
import { disksOf, masterName } from "./state.js";

/** By the keys of `images` in status. */
const kinds = [
    ["present", "Machines' disks"],
    ["masters", "Masters and versions"],
    ["snapshots", "Snapshots"],
    ["kept", "Kept states"],
    ["put-aside", "Put aside"],
    ["unused", "Used by no disk"],
    ["other", "Other files"],
    ["free", "Free"],
];

/**
 * What the disks with a master take, by master: { disks, own, full }, in bytes.
 * full is what copies of the whole disks would take, null if a size is unknown.
 */
function spaceByMaster(clients) {
    const masters = new Map();

    for (const disk of clients.flatMap(disksOf).filter(d => d.master && d.kind === "master")) {
        const name = masterName(disk.master);
        const sum = masters.get(name) ?? { disks: 0, own: 0, full: 0 };
        const whole = disk["disk-size"] ?? null;

        sum.disks++;
        sum.own += disk["disk-use"] ?? 0;
        sum.full = whole === null || sum.full === null ? null : sum.full + whole;
        masters.set(name, sum);
    }
    return masters;
}

export const masterHeaders = ["Master", ...["Disks", "Their images take", "The master takes", "Full copies would take", "Saved"].map(numbers)];

/** The rows of the table by master, those whose disks take most first. */
export function masterRows(clients, masters) {
    const unnamed = masters.unnamed().map(name => [name, { disks: 0, own: 0, full: 0 }]);

    return [...spaceByMaster([...clients.values()]), ...unnamed]
            .sort(([a, x], [b, y]) => y.own - x.own || collator.compare(a, b))
            .map(([name, { disks, own, full }]) => {
                const master = masters.sizeOf(name);
                const saved = full && master !== null ? percent(Math.max(0, full - own - master), full) : disks ? "?" : "";

                return [name, String(disks), size(own), size(master), size(full), saved];
            });
}

/** A line for each kind, in one bar, with its legend; a kind without space is left out. */
export class SpaceBar {
    constructor() {
        this.free = make("p", { class: "free" });
        this.remark = make("p", { class: "remark" });
        this.parts = kinds.map(([key, text]) => {
            const amount = make("span", { class: "amount" });

            return { key, amount, bar: make("span", { class: `part part-${key}` }),
                legend: make("li", {}, make("span", { class: `mark part-${key}` }), ` ${text} `, amount) };
        });
        this.element = make("div", {}, this.free, this.remark,
                            make("div", { class: "space-bar", "aria-hidden": "true" }, this.parts.map(p => p.bar)),
                            make("ul", { class: "legend", "aria-label": "Space by kind" }, this.parts.map(p => p.legend)));
    }

    update(status) {
        const images = Object.values(status.images).reduce((sum, n) => sum + n, 0);
        const known = { ...status.images, free: status.free, other: Math.max(0, status.size - status.free - images) };
        const days = status["days-until-full"];

        setText(this.free, `${size(status.free)} of ${size(status.size)} is free`);
        setText(this.remark, [
            days === null ? "The days until it is full are not known; watch takes the samples." : `Full in ${daysText(days)} at the pace of the last two days.`,
            status["min-free"] ? `fleet.conf wants at least ${size(status["min-free"])} free.` : "fleet.conf sets no min-free, so that nothing warns of low space.",
            status.reserve ? `The mount keeps ${size(status.reserve)} in reserve.` : ""].join(" "));
        for (const { key, amount, bar, legend } of this.parts) {
            const bytes = known[key] ?? 0;

            setText(amount, size(bytes));
            legend.hidden = bytes === 0 && key !== "free";
            bar.hidden = bytes === 0;
            bar.style.flexGrow = String(status.size ? bytes / status.size : 0);
            setOrRemove(bar, "title", `${legend.textContent}`);
        }
    }
}
