// SPDX-License-Identifier: GPL-2.0-or-later
// The images that belong to no machine, and their removal.
import { actionButton } from "./action.js";
import { removeOrphan } from "./actions.js";
import { make } from "./dom.js";
import { size } from "./format.js";
import { numbers, table } from "./parts.js";
import { Reading } from "./reading.js";
import { read } from "./tgt-glue.js";

export class Orphans extends Reading {
    constructor() {
        super("The images", () => read("orphans", "--json"), orphans => this.drawOrphans(orphans));
    }

    drawOrphans(orphans) {
        if (!orphans.length)
            return make("p", { class: "none" }, "none");
        return table("Images that belong to no machine", ["File", "Machine of its name", numbers("Size"), "Needed by", "Actions"],
                     orphans.map(({ file, client, size: bytes, child }) =>
                         [file, client, size(bytes), child ?? "", child ? null
                             : actionButton("Remove…", { ...removeOrphan(file), done: () => this.again() }, { kind: "link" })]));
    }
}
