// SPDX-License-Identifier: GPL-2.0-or-later
// A list of terms and values that changes in place.
import { fill, make, setText } from "./dom.js";

export class Facts {
    constructor() {
        this.element = make("dl", { class: "pf-v6-c-description-list pf-m-2-col pf-m-3-col-on-lg pf-m-4-col-on-xl facts" });
        this.values = new Map(); // by term: { group, value }
    }

    /** Shows [term, value] pairs; a value is text or an element; null: no such term. */
    show(pairs) {
        const shown = pairs.filter(([, value]) => value !== null && value !== undefined);
        const groups = shown.map(([term, value]) => this.showOne(term, value));

        if (groups.length !== this.element.children.length || groups.some((g, i) => g !== this.element.children[i]))
            this.element.replaceChildren(...groups);
    }

    showOne(term, content) {
        const known = this.values.get(term) ?? this.add(term);

        if (typeof content === "string")
            setText(known.value, content);
        else if (known.value.firstChild !== content)
            fill(known.value, content);
        return known.group;
    }

    add(term) {
        const value = make("div", { class: "pf-v6-c-description-list__text" });
        const group = make("div", { class: "pf-v6-c-description-list__group" },
                           make("dt", { class: "pf-v6-c-description-list__term" },
                                make("span", { class: "pf-v6-c-description-list__text" }, term)),
                           make("dd", { class: "pf-v6-c-description-list__description" }, value));

        this.values.set(term, { group, value });
        return { group, value };
    }
}
