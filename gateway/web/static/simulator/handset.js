// One phone on the page: its call, inbox and M-Pesa prompt joined to the buttons of its own copy of the template.

import { Call } from "./call.js";
import { Away } from "./gateway.js";
import { LIMIT, pageSeptets } from "./gsm7.js";
import { Inbox } from "./inbox.js";
import { Prompt, shillings } from "./prompt.js";

const LOOK_MS = 1000;
const SAID = { accept: "You paid by M-Pesa.", refuse: "You refused to pay.", wrong: "You typed a wrong M-Pesa PIN.", ignore: "You let the M-Pesa request pass." };

export class Handset {
  /** `trouble(sentence)` is told when the simulators are away, with "" when they are back. */
  constructor(template, { name, number, shortcode, gateway, trouble }) {
    this.root = template.content.cloneNode(true).firstElementChild;
    Object.assign(this, { name, shortcode, gateway, trouble });
    this.number = this.#part(".owner__number");
    this.line = this.#part(".typed__line");
    this.number.value = number;
    this.#part(".owner__name").textContent = name;
    this.root.setAttribute("aria-label", name);
    this.inbox = new Inbox(this.#part(".inbox"), this.#part(".inbox__none"), this.#part(".badge"));
    const under = [this.#part(".lcd__under"), this.#part(".keypad")];
    this.prompt = new Prompt(this.#part(".prompt"), under, (id, answer) => this.#answerPrompt(id, answer));
    this.call = new Call(gateway, () => this.call && this.#draw());
    this.#listen();
    this.#open("screen");
    this.#draw();
    this.#keepLooking();
  }

  #part(selector) {
    return this.root.querySelector(selector);
  }

  #listen() {
    const on = (selector, event, act) => this.#part(selector).addEventListener(event, act);
    on(".typed", "submit", (event) => (event.preventDefault(), this.#go()));
    on(".soft__left", "click", () => this.#hangUp());
    on(".keypad", "click", (event) => this.#press(event.target.closest("button")));
    on(".network__drop", "click", () => this.call.drop("The network dropped the call."));
    on(".network__twice", "click", () => this.call.twice());
    on(".tabs", "keydown", (event) => this.#arrow(event));
    for (const tab of ["screen", "inbox"]) on(`.tab--${tab}`, "click", () => this.#open(tab));
    this.number.addEventListener("change", () => this.inbox.forget());
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && this.#hangUp());
  }

  /** The green key and Enter: dial, send, or put the last message away. */
  #go() {
    this.#open("screen");
    const typed = this.line.value;
    if (this.call.state === "waiting") return undefined;
    this.line.value = "";
    if (this.call.state === "ended") return this.call.close();
    if (this.call.isOpen) return this.call.answer(typed);
    return this.call.dial(this.number.value, typed.trim() || this.shortcode, this.#part(".network__code").value);
  }

  #hangUp() {
    if (this.prompt.isUp) return;
    this.line.value = "";
    this.call.drop(this.call.isOver ? "" : "Call ended.");
  }

  #press(button) {
    if (!button) return;
    const doing = { green: () => this.#go(), red: () => this.#hangUp(), clear: () => this.#type((old) => old.slice(0, -1)) };
    if (button.dataset.do) doing[button.dataset.do]();
    else this.#type((old) => old + button.dataset.key);
  }

  #type(change) {
    if (this.call.state === "waiting" || this.call.state === "ended") return;
    this.#open("screen");
    this.line.value = change(this.line.value);
  }

  #arrow(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = this.shown === "screen" ? "inbox" : "screen";
    this.#open(other);
    this.#part(`.tab--${other}`).focus();
  }

  #open(shown) {
    this.shown = shown;
    for (const tab of ["screen", "inbox"]) {
      this.#part(`.pane--${tab}`).hidden = tab !== shown;
      this.#part(`.tab--${tab}`).setAttribute("aria-selected", String(tab === shown));
      this.#part(`.tab--${tab}`).tabIndex = tab === shown ? 0 : -1;
    }
    if (shown === "inbox") this.inbox.read();
  }

  #draw() {
    const { state, text, note } = this.call;
    this.root.dataset.state = state;
    this.#part(".page__text").textContent = this.#shownText(state, text);
    this.#part(".page").scrollTop = 0;
    this.#part(".note").textContent = note;
    this.number.readOnly = state === "open" || state === "waiting";
    this.#drawLine(state);
    this.#drawTools(state);
    this.#drawSeptets(state, text);
  }

  #shownText(state, text) {
    if (state === "idle") return `Press the green key to dial ${this.shortcode}`;
    return state === "waiting" ? "USSD code running..." : text;
  }

  #drawLine(state) {
    const names = { idle: "Number to dial", waiting: "Please wait", open: "Your answer", ended: "" };
    this.line.setAttribute("aria-label", names[state] || "Press Enter for OK");
    this.line.placeholder = state === "idle" ? this.shortcode : "";
    this.line.readOnly = state === "waiting" || state === "ended";
    this.line.inputMode = state === "idle" ? "tel" : "text";
    this.#part(".soft__right").textContent = { idle: "Dial", ended: "OK" }[state] ?? "Send";
    this.#part(".soft__right").disabled = state === "waiting";
    this.#part(".soft__left").hidden = state === "idle" || state === "ended";
    if (this.root.contains(document.activeElement) && state !== "waiting") this.#focusLine();
  }

  /** Someone at a keyboard goes on typing; someone at the keypad or a tool stays there. */
  #focusLine() {
    const at = document.activeElement;
    if (at === this.line || at.closest(".soft") || at.closest(".key--green")) this.line.focus({ preventScroll: true });
  }

