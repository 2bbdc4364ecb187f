/** In: a key that was pressed. Out: what it means as a shortcut, whatever alphabet the keyboard writes. */

/**
 * What the key writes, small, where that is a Latin letter or none at all ("?", "enter"): layouts move them about. Else the
 * letter of its place on a keyboard of the Latin alphabet, which is what is printed on it beside the other one.
 * @param {{key?: string, code?: string}} event one that a browser fills a form with has neither @returns {string}
 */
export function letterOf({ key = "", code = "" }) {
  const isForeign = key === "Process" || (/^\p{Letter}$/u.test(key) && !/\p{Script=Latin}/u.test(key));
  return (isForeign ? code.match(/^Key([A-Z])$/)?.[1] ?? key : key).toLowerCase();
}
