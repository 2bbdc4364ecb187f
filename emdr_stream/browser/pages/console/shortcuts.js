/** In: keys. Out: what they ask for; never while somebody types or chooses in a form, and in a dialog the pause alone. */

import { letterOf } from "../shared/letter.js";

/** Every key, in the order in which the help lists them. */
export const KEYS = [
  ["j", "next"], ["k", "previous"], ["a", "acknowledge"], ["p", "pause"], ["r", "resume"], ["f", "config"],
  ["t", "thresholds"], ["e", "end"], ["s", "speak"], ["l", "alerts"], ["d", "detail"], ["m", "sound"], ["?", "help"],
];
const TYPING = new Set(["INPUT", "TEXTAREA", "SELECT"]);

/**
 * @param {{key: string, code?: string, ctrlKey: boolean, altKey: boolean, metaKey: boolean, isComposing?: boolean, repeat?: boolean, target: any}} event
 * @param {boolean} inDialog
 * @returns {string | null}
 */
export function wishOf(event, inDialog) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return null;
  if (isTyping(event.target)) return null;
  const letter = letterOf(event);
  const wish = KEYS.find(([key]) => key === letter)?.[1] ?? null;
  // The safe direction must stay in reach; what else a letter does is not seen behind a dialog.
  return inDialog && wish !== "pause" ? null : wish;
}

/** Radio buttons, ticks and sliders take no letters. @param {any} target */
function isTyping(target) {
  if (target?.isContentEditable) return true;
  if (!TYPING.has(target?.tagName)) return false;
  return !(target.tagName === "INPUT" && ["radio", "checkbox", "range"].includes(target.type));
}
