/** In: dictionaries by language, a key and values. Out: the text; plural forms by the language's own rules. */

import { safeStorage } from "./theme.js";

/** @typedef {string | Record<string, string>} Entry a text, or one for each plural form, chosen by `count` */
/** @typedef {Record<string, Entry>} Dictionary */

const KEY = "emdr.language";

/**
 * The language to begin with: what was chosen here before, else the first of the browser's that we have.
 * @param {string[]} available the first one is the fallback
 * @param {readonly string[]} wished
 * @param {string | null} chosen
 */
export function pickLanguage(available, wished, chosen) {
  if (chosen && available.includes(chosen)) return chosen;
  for (const tag of wished) {
    const language = tag.toLowerCase().split("-")[0];
    if (available.includes(language)) return language;
  }
  return available[0];
}

export class Words {
  #dictionaries;
  #language;
  #plurals;

  /**
   * @param {Record<string, Dictionary>} dictionaries by language; the first one is the fallback for a missing key
   * @param {string} language
   */
  constructor(dictionaries, language) {
    this.#dictionaries = dictionaries;
    this.#language = language;
    this.#plurals = new Intl.PluralRules(language);
  }

  get language() {
    return this.#language;
  }

  /** @param {string} key */
  has(key) {
    return this.#entry(key) !== undefined;
  }

  /**
   * @param {string} key
   * @param {Record<string, string | number>} [values] put in place of `{name}`; `count` chooses the plural form
   * @returns {string} the key itself where there is no text: visible, and found by the test of the dictionaries
   */
  t(key, values = {}) {
    const entry = this.#entry(key);
    if (entry === undefined) return key;
    const text = typeof entry === "string" ? entry : (entry[this.#plurals.select(Number(values.count))] ?? entry.other);
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  }

  /** @param {string} key */
  #entry(key) {
    return this.#dictionaries[this.#language]?.[key] ?? Object.values(this.#dictionaries)[0][key];
  }
}

/**
 * The page's own words, in the language that was chosen here or that the browser asks for.
 * @param {Record<string, Dictionary>} dictionaries
 */
export function pageWords(dictionaries) {
  let chosen = null;
  try {
    chosen = safeStorage()?.getItem(KEY) ?? null;
  } catch {
    // Nothing kept.
  }
  return new Words(dictionaries, pickLanguage(Object.keys(dictionaries), navigator.languages ?? [], chosen));
}

/** @param {string} language */
export function keepLanguage(language) {
  try {
    safeStorage()?.setItem(KEY, language);
  } catch {
    // The choice then holds until the page closes.
  }
}

/**
 * Fills every element that names its text: `data-t` the content, `data-t-aria-label`, `data-t-title` and
 * `data-t-placeholder` the attribute of that name.
 * @param {ParentNode} root
 * @param {Words} words
 */
export function fill(root, words) {
  for (const element of root.querySelectorAll("[data-t]")) {
    element.textContent = words.t(element.getAttribute("data-t") ?? "");
  }
  for (const attribute of ["aria-label", "title", "placeholder"]) {
    const named = `data-t-${attribute}`;
    for (const element of root.querySelectorAll(`[${named}]`)) {
      element.setAttribute(attribute, words.t(element.getAttribute(named) ?? ""));
    }
  }
}
