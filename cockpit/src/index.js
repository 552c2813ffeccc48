// SPDX-License-Identifier: GPL-2.0-or-later
// The page: reads the fleet, and shows the view that the address names.
/* global cockpit */
import "./style.css";

import { fill, make, setOrRemove } from "./dom.js";
import { Fleet } from "./fleet.js";
import { Machine } from "./machine.js";
import { Masters } from "./masters.js";
import { alert, failedState, loadingState } from "./parts.js";
import { stepSeconds } from "./rates.js";
import { Room } from "./room.js";
import { Store } from "./store.js";
import { followTheme } from "./theme.js";

const views = [
    { path: "", label: "Machines", make: fleet => new Room(fleet) },
    { path: "masters", label: "Masters", make: fleet => new Masters(fleet) },
    { path: "store", label: "Store", make: fleet => new Store(fleet) },
];

class Page {
    constructor() {
        this.fleet = new Fleet();
        this.links = views.map(view => ({
            view,
            element: make("a", { class: "pf-v6-c-tabs__link", href: `#/${view.path}` },
                          make("span", { class: "pf-v6-c-tabs__item-text" }, view.label)),
        }));
        this.messages = make("div", { class: "messages" });
        this.main = make("main", { tabindex: "-1" });
        fill(document.getElementById("page"),
             make("nav", { class: "pf-v6-c-tabs", "aria-label": "Views" },
                  make("ul", { class: "pf-v6-c-tabs__list" },
                       this.links.map(link => (link.item = make("li", { class: "pf-v6-c-tabs__item" }, link.element))))),
             this.messages, this.main);
        this.fleet.listen(changed => this.update(changed));
        cockpit.addEventListener("locationchanged", () => this.show());
        setInterval(() => document.hidden || this.fleet.tick(), stepSeconds * 1000);
        this.show();
        this.fleet.start();
    }

    /** Makes the view that the address names. */
    show() {
        const [path = "", name] = cockpit.location.path;

        this.view = null;
        for (const { view, element, item } of this.links) {
            setOrRemove(element, "aria-current", view.path === path ? "page" : null);
            item.classList.toggle("pf-m-current", view.path === path);
        }
        this.makeView = path === "machine" ? fleet => new Machine(fleet, name)
                                           : (views.find(view => view.path === path) ?? views[0]).make;
        this.update(new Set(this.fleet.clients.keys()));
    }

    update(changed) {
        const { phase, status, error } = this.fleet;

        fill(this.messages, this.makeMessages());
        if (phase === "loading") {
            fill(this.main, loadingState("Reading the fleet"));
        } else if (!status) {
            this.view = null;
            fill(this.main, failedState("The fleet cannot be read", error.message, this.makeRetry()));
        } else {
            if (!this.view) {
                this.view = this.makeView(this.fleet);
                fill(this.main, this.view.element);
            }
            this.view.update(changed);
        }
    }

    makeRetry() {
        return make("button", {
            type: "button",
            class: "pf-v6-c-button pf-m-primary",
            onclick: () => this.fleet.start(),
        }, "Try again");
    }

    makeMessages() {
        const { status, error, clients } = this.fleet;
        const result = [];

        if (!status)
            return result;
        if (error)
            result.push(alert("danger", "The fleet is no longer read; this is what was known last", error.message, this.makeRetry()));
        if (!status.tgtd)
            result.push(alert("danger", "tgtd does not answer", "No machine can log in. Type: systemctl status tgt"));
        if (status.mistaken)
            result.push(alert("warning", "fleet.conf has mistakes", "The fleet that was applied last is shown. Type: tgt-glue check"));
        if (!clients.size)
            result.push(alert("info", "fleet.conf names no client", "See fleet.conf(5), then type: tgt-glue apply"));
        return result;
    }
}

followTheme();
document.addEventListener("DOMContentLoaded", () => new Page());
