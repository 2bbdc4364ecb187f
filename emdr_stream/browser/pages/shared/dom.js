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
  let place = list.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = known.get(key);
    if (element) known.delete(key);
    else {
      element = make(item);
      /** @type {HTMLElement} */ (element).dataset.key = key;
    }
    if (element === place) place = place?.nextElementSibling ?? null;
    else list.insertBefore(/** @type {Element} */ (element), place);
    update(element, item);
  }
  for (const gone of known.values()) {
    if (gone === place) place = place?.nextElementSibling ?? null;
    gone.remove();
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
