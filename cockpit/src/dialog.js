// SPDX-License-Identifier: GPL-2.0-or-later
// The dialog of an action: shows the command of tgt-glue, and then runs it.
import { fill, make, newId, setText } from "./dom.js";
import { field } from "./field.js";
import { alert, hint, spinner } from "./parts.js";
import { Place } from "./place.js";
import { commandLine, run } from "./tgt-glue.js";

/**
 * Opens the dialog; the command runs when its button is pressed.
 * action.title: what the dialog says on top; also its button
 * action.text: what will happen
 * action.danger: whether data may be lost
 * action.fields: what the reader enters (field.js)
 * action.args: the arguments of tgt-glue for the values of the fields
 * action.offline: whether the machine has to be logged out; action.isOn tells
 * whether it is on
 * action.done: called after the command has succeeded
 */
export function openDialog(action) {
    new Dialog(action).open();
}

const shown = new Set();

/** Closes what is open, because its view is left; a command that runs goes on. */
export function closeDialogs() {
    shown.forEach(dialog => dialog.leave());
}

class Dialog {
    constructor(action) {
        const titleId = newId("dialog");

        this.action = action;
        this.fields = (action.fields ?? []).map(field);
        this.command = make("code", { class: "pf-v6-c-code-block__code" });
        this.answer = make("div", { role: "status", class: "answer" });
        this.submit = this.makeButton("submit", action.danger ? "danger" : "primary", action.title);
        // The second click of a double click on the button that opened the dialog.
        this.submit.addEventListener("click", event => event.detail > 1 && event.preventDefault());
        this.cancel = this.makeButton("button", "link", "Cancel");
        this.cancel.addEventListener("click", () => this.element.close());
        this.element = make("dialog", { class: "pf-v6-c-modal-box pf-m-md", "aria-labelledby": titleId },
                            make("h1", { id: titleId, class: "pf-v6-c-title pf-m-xl" }, action.title),
                            this.makeForm());
        this.element.addEventListener("close", () => this.closed());
    }

    makeButton(type, kind, text) {
        return make("button", { type, class: `pf-v6-c-button pf-m-${kind}` },
                    make("span", { class: "pf-v6-c-button__text" }, text));
    }

    makeForm() {
        const form = make("form", { class: "pf-v6-c-form" },
                          make("p", {}, this.action.text), this.makeWarning(), this.fields.map(f => f.row),
                          make("div", {},
                               make("p", { class: "pf-v6-c-form__label" }, "This command runs"),
                               make("div", { class: "pf-v6-c-code-block" },
                                    make("div", { class: "pf-v6-c-code-block__content" },
                                         make("pre", { class: "pf-v6-c-code-block__pre" }, this.command)))),
                          this.answer,
                          make("div", { class: "buttons" }, this.submit, this.cancel));

        form.addEventListener("input", () => this.showCommand());
        form.addEventListener("submit", event => {
            event.preventDefault();
            this.run();
        });
        return form;
    }

    /** A command that a machine's session keeps from running, or spoils. */
    makeWarning() {
        return this.action.offline && this.action.isOn?.() && alert("warning", "The machine is logged in: shut it down first");
    }

    /** The arguments for what valueOf says of each field. */
    args(valueOf) {
        return this.action.args(Object.fromEntries(this.fields.map(f => [f.name, valueOf(f)])));
    }

    showCommand() {
        setText(this.command, commandLine(this.args(f => f.shown)));
    }

    open() {
        this.showCommand();
        this.place = new Place(document.querySelector("main"));
        this.show();
        // A key that was pressed once too often destroys nothing.
        (this.fields[0]?.input ?? (this.action.danger ? this.cancel : this.submit)).focus();
    }

    show() {
        shown.add(this);
        document.body.append(this.element);
        this.element.showModal();
    }

    /** While the command runs nothing can be entered: the command shown is the one that runs. */
    setRunning(running) {
        for (const control of [this.submit, ...this.fields.map(f => f.input)])
            control.disabled = running;
    }

    async run() {
        const focused = document.activeElement;

        this.setRunning(true);
        setText(this.cancel.firstChild, "Close");
        this.cancel.focus();
        fill(this.answer, spinner("The command runs", "md"),
             " The command runs, also if this dialog is closed; a failure opens it again.");
        try {
            this.succeeded(await run(this.args(f => f.value)));
        } catch (error) {
            this.failed(error, focused);
        }
    }

    failed(error, focused) {
        fill(this.answer, make("pre", { class: "failed" }, error.message),
             ["not-found", "access-denied"].includes(error.problem) && hint(error));
        this.setRunning(false);
        // Two closed dialogs of one command have one failure.
        if (!this.element.open && !error.shown)
            this.show();
        error.shown = true;
        focused.focus();
    }

    succeeded(output) {
        fill(this.answer, make("p", {}, "Done."), output.trim() && make("pre", {}, output.trim()));
        this.submit.hidden = true;
        if (this.element.open)
            this.cancel.focus();
        this.action.done?.();
    }

    /** The view with the button that opened the dialog is gone. */
    leave() {
        this.place = null;
        this.element.close();
    }

    closed() {
        shown.delete(this);
        this.element.remove();
        // The button that opened the dialog may have been drawn again, or be gone.
        this.place?.restore();
    }
}
