/** In: a question, the session it is about, what to do on yes. Out: a modal dialog that names the session and reports refusals. */

import { byId, h, isOff, setText, show, switchOff } from "../shared/dom.js";

/** @typedef {import("../shared/words.js").Words} Words */
/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} [name] the session that it is about
 * @property {(Node | string)[]} body
 * @property {string} confirm text of the button that acts
 * @property {boolean} [isGrave] the button is red
 * @property {() => boolean} [ready] whether it may be confirmed now; asked at each input
 * @property {(() => Promise<string | void>) | null} act gives a text when it did not work; null: there is nothing to do
 */

export class Dialogs {
  #words;
  #count = 0;
  /** Closes the one that is only read. @type {((goOn: HTMLElement) => void) | null} */
  #giveWay = null;

  /** @param {() => Words} words */
  constructor(words) {
    this.#words = words;
  }

  get isOpen() {
    return byId("dialogs").childElementCount > 0;
  }

  close() {
    for (const dialog of [...byId("dialogs").children]) dialog.close();
  }

  /**
   * A live region of the page that is heard, too, while a dialog is open: that hides from a screen reader all that stands outside.
   * @param {HTMLElement} region
   */
  heard(region) {
    return {
      get textContent() {
        return region.textContent;
      },
      set textContent(text) {
        for (const each of [region, ...document.querySelectorAll(".dialog-heard")]) each.textContent = text;
      },
    };
  }

  /** What waits behind the dialog that is open. @param {string} text empty for nothing */
  warn(text) {
    for (const line of document.querySelectorAll(".dialog-alert")) setText(line, text);
  }

  /** For something more urgent than what is only read; a question stays, with all that was typed. @param {HTMLElement} goOn gets the focus */
  giveWay(goOn) {
    this.#giveWay?.(goOn);
    this.#giveWay = null;
  }

  /** @param {Question} question */
  open(question) {
    this.close();
    const words = this.#words();
    const id = `dialog-${(this.#count += 1)}`;
    const problem = h("p.dialog-problem", { role: "alert" });
    const yes = question.act && h("button.button", { type: "submit", "data-do": "confirm" }, question.confirm);
    yes?.classList.add(question.isGrave ? "button-danger" : "button-main");
    const no = h("button.button", { type: "button", "data-do": "cancel", onclick: () => dialog.close() }, words.t(question.act ? "dialog.cancel" : "dialog.close"));
    const form = h("form", { method: "dialog", novalidate: true, onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); act(); } },
      h("div.dialog-heard.visually-hidden", { role: "alert", "aria-live": "assertive", "aria-atomic": "true" }),
      h("p.dialog-alert"),
      h("h2", { id: `${id}-title` }, question.title),
      question.name ? h("p.dialog-name", { id: `${id}-name` }, question.name) : null,
      h("div.dialog-body", {}, ...question.body),
      problem,
      h("div.dialog-actions", {}, no, yes));
    const dialog = h("dialog.dialog", { "aria-labelledby": question.name ? `${id}-title ${id}-name` : `${id}-title` }, form);
    let came = document.activeElement;
    this.#giveWay = question.act ? null : (goOn) => { came = goOn; dialog.close(); };
    dialog.addEventListener("close", () => {
      dialog.remove();
      // Opened by a key from nowhere in particular: the session that it was about is the place to go on from.
      const isThere = came instanceof HTMLElement && came !== document.body && came.isConnected && !came.closest("[hidden]");
      const back = isThere ? came : byId("detail");
      back.focus({ preventScroll: true });
    });
    const look = () => { if (yes && question.ready) switchOff(yes, !question.ready()); };
    form.addEventListener("input", look);
    const act = async () => {
      if (!question.act || isOff(yes)) return;
      switchOff(yes, true);
      const refused = await question.act();
      if (!refused) {
        dialog.close();
        return;
      }
      switchOff(yes, false);
      setText(problem, refused);
    };
    byId("dialogs").append(dialog);
    dialog.showModal();
    look();
    (form.querySelector("[autofocus]") ?? form.querySelector("input, select, textarea") ?? no).focus();
  }
}

/**
 * A labelled number with its present value and range; what is wrong is said at the field.
 * @param {{id: string, label: string, value: string, hint: string, range: {least: number, most: number, step: number}}} field
 */
export function numberField({ id, label, value, hint, range }) {
  const wrong = h("p.field-problem", { id: `${id}-wrong`, role: "status" });
  const input = h("input.field", {
    id, value, inputmode: "decimal", autocomplete: "off", "aria-describedby": `${id}-hint ${id}-wrong`,
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      const turn = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      const now = Number(input.value.replace(",", "."));
      if (!turn || !Number.isFinite(now)) return;
      event.preventDefault();
      const places = String(range.step).split(".")[1]?.length ?? 0;
      input.value = Math.min(range.most, Math.max(range.least, now + turn * range.step)).toFixed(places);
      input.dispatchEvent(new Event("input", { bubbles: true }));
    },
  });
  const block = h("div.form-row", {}, h("label", { for: id }, label), input, h("p.hint", { id: `${id}-hint` }, hint), wrong);
  return {
    block, input,
    /** @param {string} text empty for nothing wrong */
    tell(text) {
      setText(wrong, text);
      show(wrong, text !== "");
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
  };
}

/** @param {string} id @param {string} text @param {boolean} [checked] */
export function checkbox(id, text, checked = false) {
  const input = h("input", { type: "checkbox", id, checked });
  return { input, block: h("div.form-check", {}, input, h("label", { for: id }, text)) };
}

/** @param {string} id @param {string} label @param {string[]} values @param {string} chosen @param {(value: string) => string} textOf */
export function choice(id, label, values, chosen, textOf) {
  const select = h("select.field", { id }, ...values.map((value) => h("option", { value, selected: value === chosen }, textOf(value))));
  return { select, block: h("div.form-row", {}, h("label", { for: id }, label), select) };
}
