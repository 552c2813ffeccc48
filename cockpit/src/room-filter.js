// SPDX-License-Identifier: GPL-2.0-or-later
// The filters of the room: a part of the name, state, master and group.
import { fill, make } from "./dom.js";
import { select } from "./field.js";
import { collator } from "./format.js";
import { isBehind, mastersOf, stateOf, stateOrder, states } from "./state.js";

/** The states, and one more choice beside them: { key, label, colour, test }. */
export const stateFilters = [
    ...stateOrder.map(key => ({ key, ...states[key], test: client => stateOf(client) === key })),
    { key: "behind", label: "on another version", colour: "orange", test: isBehind },
];

/** A list of choices, the first of which is all. */
class Choice {
    constructor(all, changed) {
        this.all = all;
        Object.assign(this, select({ "aria-label": all, onchange: changed }, [["", all]]));
        this.element.classList.add("filter");
    }

    get value() {
        return this.input.value;
    }

    /** Offers [value, text] pairs; keeps what is chosen or wanted, if it exists. */
    offer(pairs) {
        const chosen = this.wanted ?? this.value;
        const all = [["", this.all], ...pairs];
        const same = all.length === this.input.options.length && all.every(([value], i) => value === this.input.options[i].value);

        if (same && this.wanted === undefined)
            return;
        this.wanted = undefined;
        if (!same)
            fill(this.input, all.map(([value, text]) => make("option", { value }, text)));
        this.input.value = all.some(([value]) => value === chosen) ? chosen : "";
    }
}

function choices(values) {
    return [...new Set(values)].sort(collator.compare).map(value => [value, value.replace(/^masters\//, "")]);
}

export class Filter {
    /** changed is called after each change of the reader. */
    constructor(changed) {
        this.search = make("input", { type: "search", "aria-label": "Find a machine", placeholder: "Find a machine", oninput: changed });
        this.state = new Choice("All states", changed);
        this.master = new Choice("All masters", changed);
        this.group = new Choice("All groups", changed);
        this.choices = { state: this.state, master: this.master, group: this.group };
        this.elements = [make("span", { class: "pf-v6-c-form-control filter" }, this.search),
            this.state.element, this.master.element, this.group.element];
    }

    /** Offers the states, and the masters and groups of the clients. */
    offer(clients) {
        this.state.offer(stateFilters.map(({ key, label }) => [key, label]));
        this.master.offer(choices(clients.flatMap(mastersOf)));
        this.group.offer(choices(clients.flatMap(client => client.groups)));
    }

    /** Shows all machines; the focus is where the next search begins. */
    clear() {
        this.search.value = "";
        for (const choice of Object.values(this.choices))
            choice.input.value = "";
        this.search.focus();
    }

    /** What is chosen, as options of an address. */
    get options() {
        return { find: this.search.value, ...Object.fromEntries(Object.entries(this.choices).map(([key, { value }]) => [key, value])) };
    }

    /** Chooses that; what does not exist is ignored when the choices are offered. */
    set options(options) {
        this.search.value = options.find ?? "";
        for (const [key, choice] of Object.entries(this.choices))
            choice.wanted = options[key] ?? "";
    }

    /** Shows the machines of a state alone; all, if they are. */
    chooseState(key) {
        this.state.input.value = key === this.state.value ? "" : key;
    }

    /** Those of the clients that are shown. */
    shown(clients) {
        const chosen = stateFilters.find(({ key }) => key === this.state.value);

        return chosen ? clients.filter(chosen.test) : clients;
    }

    /** Those of the clients that would be shown in all states. */
    passing(clients) {
        const text = this.search.value.trim().toLowerCase();
        const master = this.master.value, group = this.group.value;

        return clients.filter(client => (!text || client.name.toLowerCase().includes(text)) &&
            (!master || mastersOf(client).includes(master)) &&
            (!group || client.groups.includes(group)));
    }
}
