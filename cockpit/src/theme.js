// SPDX-License-Identifier: GPL-2.0-or-later
// Light or dark, as Cockpit's menu (shell:style) or the browser says.

const key = "shell:style";
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

function apply() {
    const style = localStorage.getItem(key) ?? "auto";

    document.documentElement.classList.toggle("pf-v6-theme-dark",
        style === "dark" || (style === "auto" && prefersDark.matches));
}

export function followTheme() {
    apply();
    prefersDark.addEventListener("change", apply);
    window.addEventListener("storage", event => event.key === key && apply());
    window.addEventListener("cockpit-style", apply);
}
