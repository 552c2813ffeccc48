// SPDX-License-Identifier: GPL-2.0-or-later
// A button for a tgt-glue command, which opens the dialog of the command.
import { openDialog } from "./dialog.js";
import { setOrRemove } from "./dom.js";
import { button } from "./parts.js";
import { needsAdministrator } from "./permission.js";

/**
 * A button that opens the dialog of an action (dialog.js).
 * options.kind: primary, secondary, danger or link
 * options.describedBy: the id of the element that says what the action is for
 */
export function actionButton(label, action, { kind = "secondary", describedBy = null } = {}) {
    const element = button(label, () => openDialog(action), kind);

    setOrRemove(element, "aria-describedby", describedBy);
    needsAdministrator(element);
    return element;
}