  #drawTools(state) {
    this.#part(".network__drop").disabled = state !== "open" && state !== "waiting";
    this.#part(".network__twice").disabled = !this.call.session || (state !== "open" && state !== "ended");
  }

  #drawSeptets(state, text) {
    const isPage = state === "open" || state === "ended";
    const { used, strange } = pageSeptets(text);
    const left = LIMIT - used;
    this.#part(".septets").classList.toggle("septets--over", isPage && (left < 0 || strange.length > 0));
    this.#part(".septets__used").textContent = isPage ? `${used} of ${LIMIT}` : "";
    this.#part(".septets__left").textContent = isPage ? leftOver(left, strange) : "";
  }

  async #answerPrompt(id, answer) {
    const hadFocus = this.root.contains(document.activeElement);
    this.prompt.show(undefined);
    const said = await this.gateway.answerPrompt(id, answer).then(() => SAID[answer], (error) => error.message);
    this.#part(".note").textContent = said;
    if (hadFocus) this.line.focus({ preventScroll: true });
    await this.#look();
  }

  async #keepLooking() {
    if (!document.hidden) await this.#look();
    setTimeout(() => this.#keepLooking(), LOOK_MS);
  }

  /** Ask for news of this number. An answer for a number that was changed meanwhile is not for this phone. */
  async #look() {
    const number = this.number.value;
    try {
      const news = await this.gateway.news(number);
      if (number === this.number.value) this.#take(news);
      this.#complain(false);
      this.trouble("");
    } catch (error) {
      if (error instanceof Away) this.trouble(error.message);
      else this.#complain(true);
    }
  }

  #take({ messages, prompts, balance }) {
    const came = this.inbox.take(messages, this.shown === "inbox");
    if (came) this.#part(".note").textContent = came === 1 ? "1 new message." : `${came} new messages.`;
    const isNew = this.prompt.show(prompts.at(-1), balance);
    const free = document.activeElement === document.body || this.root.contains(document.activeElement);
    if (isNew && free) this.prompt.box.focus({ preventScroll: true });
    this.#part(".owner__money").textContent = `M-Pesa KES ${shillings(balance)}`;
  }

  #complain(isWrong) {
    this.number.setAttribute("aria-invalid", String(isWrong));
    this.#part(".owner__wrong").textContent = isWrong ? "This is not a Kenyan mobile number." : "";
    if (isWrong) this.#part(".owner__money").textContent = "";
  }
}

function leftOver(left, strange) {
  if (strange.length) return `not GSM-7: ${[...new Set(strange)].join(" ")}`;
  return left < 0 ? `${-left} too many` : `${left} left`;
}
