// SPDX-License-Identifier: GPL-2.0-or-later
// Parts that several views have: tables, cards, labels, and states of a view.
import { make, makeSvg, setText } from "./dom.js";
import { hintOf, userKnown } from "./hints.js";
import { icon } from "./icon.js";

/** The header of a column of sizes or counts, which end at the right. */
export function numbers(text) {
    return { text, number: true };
}

/** The { text, number } of a header. */
function columnOf(header) {
    return header?.text ? header : { text: header, number: false };
}

/** A cell below this header; on a narrow page the header's text is beside it. */
export function cell(header, ...content) {
    const { text, number } = columnOf(header);

    return make("td", { class: number ? "pf-v6-c-table__td short number" : "pf-v6-c-table__td", role: "cell", "data-label": text || null }, content);
}

/** A cell whose text stays in one line. */
export function shortCell(header, ...content) {
    const element = cell(header, ...content);

    element.classList.add("short");
    return element;
}

/** The cell that names its row. */
export function rowHeader(header, ...content) {
    return make("th", { class: "pf-v6-c-table__th", scope: "row", role: "rowheader", "data-label": columnOf(header).text }, content);
}

/** A row of a table. */
export function tableRow(...cells) {
    return make("tr", { class: "pf-v6-c-table__tr", role: "row" }, cells);
}

export function tableBody(...rows) {
    return make("tbody", { class: "pf-v6-c-table__tbody", role: "rowgroup" }, rows);
}

function columnHeader(header) {
    const { text, number } = columnOf(header);

    return make("th", { class: number ? "pf-v6-c-table__th number" : "pf-v6-c-table__th", scope: "col", role: "columnheader" }, text);
}

/** A table of these bodies; a header is text, or numbers(text). */
export function tableOf(label, headers, ...bodies) {
    // The roles stay when a narrow page shows each row as a card.
    return make("table", { class: "pf-v6-c-table pf-m-compact pf-m-grid-lg", role: "table", "aria-label": label },
                make("thead", { class: "pf-v6-c-table__thead", role: "rowgroup" },
                     make("tr", { class: "pf-v6-c-table__tr", role: "row" }, headers.map(columnHeader))),
                bodies);
}

/** A table; the first cell of a row names it; a cell is text or an element. */
export function table(label, headers, rows) {
    return tableOf(label, headers, tableBody(rows.map(([first, ...others]) =>
        tableRow(rowHeader(headers[0], first), others.map((content, i) => cell(headers[i + 1], content))))));
}

/** A part of a view; its title is a text, or an array of it and of what is beside it. */
export function card(title, ...content) {
    const [text, ...beside] = [title].flat();

    return make("div", { class: "card" },
                make("div", { class: "card-title" }, make("h2", { class: "pf-v6-c-title pf-m-lg" }, text), beside), content);
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

/** What a view shows in the place of a table. */
export function emptyState(title, ...content) {
    return make("div", { class: "pf-v6-c-empty-state pf-m-sm" },
                make("div", { class: "pf-v6-c-empty-state__content" },
                     make("div", { class: "pf-v6-c-empty-state__header" },
                          make("h2", { class: "pf-v6-c-empty-state__title-text" }, title)),
                     make("div", { class: "pf-v6-c-empty-state__body" }, content)));
}

/** A circle that turns while something is awaited; size: lg or md. */
export function spinner(label, size) {
    return makeSvg("svg", { class: `pf-v6-c-spinner pf-m-${size}`, role: "progressbar", "aria-label": label, viewBox: "0 0 100 100" },
                   makeSvg("circle", { class: "pf-v6-c-spinner__path", cx: "50", cy: "50", r: "45", fill: "none" }));
}

/** What a view shows before it knows anything. */
export function loadingState(title) {
    return emptyState(title, spinner(title, "lg"));
}

/** What to do about an error. */
export function hint(error) {
    const { text, command: typed } = hintOf(error);
    const code = typed && command(typed);

    if (code)
        userKnown.then(() => setText(code, hintOf(error).command));
    return make("p", { class: "hint" }, text, code && [" Type: ", code]);
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
