// Draws a call on the display: the page, the line to type on, the soft keys and the septets.

import { LIMIT, pageSeptets } from "./gsm7.js";

const LINE = { idle: "Number to dial", waiting: "Please wait", open: "Your answer", ended: "Press Enter for OK" };
const RIGHT_KEY = { idle: "Dial", waiting: "Send", open: "Send", ended: "OK" };

export class Display {
  constructor(root, shortcode) {
    this.root = root;
    this.shortcode = shortcode;
    this.line = this.#part(".typed__line");
  }

  show({ state, text, note }) {
    this.root.dataset.state = state;
    this.#part(".page__text").textContent = this.#words(state, text);
    this.#part(".page").scrollTop = 0;
    this.note(note);
    this.#drawLine(state);
    this.#drawKeys(state);
    this.#drawSeptets(state === "open" || state === "ended", text);
  }

  /** A sentence under the phone, about the network or what came. */
  note(sentence) {
    this.#part(".note").textContent = sentence;
  }

  #words(state, text) {
    if (state === "idle") return `Press the green key to dial ${this.shortcode}`;
    return state === "waiting" ? "USSD code running..." : text;
  }

  #drawLine(state) {
    this.line.setAttribute("aria-label", LINE[state]);
    this.line.placeholder = state === "idle" ? this.shortcode : "";
    this.line.readOnly = state === "waiting" || state === "ended";
    this.line.inputMode = state === "idle" ? "tel" : "text";
  }

  #drawKeys(state) {
    this.#part(".soft__right").textContent = RIGHT_KEY[state];
    this.#part(".soft__right").disabled = state === "waiting";
    this.#part(".soft__left").hidden = state === "idle" || state === "ended";
  }

  #drawSeptets(isPage, text) {
    const { used, strange } = pageSeptets(text);
    const isOver = isPage && (used > LIMIT || strange.length > 0);
    this.#part(".septets").classList.toggle("septets--over", isOver);
    this.#part(".septets__used").textContent = isPage ? `${used} of ${LIMIT}` : "";
    this.#part(".septets__left").textContent = isPage ? leftOver(LIMIT - used, strange) : "";
  }

  #part(selector) {
    return this.root.querySelector(selector);
  }
}

function leftOver(left, strange) {
  if (strange.length) return `not GSM-7: ${[...new Set(strange)].join(" ")}`;
  return left < 0 ? `${-left} too many` : `${left} left`;
}
