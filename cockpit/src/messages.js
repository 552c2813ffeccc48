// SPDX-License-Identifier: GPL-2.0-or-later
// Messages on top of every view: what is wrong with the whole fleet, and what to type.
import { make } from "./dom.js";
import { size } from "./format.js";
import { mountIsGone, unitOf } from "./health.js";
import { alert, button, command, hint } from "./parts.js";
import { deniedAlert, limitedAccess } from "./permission.js";
import { Place } from "./place.js";

/** That no answer of tgtd can be used: of the only one, or of some shards.  An earlier tgt-glue does not say why. */
function tgtdAlert(shards) {
    const dead = shards.filter(shard => shard.tgtd === false);
    const problems = [...new Set(dead.map(shard => shard["tgtd-problem"]).filter(Boolean))];
    const all = dead.length === shards.length;
    const which = all ? "tgtd" : `tgtd of ${dead.length === 1 ? "shard" : "shards"} ${dead.map(shard => shard.shard).join(", ")}`;

    if (problems.length)
        return alert("danger", `${which} gives no answer that can be used`, make("pre", { class: "failed" }, problems.join("\n")));
    return alert("danger", `${which} does not answer`, all ? "No machine can log in. Type: " : "No machine of it can log in. Type: ",
                 command(`systemctl status ${dead.map(unitOf).join(" ")}`));
}

export class Messages {
    constructor(fleet) {
        this.fleet = fleet;
        this.alerts = make("div");
        this.element = make("aside", { class: "messages", "aria-label": "Messages" }, limitedAccess(), this.alerts);
    }

    /** A message that is shown already stays as it is: a screen reader does not say it again. */
    update() {
        const { status, error, clients } = this.fleet;
        const { children } = this.alerts;
        const place = new Place(this.alerts);
        const wanted = (status ? this.makeAlerts(status, error, clients) : []).filter(Boolean)
                .map(element => [...children].find(shown => shown.isEqualNode(element)) ?? element);

        [...children].filter(shown => !wanted.includes(shown)).forEach(shown => shown.remove());
        wanted.forEach((element, i) => element === children[i] || this.alerts.insertBefore(element, children[i] ?? null));
        place.restore();
    }

    makeAlerts(status, error, clients) {
        return [
            error && alert("danger", "The fleet is no longer read; this is what was known last",
                           make("pre", { class: "failed" }, error.message), hint(error),
                           button("Try again", () => this.fleet.start())),
            status.denied && deniedAlert(),
            status.tgtd === false && tgtdAlert(status.shards),
            mountIsGone(status) && alert("danger", "The mount of vhdfs cannot be used",
                                         make("pre", { class: "failed" }, status["mount-problem"]), "See why. Type: ", command("systemctl status 'vhdfs@*'")),
            status.mistaken && alert("warning", "fleet.conf has mistakes",
                                     "The fleet that was applied last is shown. Type: ", command("tgt-glue check")),
            status.free < status["min-free"] && this.makeLowSpace(status),
            !clients.size && alert("info", "fleet.conf names no client", "Write a [client NAME] section; fleet.conf(5) has an example. Then type: ",
                                   command("tgt-glue apply")),
        ];
    }

    /** The view of the store says more; there this one is hidden. */
    makeLowSpace({ free, "min-free": wanted }) {
        const element = alert("warning", "The store has little free space",
                              `${size(free)} is free; fleet.conf wants at least ${size(wanted)}. `, make("a", { href: "#/store" }, "What to do"));

        element.classList.add("low-space");
        return element;
    }
}
