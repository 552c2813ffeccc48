// SPDX-License-Identifier: GPL-2.0-or-later
// A part of a view that a command fills: while it loads, read, or failed.
import { fill, make, refill } from "./dom.js";
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
        refill(this.element, this.drawAgain());
    }

    /** Reads again; what was shown stays until the answer comes. */
    async again() {
        const turn = ++this.turn;
        const draw = await this.read().then(value => () => this.draw(value), error => () => this.drawFailure(error));

        // The answer of the newest question is shown, and no other is ever drawn.
        if (turn !== this.turn)
            return;
        this.drawAgain = draw;
        try {
            this.redraw();
        } catch (error) {
            fill(this.element, this.drawFailure(error));
        }
    }

    drawFailure(error) {
        return failedState(`${this.subject} cannot be read`, error, button("Try again", () => this.again()));
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
