// SPDX-License-Identifier: GPL-2.0-or-later
// Administrative access: without it, buttons of commands cannot be pressed.
/* global cockpit */
import { make, setOrRemove } from "./dom.js";
import { alert, command } from "./parts.js";

const admin = cockpit.permission({ admin: true });
const reasonId = "no-administrator";
const buttons = new Set(); // weak references to all buttons of commands
const gone = new FinalizationRegistry(reference => buttons.delete(reference));
const reason = make("div", { id: reasonId, hidden: true },
                    alert("info", "Limited access: the buttons are disabled",
                          "To change something, press “Limited access” at the top of Cockpit, and give your password."));

/** The message that says why buttons are disabled; hidden if they are not. */
export function limitedAccess() {
    return reason;
}

/** The message for a user without permission to read all: what to do about it. */
export function deniedAlert() {
    return alert("warning", "You have no permission to read all of the fleet",
                 make("p", {}, "What is unknown here may be in order. Press “Limited access” at the top of Cockpit, and give your password."),
                 make("p", {}, "To read without it, be in the group adm; root types once: ", command("systemctl enable --now tgt-glue-status.socket")));
}

/** Calls listener when administrative access is given or taken, not when it is first known. */
export function onAccessChange(listener) {
    let before = admin.allowed;

    admin.addEventListener("changed", () => {
        const changed = before !== null && before !== undefined && before !== admin.allowed;

        before = admin.allowed;
        if (changed)
            listener();
    });
}

/** Enables the button only with administrative access, from now on. */
export function needsAdministrator(button) {
    const reference = new WeakRef(button);

    buttons.add(reference);
    gone.register(button, reference);
    button.dataset.describedby = button.getAttribute("aria-describedby") ?? "";
    allow(button);
}

function allow(button) {
    const describedBy = [button.dataset.describedby, admin.allowed ? "" : reasonId].filter(Boolean).join(" ");

    button.disabled = !admin.allowed;
    setOrRemove(button, "aria-describedby", describedBy || null);
    setOrRemove(button, "title", admin.allowed ? null : "Needs administrative access");
}

function allowAll() {
    // It is null until Cockpit knows.
    reason.hidden = admin.allowed !== false;
    for (const reference of buttons) {
        const button = reference.deref();

        if (button)
            allow(button);
    }
}

admin.addEventListener("changed", allowAll);
allowAll();
