// SPDX-License-Identifier: GPL-2.0-or-later
// Parts that several views have: tables, cards, labels, and states of a view.
import { make } from "./dom.js";
import { hintOf } from "./hints.js";
import { icon } from "./icon.js";

/** A cell of a table's body; on a narrow page its column's name is beside it. */
export function cell(label, ...content) {
    return make("td", { class: "pf-v6-c-table__td", role: "cell", "data-label": label || null }, content);
}

/** A cell whose text stays in one line. */
export function shortCell(label, ...content) {
    const element = cell(label, ...content);

    element.classList.add("short");
    return element;
}

/** The cell that names its row. */
export function rowHeader(label, ...content) {
    return make("th", { class: "pf-v6-c-table__th", scope: "row", role: "rowheader", "data-label": label }, content);
}

/** A row of a table. */
export function tableRow(...cells) {
    return make("tr", { class: "pf-v6-c-table__tr", role: "row" }, cells);
}

export function tableBody(...rows) {
    return make("tbody", { class: "pf-v6-c-table__tbody", role: "rowgroup" }, rows);
}

/** A table of these bodies; a header is text or a th element. */
export function tableOf(label, headers, ...bodies) {
    const header = content => typeof content === "string"
        ? make("th", { class: "pf-v6-c-table__th", scope: "col", role: "columnheader" }, content)
        : content;

    // The roles stay when a narrow page shows each row as a card.
    return make("table", { class: "pf-v6-c-table pf-m-compact pf-m-grid-lg", role: "table", "aria-label": label },
                make("thead", { class: "pf-v6-c-table__thead", role: "rowgroup" },
                     make("tr", { class: "pf-v6-c-table__tr", role: "row" }, headers.map(header))),
                bodies);
}

/** A table; the first cell of a row names it; a cell is text or an element. */
export function table(label, headers, rows) {
    return tableOf(label, headers, tableBody(rows.map(([first, ...others]) =>
        tableRow(rowHeader(headers[0], first), others.map((content, i) => cell(headers[i + 1], content))))));
}

/** A part of a view, with its heading and what stands beside that. */
export function card(title, ...content) {
    return make("div", { class: "card" }, make("h2", { class: "pf-v6-c-title pf-m-lg" }, title), content);
}

/** The heading of a view, which has the focus after it was opened. */
export function viewTitle(text, ...beside) {
    return make("div", { class: "view-title" },
                make("h1", { class: "pf-v6-c-title pf-m-2xl", tabindex: "-1" }, text), beside);
}

/** A word on a ground of a colour. */
export function label(text, colour) {
    return make("span", { class: `chip ${colour}` }, text);
}

export function button(text, onclick, kind = "secondary") {
    return make("button", { type: "button", class: `pf-v6-c-button pf-m-${kind} pf-m-small`, onclick },
                make("span", { class: "pf-v6-c-button__text" }, text));
}

/** What to type. */
export function command(text) {
    return make("code", { class: "command" }, text);
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

/** What to do about an error. */
export function hint(error) {
    const { text, command: typed } = hintOf(error);

    return make("p", { class: "hint" }, text, typed && [" Type: ", command(typed)]);
}

/** What a view shows if it cannot be read: why, in the command's own words, and what to type. */
export function failedState(title, error, ...content) {
    return emptyState(title, make("pre", { class: "failed" }, error.message), hint(error), content);
}

/** A message on top of a view; kind: danger, warning, info or success. */
export function alert(kind, title, ...content) {
    return make("div", { class: `pf-v6-c-alert pf-m-inline pf-m-${kind}`, role: kind === "danger" ? "alert" : null },
                make("div", { class: "pf-v6-c-alert__icon" }, icon(kind === "info" ? "info" : kind)),
                make("p", { class: "pf-v6-c-alert__title" }, title),
                content.length ? make("div", { class: "pf-v6-c-alert__description" }, content) : null);
}
