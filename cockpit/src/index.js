// SPDX-License-Identifier: GPL-2.0-or-later
// The page: reads the fleet, and shows the view that the address names.
/* global cockpit */
import "./style.css";

import { closeDialogs } from "./dialog.js";
import { fill, make, setOrRemove } from "./dom.js";
import { Fleet } from "./fleet.js";
import { Machine } from "./machine.js";
import { Masters } from "./masters.js";
import { Messages } from "./messages.js";
import { button, failedState, loadingState } from "./parts.js";
import { onAccessChange } from "./permission.js";
import { stepSeconds } from "./rates.js";
import { Room } from "./room.js";
import { Store } from "./store.js";
import { followTheme } from "./theme.js";

const pageTitle = "Diskless machines";
const minuteMs = 60000;
const views = [
    { path: "", label: "Machines", make: fleet => new Room(fleet) },
    { path: "masters", label: "Masters", make: fleet => new Masters(fleet) },
    { path: "store", label: "Store", make: fleet => new Store(fleet) },
];

class Page {
    constructor() {
        this.fleet = new Fleet();
        this.made = new Map(); // views by path, which keep filters and what was read
        this.messages = new Messages(this.fleet);
        this.main = make("main", { tabindex: "-1" });
        fill(document.getElementById("page"), this.makeNavigation(), this.messages.element, this.main);
        this.fleet.listen(news => this.update(news));
        cockpit.addEventListener("locationchanged", () => this.move());
        onAccessChange(() => {
            this.fleet.start();
            this.view?.readAgain?.();
        });
        setInterval(() => cockpit.hidden || this.fleet.tick(), stepSeconds * 1000);
        setInterval(() => cockpit.hidden || this.view?.updateAges?.(), minuteMs);
        this.show(false);
        this.fleet.start();
    }

    makeNavigation() {
        this.links = views.map(view => {
            const link = make("a", { class: "pf-v6-c-tabs__link", href: `#/${view.path}` },
                              make("span", { class: "pf-v6-c-tabs__item-text" }, view.label));

            return { view, link, item: make("li", { class: "pf-v6-c-tabs__item" }, link) };
        });
        return make("nav", { class: "pf-v6-c-tabs", "aria-label": "Views" },
                    make("ul", { class: "pf-v6-c-tabs__list" }, this.links.map(({ item }) => item)));
    }

    /** Follows the address; where its options alone are new, the view stays. */
    move() {
        const { path, options } = cockpit.location;

        if (path.join("/") === this.path) {
            this.view?.readAddress?.(options);
        } else {
            closeDialogs();
            this.show(true);
        }
    }

    /** Shows the view that the address names; then its heading may get the focus. */
    show(focus) {
        const [path = "", name = ""] = cockpit.location.path;
        const machine = path === "machine";
        const view = views.find(v => v.path === path) ?? views[0];

        this.path = cockpit.location.path.join("/");
        this.from = this.machine; // where the reader comes from
        this.machine = machine ? name : null;

        for (const { view: other, link, item } of this.links) {
            const current = !machine && other === view;

            setOrRemove(link, "aria-current", current ? "page" : null);
            item.classList.toggle("pf-m-current", current || (machine && other === views[0]));
        }
        document.title = `${machine ? name : view.label} – ${pageTitle}`;
        this.makeView = () => machine ? new Machine(this.fleet, name) : this.viewOf(view);
        this.view = null;
        this.focus = focus;
        this.update(this.fleet.everything());
    }

    viewOf(view) {
        if (this.made.has(view.path))
            this.made.get(view.path).readAgain?.();
        else
            this.made.set(view.path, view.make(this.fleet));
        return this.made.get(view.path);
    }

    update(news) {
        if (news.status || news.changed.size)
            this.messages.update();
        if (!this.fleet.status)
            this.showNothing();
        else if (this.view)
            this.view.update(news);
        else
            this.open();
    }

    open() {
        this.view = this.makeView();
        this.view.readAddress?.(cockpit.location.options);
        fill(this.main, this.view.element);
        this.view.update(this.fleet.everything());
        if (this.focus)
            this.focusView();
        this.focus = false;
    }

    /** At its beginning, or where the reader left the room for a machine. */
    focusView() {
        const link = this.from && this.view.linkTo?.(this.from);

        if (link)
            link.scrollIntoView({ block: "center" });
        else
            window.scrollTo(0, 0);
        (link ?? this.main.querySelector("h1"))?.focus({ preventScroll: true });
    }

    /** What is shown before the first status: that it is read, or why it cannot be. */
    showNothing() {
        const { phase, error } = this.fleet;
        const key = phase === "loading" ? phase : error.message;

        if (key === this.nothing)
            return;
        this.nothing = key;
        fill(this.main, make("h1", { class: "pf-v6-c-title pf-m-2xl" }, pageTitle),
             phase === "loading"
                 ? loadingState("Reading the fleet")
                 : failedState("The fleet cannot be read", error, button("Try again", () => this.fleet.start(), "primary")));
    }
}

followTheme();
document.addEventListener("DOMContentLoaded", () => new Page());
