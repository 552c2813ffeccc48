// SPDX-License-Identifier: GPL-2.0-or-later
// The summary of the room: how many machines are in each state.  A press on a state
// shows its machines alone, and once more shows all.
import { make, setText } from "./dom.js";
import { count } from "./format.js";
import { stateFilters } from "./room-filter.js";

export class Summary {
    /** choose is called with the key of the state that is pressed. */
    constructor(choose) {
        // A screen reader says how many a filter shows, and not each login.
        this.total = make("span", { role: "status" });
        this.states = stateFilters.map(({ key, label, many = label, colour, test }) => {
            const element = make("button", { type: "button", class: `chip ${colour}`, onclick: () => choose(key), hidden: true });

            return { key, label, many, test, element };
        });
        this.element = make("span", {}, this.total, this.states.map(s => [" ", s.element]));
    }

    /** Counts the machines that the other filters let pass; chosen: the key of the state that is shown alone, or "". */
    show({ shown, all, passing, chosen }) {
        setText(this.total, `${shown === all ? "" : `${shown} of `}${count(all, "machine")}${passing.length ? ":" : ""}`);
        for (const { key, label, many, test, element } of this.states) {
            const number = passing.filter(test).length;

            element.hidden = !number && key !== chosen;
            setText(element, `${number} ${number === 1 ? label : many}`);
            element.setAttribute("aria-pressed", String(key === chosen));
        }
    }
}
