// SPDX-License-Identifier: GPL-2.0-or-later
// A field of a dialog: a text, a choice, or a mark for yes.
import { make, newId } from "./dom.js";
import { icon } from "./icon.js";

/** A select with its caret; options: [value, text] pairs. */
export function select(attributes, options) {
    const element = make("select", attributes, options.map(([value, text]) => make("option", { value }, text)));

    return {
        element: make("span", { class: "pf-v6-c-form-control" }, element,
                      make("span", { class: "pf-v6-c-form-control__utilities" },
                           make("span", { class: "pf-v6-c-form-control__toggle-icon" }, icon("caret")))),
        input: element,
    };
}

function row(id, label, control) {
    return make("div", { class: "pf-v6-c-form__group" },
                make("label", { class: "pf-v6-c-form__label", for: id }, label), control);
}

function textField({ label, optional }) {
    const input = make("input", { id: newId("field"), type: "text", autocomplete: "off", required: !optional });

    return { input, row: row(input.id, label, make("span", { class: "pf-v6-c-form-control" }, input)) };
}

function choiceField({ label, choices }) {
    const { input, element } = select({ id: newId("field"), required: true }, choices);

    return { input, row: row(input.id, label, element) };
}

function markField({ label }) {
    const input = make("input", { id: newId("field"), type: "checkbox" });

    return { input, row: make("div", { class: "mark" }, input, make("label", { for: input.id }, label)) };
}

/**
 * A field: { name, input, row, value, shown }; shown is the value, or a word in its
 * place while it is missing.
 * label: its name; optional: a text that may be empty; choices: [value, text]
 * pairs to choose from; mark: a value that is true or false
 */
export function field(description) {
    const { name, choices, mark } = description;
    const made = choices ? choiceField(description) : mark ? markField(description) : textField(description);
    const { input } = made;

    return {
        name,
        ...made,
        get value() { return mark ? input.checked : input.value },
        get shown() { return input.validity.valueMissing ? "NAME" : this.value },
    };
}
