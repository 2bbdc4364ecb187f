/** In: tags, attributes and children; lists with keys. Out: elements, made once and kept, so that focus stays where it is. */

/**
 * @param {string} tag a tag, with classes after dots: `p.empty`
 * @param {Record<string, any>} [attributes] `on...` functions are listeners; null, undefined and false leave one out
 * @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An element of the page's own markup. @param {string} id @returns {any} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element "${id}"`);
  return element;
}

/** Writes only what changed: a screen reader speaks what is written. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} element @param {string} name @param {string | null} value */
export function setAttribute(element, name, value) {
  if (value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @param {HTMLElement} element @param {boolean} shown */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/**
 * A button that does nothing now. It is not `disabled`: that would take the focus away from whoever has just pressed it.
 * @param {HTMLElement} button @param {boolean} off its listener looks at `isOff`
 */
export function switchOff(button, off) {
  setAttribute(button, "aria-disabled", off ? "true" : null);
}

/** @param {HTMLElement} button */
export function isOff(button) {
  return button.getAttribute("aria-disabled") === "true";
}

/**
 * Draws, and where that takes away or hides what had the focus, says where it goes on.
 * @param {HTMLElement} within @param {() => void} draw @param {() => void} goOn
 */
export function keepFocus(within, draw, goOn) {
  const held = within.ownerDocument.activeElement;
  const isHere = held !== null && held !== within && within.contains(held);
  draw();
  if (isHere && (!held.isConnected || held.closest("[hidden]"))) goOn();
}

/**
 * Brings a list's elements in line with its items; those that stay are kept, and moved only where they must.
 * @template T
 * @param {Element} list
 * @param {T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => any} make
 * @param {(element: any, item: T) => void} update
 */
export function keyed(list, items, keyOf, make, update) {
  const known = new Map([...list.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.key, child]));
  const wanted = items.map((item) => {
    const key = keyOf(item);
    const element = known.get(key) ?? make(item);
    known.delete(key);
    element.dataset.key = key;
    return element;
  });
  // What is gone goes first: it would have all others moved past it.
  for (const gone of known.values()) gone.remove();
  arrange(list, wanted);
  items.forEach((item, place) => update(wanted[place], item));
}

/** Puts the elements in order, around the one with the focus: what is moved loses it. @param {Element} list @param {Element[]} wanted */
function arrange(list, wanted) {
  const focused = list.ownerDocument.activeElement;
  const held = list.contains(focused) ? wanted.find((element) => element.contains(focused)) : undefined;
  let place = list.firstElementChild;
  for (const element of wanted) {
    while (element === held && place && place !== held) {
      const next = place.nextElementSibling;
      list.append(place);
      place = next;
    }
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
}

/**
 * Writes a list of short texts.
 * @param {Element} list @param {string[]} lines
 */
export function texts(list, lines) {
  const items = lines.map((text, index) => ({ text, key: String(index) }));
  keyed(list, items, (item) => item.key, () => h("li"), (element, item) => setText(element, item.text));
}
