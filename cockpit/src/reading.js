// SPDX-License-Identifier: GPL-2.0-or-later
// A part of a view that a command fills: while it loads, read, or failed.
import { fill, make } from "./dom.js";
import { button, failedState, loadingState } from "./parts.js";

const settleMs = 1000;

export class Reading {
    /**
     * subject: "The disks"; read: resolves to what is shown; draw: makes elements
     * of it.
     */
    constructor(subject, read, draw) {
        this.subject = subject;
        this.read = read;
        this.draw = draw;
        this.element = make("div");
        this.turn = 0;
        fill(this.element, loadingState(`Reading: ${subject.toLowerCase()}`));
    }

    /** Draws once more what was read last. */
    redraw() {
        fill(this.element, this.drawAgain());
    }

    /** Reads again; what was shown stays until the answer comes. */
    async again() {
        const turn = ++this.turn;
        let content;

        try {
            const value = await this.read();

            this.drawAgain = () => this.draw(value);
            content = this.drawAgain();
        } catch (error) {
            content = failedState(`${this.subject} cannot be read`, error, button("Try again", () => this.again()));
        }
        // The answer of the newest question is shown.
        if (turn === this.turn)
            fill(this.element, content);
    }

    /** Reads again if the fleet's facts that decide the answer have changed. */
    follow(facts) {
        if (facts === this.facts)
            return;
        clearTimeout(this.timer);
        if (this.facts === undefined)
            this.again();
        else
            this.timer = setTimeout(() => this.again(), settleMs);
        this.facts = facts;
    }
}
