// One phone on the page: its call, display, inbox and M-Pesa prompt joined to its own copy of the template.

import { Call } from "./call.js";
import { Display } from "./display.js";
import { Away } from "./gateway.js";
import { Inbox } from "./inbox.js";
import { Prompt, shillings } from "./prompt.js";
import { Tabs } from "./tabs.js";

const LOOK_MS = 1000;
const ANSWERED = {
  accept: "You paid by M-Pesa.",
  refuse: "You refused to pay.",
  wrong: "You typed a wrong M-Pesa PIN.",
  ignore: "You let the M-Pesa request pass.",
};

export class Handset {
  /** `trouble(sentence)` is told when the simulators are away, with "" when they are back. */
  constructor(template, { name, number, shortcode, gateway, trouble }) {
    this.root = template.content.cloneNode(true).firstElementChild;
    Object.assign(this, { shortcode, gateway, trouble });
    this.root.setAttribute("aria-label", name);
    this.#part(".owner__name").textContent = name;
    this.number = this.#part(".owner__number");
    this.number.value = number;
    this.display = new Display(this.root, shortcode);
    this.line = this.display.line;
    this.inbox = new Inbox(this.#part(".inbox"), this.#part(".inbox__none"), this.#part(".badge"));
    this.tabs = new Tabs(this.root, (shown) => shown === "inbox" && this.inbox.read());
    const under = [this.#part(".lcd__under"), this.#part(".keypad")];
    this.prompt = new Prompt(this.#part(".prompt"), under, (id, answer) => this.#answerPrompt(id, answer));
    this.call = new Call(gateway, (call) => this.#draw(call));
    this.#listen();
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
    this.number.addEventListener("change", () => this.inbox.forget());
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && this.#hangUp());
  }

  /** The green key and Enter: dial, send, or put the last message away. */
  #go() {
    this.tabs.open("screen");
    if (this.call.state === "waiting") return undefined;
    const typed = this.line.value;
    this.line.value = "";
    if (this.call.state === "ended") return this.call.close();
    if (this.call.state === "open") return this.call.answer(typed);
    return this.call.dial(this.number.value, typed.trim() || this.shortcode, this.#part(".network__code").value);
  }

  #hangUp() {
    if (this.prompt.isUp) return;
    this.line.value = "";
    this.call.drop(this.call.isOver ? "" : "Call ended.");
  }

  #press(button) {
    if (!button) return;
    const { do: doing, key } = button.dataset;
    if (doing === "green") this.#go();
    else if (doing === "red") this.#hangUp();
    else this.#type((old) => (doing === "clear" ? old.slice(0, -1) : old + key));
  }

  #type(change) {
    if (this.line.readOnly) return;
    this.tabs.open("screen");
    this.line.value = change(this.line.value);
  }

  #draw(call) {
    this.display.show(call);
    this.number.readOnly = !call.isOver;
    this.#part(".network__drop").disabled = call.isOver;
    this.#part(".network__twice").disabled = !call.canRepeat;
    this.#keepTyping(call.state);
  }

  /** Who sent by Enter, a soft key or the green key goes on typing; who uses the digits or a tool stays there. */
  #keepTyping(state) {
    const at = document.activeElement;
    if (!this.root.contains(at) || !(at === this.line || at.closest(".soft, .key--green"))) return;
    (state === "ended" ? this.#part(".soft__right") : this.line).focus({ preventScroll: true });
  }

  /** A look that was on its way meanwhile must not bring the answered prompt back; a failed answer does. */
  async #answerPrompt(id, answer) {
    this.answered = id;
    const hadFocus = this.root.contains(document.activeElement);
    this.prompt.show(undefined);
    if (hadFocus) this.line.focus({ preventScroll: true });
    try {
      await this.gateway.answerPrompt(id, answer);
      this.display.note(ANSWERED[answer]);
    } catch (error) {
      this.answered = null;
      this.display.note(error.message);
    }
    await this.#look();
  }

  async #keepLooking() {
    if (!document.hidden) await this.#look();
    setTimeout(() => this.#keepLooking(), LOOK_MS);
  }

  /** Ask for news of this number. An answer for a number that was changed meanwhile is not for this phone. */
  async #look() {
    const number = this.number.value;
    if (number === this.refused) return;
    try {
      const news = await this.gateway.news(number);
      if (number === this.number.value) this.#take(news);
      this.#complain("");
      this.trouble("");
    } catch (error) {
      if (error instanceof Away) return this.trouble(error.message);
      this.refused = number;
      this.#complain("This is not a Kenyan mobile number.");
    }
  }

  #take({ messages, prompts, balance }) {
    const came = this.inbox.take(messages, this.tabs.shown === "inbox");
    if (came) this.display.note(came === 1 ? "1 new message." : `${came} new messages.`);
    const waiting = prompts.findLast((prompt) => prompt.id !== this.answered);
    const at = document.activeElement;
    const isFree = at === document.body || this.root.contains(at);
    if (this.prompt.show(waiting, balance) && isFree) this.prompt.box.focus({ preventScroll: true });
    this.#part(".owner__money").textContent = `M-Pesa KES ${shillings(balance)}`;
  }

  #complain(sentence) {
    this.number.setAttribute("aria-invalid", String(sentence !== ""));
    this.#part(".owner__wrong").textContent = sentence;
    if (sentence) this.#part(".owner__money").textContent = "";
  }
}
