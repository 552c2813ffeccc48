// SPDX-License-Identifier: GPL-2.0-or-later
// Makes elements.  All text reaches the page here, and only as text nodes, so
// that a name or a note is never markup.
import { Place } from "./place.js";

/**
 * Makes an element.  An attribute that begins with "on" is a listener; one that
 * is null, undefined or false is left out; "style" has properties.  A child is a
 * node or text; null, undefined and false are left out.
 */
export function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);

    for (const [name, value] of Object.entries(attributes))
        setAttribute(element, name, value);
    element.append(...presentChildren(children));
    return element;
}

/** As make, of SVG. */
export function makeSvg(tag, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);

    for (const [name, value] of Object.entries(attributes))
        element.setAttribute(name, value);
    element.append(...children);
    return element;
}

function setAttribute(element, name, value) {
    if (value === null || value === undefined || value === false)
        return;
    if (name === "style")
        // The page's content security policy forbids a style attribute.
        Object.entries(value).forEach(([key, v]) => element.style.setProperty(key, v));
    else if (name.startsWith("on"))
        element.addEventListener(name.slice(2), value);
    else
        element.setAttribute(name, value === true ? "" : value);
}

function presentChildren(children) {
    return children.flat(Infinity).filter(child =>
        child !== null && child !== undefined && child !== false);
}

/** Replaces the text of an element, if it differs. */
export function setText(element, text) {
    if (element.textContent !== text)
        element.textContent = text;
}

/** Replaces an attribute, if it differs; null removes it. */
export function setOrRemove(element, name, value) {
    if (value === null)
        element.removeAttribute(name);
    else if (element.getAttribute(name) !== value)
        element.setAttribute(name, value);
}

/** Replaces the children of an element; the reader's place in it stays, if the new ones have it. */
export function fill(element, ...children) {
    const place = new Place(element);

    element.replaceChildren(...presentChildren(children));
    place.restore();
}

/** As fill, unless the children look as those that are there: a press that has begun finds its button. */
export function refill(element, ...children) {
    const wanted = make(element.tagName, {}, ...children).childNodes;
    const shown = element.childNodes;

    if (wanted.length !== shown.length || [...wanted].some((node, i) => !node.isEqualNode(shown[i])))
        fill(element, ...wanted);
}

/** Gives an element these children in this order; the focus stays where it is. */
export function reorder(element, children) {
    const focused = document.activeElement;

    if (children.length === element.children.length && children.every((child, i) => child === element.children[i]))
        return;
    element.replaceChildren(...children);
    if (focused !== document.activeElement && element.contains(focused))
        focused.focus({ preventScroll: true });
}

let lastId = 0;

/** An id that no other element of the page has. */
export function newId(prefix) {
    return `${prefix}-${++lastId}`;
}

/** The id of the element of these names, which it has again when it is drawn again. */
export function idOf(prefix, ...names) {
    return [prefix, ...names.map(encodeURIComponent)].join(":");
}
