// One phone's call: idle, waiting for the network, an open page, or a last message. Knows no HTML.

export class Call {
  /** `changed(call)` is called after every change of `state`, `text` and `note`. */
  constructor(gateway, changed) {
    this.gateway = gateway;
    this.changed = changed;
    this.session = null;
    this.attempt = 0;
    this.#show("idle", "");
  }

  get isOver() {
    return this.state === "idle" || this.state === "ended";
  }

  /** Whether there is a last hop that the network could deliver again. */
  get canRepeat() {
    return this.session !== null && (this.state === "open" || this.state === "ended");
  }

  dial(phone, dialled, networkCode) {
    this.session = null;
    return this.#hop(() => this.gateway.dial(phone, dialled, networkCode));
  }

  answer(typed) {
    return this.#hop(() => this.gateway.answer(this.session, typed));
  }

  /** The network delivers the last hop again; says whether the same page came back. */
  async twice() {
    const before = this.text;
    const isShown = await this.#hop(() => this.gateway.repeat(this.session));
    if (!isShown) return;
    const came = this.text === before ? "the same page came back." : "another page came!";
    this.#show(this.state, this.text, `Delivered twice: ${came}`);
  }

  /** Cut off, by the person or by the network. A page that is still on its way is not shown any more. */
  async drop(note) {
    const session = this.isOver ? null : this.session;
    this.attempt += 1;
    this.#show("idle", "", note);
    if (session) await this.#hangUp(session);
  }

  /** The last message was read. */
  close() {
    this.#show("idle", "");
  }

  /** Send, and show the page that comes; false when no page is to be shown. */
  async #hop(send) {
    const attempt = (this.attempt += 1);
    this.#show("waiting", this.text);
    try {
      const screen = await send();
      if (attempt !== this.attempt) return this.#hangUpLate(screen);
      this.session = screen.session_id;
      this.#show(screen.open ? "open" : "ended", screen.text, screen.error ?? "");
      return true;
    } catch (error) {
      if (attempt === this.attempt) this.#show("ended", error.message);
      return false;
    }
  }

  /** The person hung up before this page came. */
  async #hangUpLate(screen) {
    if (screen.open) await this.#hangUp(screen.session_id);
    return false;
  }

  /** Best effort: a call that cannot be dropped any more is over. */
  #hangUp(session) {
    return this.gateway.drop(session).catch(() => {});
  }

  #show(state, text, note = "") {
    Object.assign(this, { state, text, note });
    this.changed(this);
  }
}
