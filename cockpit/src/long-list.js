// SPDX-License-Identifier: GPL-2.0-or-later
// A list that shows its beginning until the reader asks for all of it.
import { button } from "./parts.js";

export class LongList {
    /** length: of the beginning; draw: draws the list, when the reader asks for all. */
    constructor(length, draw) {
        this.length = length;
        this.draw = draw;
    }

    shown(items) {
        return items.slice(0, this.length);
    }

    /** A button that shows all; null if all are shown. */
    more(items, nouns) {
        return items.length <= this.length ? null : button(`Show all ${items.length} ${nouns}`, () => {
            this.length = Infinity;
            this.draw();
        });
    }
}
