/** In: a wish for light or dark. Out: the page's colours; the wish is kept in this browser, and says nothing of anybody. */

const KEY = "emdr.theme";
/** `auto` follows the system. */
export const THEMES = ["auto", "light", "dark"];

/** @param {Storage | null} storage */
function kept(storage) {
  try {
    const found = storage?.getItem(KEY);
    return found && THEMES.includes(found) ? found : "auto";
  } catch {
    return "auto";
  }
}

/**
 * @param {Document} page
 * @param {Storage | null} [storage] null where nothing may be kept
 */
export function themeSwitch(page, storage = safeStorage()) {
  let theme = kept(storage);
  const apply = () => {
    if (theme === "auto") delete page.documentElement.dataset.theme;
    else page.documentElement.dataset.theme = theme;
  };
  apply();
  return {
    get theme() {
      return theme;
    },
    /** The next theme in the order of THEMES. */
    next() {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      try {
        storage?.setItem(KEY, theme);
      } catch {
        // Private windows may refuse; the wish then holds until the page closes.
      }
      apply();
      return theme;
    },
  };
}

/** A page in a locked-down browser has no storage, and reading the property throws. */
export function safeStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
