// SPDX-License-Identifier: GPL-2.0-or-later
// The log of one machine: its newest events.
import { make } from "./dom.js";
import { date } from "./format.js";
import { table } from "./parts.js";
import { Reading } from "./reading.js";
import { readLines } from "./tgt-glue.js";

const days = 30;
const linesShown = 100;

function drawLog(events) {
    if (!events.length)
        return make("p", { class: "none" }, `No event in ${days} days.`);
    return [
        table("Log", ["Time", "Event", "Message"],
              events.slice(-linesShown).reverse().map(e => [date(e.time), e.event, e.message])),
        events.length > linesShown && make("p", { class: "none" }, `The newest ${linesShown} of ${events.length} events in ${days} days.`),
    ];
}

export class MachineLog extends Reading {
    constructor(name) {
        super("The log", () => readLines("log", "--json", `--since=${days}d`, "--", name), drawLog);
    }
}
