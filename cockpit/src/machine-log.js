// SPDX-License-Identifier: GPL-2.0-or-later
// The log of one machine: its newest events.
import { make } from "./dom.js";
import { date } from "./format.js";
import { LongList } from "./long-list.js";
import { table } from "./parts.js";
import { Reading } from "./reading.js";
import { readLines } from "./tgt-glue.js";

const days = 30;
const linesShown = 100;

export class MachineLog extends Reading {
    constructor(name) {
        super("The log", () => readLines("log", "--json", `--since=${days}d`, "--", name), events => this.drawLog([...events].reverse()));
        this.list = new LongList(linesShown, () => this.redraw());
    }

    /** The newest event is the first. */
    drawLog(events) {
        if (!events.length)
            return make("p", { class: "none" }, `No event in ${days} days.`);
        return [
            table("Log", ["Time", "Event", "Message"], this.list.shown(events).map(e => [date(e.time), e.event, e.message])),
            this.list.more(events, `events of ${days} days`),
        ];
    }
}
