// SPDX-License-Identifier: GPL-2.0-or-later
// The reader's place in a part of the page that is drawn again: what has the focus,
// and which lists are open.

/** What an element is called, and in which row, group of rows, table and card. */
function identity(element) {
    const nameOf = (part, name) => element.closest(part)?.querySelector(name)?.textContent;
    // The number in a summary may be another one.
    const text = ["DETAILS", "SUMMARY"].includes(element.tagName) ? null : element.textContent;

    return JSON.stringify([element.tagName, text, nameOf("tr", "th"), nameOf("tbody", "th[scope=rowgroup]"),
        element.closest("table")?.ariaLabel, nameOf(".card", "h2")]);
}

export class Place {
    constructor(element) {
        const focused = document.activeElement;

        this.element = element;
        this.focused = element.contains(focused) && focused !== element ? focused : null;
        this.focus = this.focused && identity(this.focused);
        this.open = new Set([...element.querySelectorAll("details[open]")].map(identity));
    }

    /** In the new content; without an element like that which had the focus, the heading above gets it. */
    restore() {
        if (this.open.size)
            this.element.querySelectorAll("details").forEach(e => { e.open ||= this.open.has(identity(e)) });
        if (this.focused && !this.focused.isConnected)
            this.restoreFocus();
    }

    restoreFocus() {
        const same = [...this.element.querySelectorAll(this.focused.tagName)].find(e => identity(e) === this.focus);
        const heading = this.element.closest(".card")?.querySelector("h2") ?? this.element.querySelector("h1") ?? this.element;

        if (!same)
            heading.setAttribute("tabindex", "-1");
        (same ?? heading).focus({ preventScroll: true });
    }
}
