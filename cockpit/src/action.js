// SPDX-License-Identifier: GPL-2.0-or-later
// A button for a tgt-glue command, and the dialog that shows the command before
// it runs.
/* global cockpit */
import { fill, make, setText } from "./dom.js";
import { commandLine, run } from "./tgt-glue.js";

const admin = cockpit.permission({ admin: true });
const buttons = new Set(); // weak references to all buttons of commands

admin.addEventListener("changed", () => {
    for (const reference of buttons) {
        const button = reference.deref();

        if (button)
            allow(button);
        else
            buttons.delete(reference);
    }
});

function allow(button) {
    button.disabled = !admin.allowed;
    button.title = admin.allowed ? "" : "Needs administrative access; see the top of the page";
}

/**
 * A button that opens the dialog of an action.
 * action.title: what the dialog says on top; also its button
 * action.text: what will happen
 * action.danger: whether data may be lost
 * action.fields: [{ name, label, choices, optional }], texts that the reader enters
 * action.args: the arguments of tgt-glue for the values of the fields
 * action.done: called after the command has succeeded
 */
export function actionButton(label, action, kind = "secondary") {
    const button = make("button", {
        type: "button",
        class: `pf-v6-c-button pf-m-${kind} pf-m-small`,
        onclick: () => openDialog(action),
    }, make("span", { class: "pf-v6-c-button__text" }, label));

    buttons.add(new WeakRef(button));
    allow(button);
    return button;
}

function field({ name, label, choices, optional }) {
    const input = choices
        ? make("select", { id: `field-${name}` }, choices.map(c => make("option", { value: c }, c)))
        : make("input", { id: `field-${name}`, type: "text", autocomplete: "off", required: !optional });

    return {
        name,
        input,
        row: make("div", { class: "pf-v6-c-form__group" },
                  make("label", { class: "pf-v6-c-form__label", for: input.id }, label),
                  make("span", { class: "pf-v6-c-form-control" }, input)),
    };
}

/** Opens the dialog; the command runs when its button is pressed. */
export function openDialog(action) {
    const fields = (action.fields ?? []).map(field);
    const command = make("code", { class: "pf-v6-c-code-block__code" });
    const answer = make("div", { role: "status", class: "answer" });
    const go = make("button", {
        type: "submit",
        class: `pf-v6-c-button pf-m-${action.danger ? "danger" : "primary"}`,
    }, action.title);
    const close = make("button", {
        type: "button",
        class: "pf-v6-c-button pf-m-link",
        onclick: () => dialog.close(),
    }, "Cancel");
    const args = () => action.args(Object.fromEntries(fields.map(f => [f.name, f.input.value])));
    const show = () => setText(command, commandLine(args()));
    const form = make("form", { class: "pf-v6-c-form", method: "dialog", oninput: show },
                      make("p", {}, action.text), fields.map(f => f.row),
                      make("div", { class: "pf-v6-c-code-block" },
                           make("pre", { class: "pf-v6-c-code-block__pre" }, command)),
                      answer,
                      make("div", { class: "buttons" }, go, close));
    const dialog = make("dialog", {
        class: "pf-v6-c-modal-box pf-m-md",
        "aria-labelledby": "dialog-title",
        onclose: () => dialog.remove(),
    }, make("h1", { id: "dialog-title", class: "pf-v6-c-title pf-m-xl" }, action.title), form);

    form.addEventListener("submit", async event => {
        event.preventDefault();
        go.disabled = true;
        fill(answer, make("span", { class: "pf-v6-c-spinner pf-m-md", role: "progressbar", "aria-label": "The command runs" }));
        try {
            const output = await run(args());

            fill(answer, make("p", {}, "Done."), output && make("pre", {}, output));
            setText(close, "Close");
            go.hidden = true;
            close.focus();
            action.done?.();
        } catch (error) {
            fill(answer, make("pre", { class: "failed" }, error.message));
            go.disabled = false;
        }
    });
    show();
    document.body.append(dialog);
    dialog.showModal();
}
