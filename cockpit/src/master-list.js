// SPDX-License-Identifier: GPL-2.0-or-later
// All masters of the store, those that no disk of fleet.conf has, too.
import { masterName } from "./state.js";
import { read } from "./tgt-glue.js";

export class MasterList {
    /** changed is called when the list is known, or is another one. */
    constructor(changed) {
        this.changed = changed;
        this.masters = new Map(); // { allocated, named } by masters/NAME
        this.key = "";
        this.turn = 0;
    }

    /** Bytes that the master takes with all its versions; null: unknown. */
    sizeOf(name) {
        return this.masters.get(name)?.allocated ?? null;
    }

    /** The names of those that no disk of fleet.conf has. */
    unnamed() {
        return [...this.masters].filter(([, { named }]) => named === false).map(([name]) => name);
    }

    /** Reads the list, if the facts that decide it changed. */
    follow(...facts) {
        const key = JSON.stringify(facts);

        if (key !== this.key)
            this.again();
        this.key = key;
    }

    async again() {
        const turn = ++this.turn;
        // The view of the masters says why versions cannot be read.
        const masters = await read("versions", "--json")
                .then(list => new Map(list.map(entry => [masterName(entry.master), entry])))
                .catch(() => new Map());

        // The answer of the newest question counts.
        if (turn !== this.turn)
            return;
        this.masters = masters;
        this.changed();
    }
}
