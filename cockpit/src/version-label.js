// SPDX-License-Identifier: GPL-2.0-or-later
// A version as its master's name and its number: "win11 7", where the number is
// what the eye looks for.
import { fill, make } from "./dom.js";
import { versionParts, versionText } from "./state.js";

/** Shows the version that a file is, and what it should be instead, if that is a text. */
export class VersionLabel {
    constructor() {
        this.version = make("span", { class: "version-name" });
        this.element = make("span", {}, this.version);
        this.wanted = "";
    }

    show(file, wanted = "") {
        if (this.version.textContent !== versionText(file))
            this.showVersion(file);
        if (this.wanted !== wanted)
            fill(this.element, this.version, wanted && [" ", make("span", { class: "chip orange" }, wanted)]);
        this.wanted = wanted;
    }

    showVersion(file) {
        const [name, number] = versionParts(file);

        fill(this.version, name, number && [" ", make("strong", {}, number)]);
    }
}

/** The version that a file is. */
export function versionLabel(file) {
    const label = new VersionLabel();

    label.show(file);
    return label.element;
}
