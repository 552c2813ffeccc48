// SPDX-License-Identifier: GPL-2.0-or-later
// Parts that several views have: tables of text, and states of a view.
import { make } from "./dom.js";

/** A table; a cell is text or an element. */
export function table(label, headers, rows) {
    const cell = (content, i) => make("td", { class: "pf-v6-c-table__td", role: "cell", "data-label": headers[i] || null }, content);

    return make("table", { class: "pf-v6-c-table pf-m-compact pf-m-grid-md", "aria-label": label },
                make("thead", { class: "pf-v6-c-table__thead" },
                     make("tr", { class: "pf-v6-c-table__tr" },
                          headers.map(h => h ? make("th", { class: "pf-v6-c-table__th", scope: "col" }, h)
                                             : make("td", { class: "pf-v6-c-table__td" })))),
                make("tbody", { class: "pf-v6-c-table__tbody" },
                     rows.map(row => make("tr", { class: "pf-v6-c-table__tr" }, row.map(cell)))));
}

function emptyState(title, ...content) {
    return make("div", { class: "pf-v6-c-empty-state pf-m-sm" },
                make("div", { class: "pf-v6-c-empty-state__content" },
                     make("div", { class: "pf-v6-c-empty-state__header" },
                          make("h2", { class: "pf-v6-c-empty-state__title-text" }, title)),
                     make("div", { class: "pf-v6-c-empty-state__body" }, content)));
}

/** What a view shows before it knows anything. */
export function loadingState(title) {
    return emptyState(title, make("span", { class: "pf-v6-c-spinner pf-m-lg", role: "progressbar", "aria-label": title }));
}

/** What a view shows if it cannot be read: why, in the command's own words. */
export function failedState(title, message, ...content) {
    return emptyState(title, make("pre", { class: "failed" }, message), content);
}

/** A message on top of a view; kind: danger, warning or info. */
export function alert(kind, title, ...content) {
    return make("div", { class: `pf-v6-c-alert pf-m-inline pf-m-${kind}`, role: kind === "danger" ? "alert" : null },
                make("p", { class: "pf-v6-c-alert__title" }, title),
                make("div", { class: "pf-v6-c-alert__description" }, content));
}
