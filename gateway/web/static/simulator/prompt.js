// The M-Pesa prompt that the SIM toolkit puts over whatever the phone shows.

const MERCHANT = "MLANGO";

export class Prompt {
  /** `answered(id, answer)` with accept, refuse, wrong or ignore. `under` cannot be used while a prompt is up. */
  constructor(box, under, answered) {
    this.box = box;
    this.under = under;
    this.id = null;
    for (const button of box.querySelectorAll("[data-answer]")) {
      button.addEventListener("click", () => this.id && answered(this.id, button.dataset.answer));
    }
  }

  get isUp() {
    return this.id !== null;
  }

  /** The newest prompt of the phone, or none; true when another one came up. */
  show(prompt, balance) {
    const isNew = prompt !== undefined && prompt.id !== this.id;
    this.id = prompt?.id ?? null;
    this.box.hidden = !prompt;
    for (const part of this.under) part.inert = this.isUp;
    if (prompt) this.#fill(prompt, balance);
    return isNew;
  }

  #fill(prompt, balance) {
    const asked = `Pay KES ${shillings(prompt.amount)} to ${MERCHANT} account ${prompt.reference}? Enter PIN`;
    this.#say(".prompt__text", asked);
    this.box.setAttribute("aria-label", `M-Pesa. ${asked}`);
    this.#say(".prompt__balance", `Balance KES ${shillings(balance)}`);
    this.#say(".prompt__left", `${prompt.seconds_left} s left`);
  }

  #say(part, text) {
    this.box.querySelector(part).textContent = text;
  }
}

export function shillings(amount) {
  return amount.toLocaleString("en");
}
