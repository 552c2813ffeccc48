// SPDX-License-Identifier: GPL-2.0-or-later
// What to type when a command of the page fails.
/* global cockpit */
import { quoted } from "./tgt-glue.js";

let userName = "USER";

/** Ends when Cockpit has told the name of the user, which a hint may have. */
export const userKnown = cockpit.user().then(user => { userName = user.name }).catch(() => {});

// The first pattern that the message matches says what to do.
const hints = [
    { problem: "not-found", text: "Install it on this server.", command: "apt install tgt-glue" },
    {
        pattern: /permission denied|not permitted/i,
        problem: "access-denied",
        text: "Press “Limited access” at the top of Cockpit, and give your password. Or, to look without administrative access, have root make you a reader of the fleet, and log in again.",
        get command() {
            return `systemctl enable --now tgt-glue-status.socket && adduser ${quoted(userName)} adm`;
        },
    },
    { pattern: /: No such file or directory; create it/, text: "Write fleet.conf; its man page has an example.", command: "man fleet.conf" },
    { pattern: /\.conf:\d+: /, text: "Correct fleet.conf. This lists all its mistakes:", command: "tgt-glue check" },
    { pattern: /tgtd/, text: "See why tgtd does not answer.", command: "systemctl status tgt" },
];
const other = { text: "Type this in a terminal of the server to see more.", command: "tgt-glue status" };

/** { text, command }: what to do about an error of tgt-glue.js; command may be missing. */
export function hintOf(error) {
    return hints.find(hint => (hint.problem && hint.problem === error.problem) ||
                              hint.pattern?.test(error.message)) ?? other;
}
