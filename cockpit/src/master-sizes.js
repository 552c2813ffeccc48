// SPDX-License-Identifier: GPL-2.0-or-later
// What the versions of each master take on disk.
import { read } from "./tgt-glue.js";

export class MasterSizes {
    /** changed is called when sizes are known, or are other ones. */
    constructor(changed) {
        this.changed = changed;
        this.sizes = new Map(); // bytes by masters/NAME
        this.key = "";
    }

    /** Bytes; null: unknown, as of a master without versions. */
    of(name) {
        return this.sizes.get(name) ?? null;
    }

    /** Reads the versions of these masters, if the facts that decide their sizes changed. */
    async follow(names, facts) {
        const key = JSON.stringify([names, facts]);

        if (key === this.key)
            return;
        this.key = key;
        await Promise.all(names.map(name => this.readOne(name)));
        this.changed();
    }

    async readOne(name) {
        try {
            const versions = await read("versions", "--json", "--", name);

            if (versions.length)
                this.sizes.set(name, versions.reduce((sum, version) => sum + version.allocated, 0));
            else
                this.sizes.delete(name);
        } catch {
            // The view of the masters says why it cannot be read.
            this.sizes.delete(name);
        }
    }
}
