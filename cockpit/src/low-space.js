// SPDX-License-Identifier: GPL-2.0-or-later
// What to do if the store has little free space.
import { fill, make } from "./dom.js";
import { growthOf, ownSize } from "./state.js";
import { daysText, size } from "./format.js";
import { alert, command } from "./parts.js";
import { machineLink } from "./room-row.js";

const machinesNamed = 3;
const fewDays = 7;

export class LowSpace {
    constructor(fleet) {
        this.fleet = fleet;
        this.element = make("div");
    }

    update() {
        const { status } = this.fleet;
        const days = status["days-until-full"];
        const low = status.free < status["min-free"];
        const soon = days !== null && days < fewDays;
        const advice = low || soon ? this.advice(status) : [];
        const text = [make("div", {}, advice).textContent, low, size(status.free), soon && daysText(days)].join();

        if (text === this.shown)
            return;
        this.shown = text;
        fill(this.element, (low || soon) && this.makeAlert(status, low, advice));
        this.wasLow = low;
    }

    makeAlert(status, low, advice) {
        const element = alert(low ? "danger" : "warning",
            low ? "The store has little free space" : `The store is full in ${daysText(status["days-until-full"])}`,
            low && make("p", {}, `${size(status.free)} is free; fleet.conf wants at least ${size(status["min-free"])}.`),
            make("ul", { class: "advice" }, advice.map(item => make("li", {}, item))));

        // A screen reader says it once, and not with each change of a size.
        if (low && this.wasLow)
            element.removeAttribute("role");
        return element;
    }

    /** What frees space, the safest first. */
    advice({ images, orphans }) {
        const saved = (images["put-aside"] ?? 0) + (images.snapshots ?? 0);

        return [
            orphans.images && [`Remove images that belong to no machine (${size(orphans.size)}): see below, or type: `, command("tgt-glue orphans")],
            saved > 0 && [`Remove old states of machines (${size(saved)}): on the page of a machine, or type: `, command("tgt-glue disks MACHINE")],
            saved > 0 && ["Keep fewer old images: set keep in fleet.conf."],
            images.masters > 0 && [`Retire versions that no machine needs (masters take ${size(images.masters)}): see `, make("a", { href: "#/masters" }, "Masters"), "."],
            this.fleet.clients.size > 0 && ["Reset, or shut down, the machines that take most: ", this.largest().flatMap((c, i) => [i ? ", " : "",
                make("a", { href: machineLink(c.name) }, c.name), ` (${size(ownSize(c))}${growthOf(c) ? `, ${size(growthOf(c))} a day` : ""})`]), "."],
        ].filter(Boolean);
    }

    largest() {
        return [...this.fleet.clients.values()].sort((a, b) => ownSize(b) - ownSize(a)).slice(0, machinesNamed);
    }
}
