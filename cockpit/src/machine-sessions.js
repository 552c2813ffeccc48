// SPDX-License-Identifier: GPL-2.0-or-later
// The sessions of one machine, as a table that changes in place.
import { fill, make, setText } from "./dom.js";
import { ageSince, date, size } from "./format.js";
import { numbers, table } from "./parts.js";

const headers = ["Address", "Initiator", "Since", numbers("Read"), numbers("Written")];

function cells(session) {
    const since = session.since ?? null;

    return [session.address, session.initiator ?? "?",
        since === null ? "?" : `${date(since)} (${ageSince(since)})`,
        size(session["read-bytes"]), size(session["written-bytes"])];
}

export class Sessions {
    constructor() {
        this.element = make("div");
    }

    show(sessions) {
        const shown = this.table?.querySelectorAll("tbody tr");

        if (!sessions.length) {
            this.table = null;
            fill(this.element, make("p", { class: "none" }, "The machine is not logged in."));
        } else if (shown?.length !== sessions.length) {
            this.table = table("Sessions", headers, sessions.map(cells));
            fill(this.element, this.table);
        } else {
            sessions.forEach((session, i) => cells(session).forEach((text, j) => setText(shown[i].children[j], text)));
        }
    }
}
