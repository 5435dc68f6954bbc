// The gateway's own /simulator routes, the only address this page talks to.

export class Refused extends Error {}
export class Away extends Error {}

export class Gateway {
  constructor(base) {
    this.base = base.replace(/\/$/, "");
  }

  dial(phone, dialled, networkCode) {
    return this.#post("dial", { phone, dialled, network_code: networkCode });
  }

  answer(sessionId, input) {
    return this.#post("at/answer", { session_id: sessionId, input });
  }

  repeat(sessionId) {
    return this.#post("at/repeat", { session_id: sessionId });
  }

  drop(sessionId) {
    return this.#post("at/drop", { session_id: sessionId });
  }

  /** Messages, M-Pesa prompts and M-Pesa balance of one phone. */
  news(phone) {
    return this.#post("news", { phone });
  }

  /** The network's settings, after those given are changed. */
  network(changes = {}) {
    return this.#post("at/network", changes);
  }

  answerPrompt(id, answer) {
    if (answer === "wrong") return this.#post("prompt/accept", { id, pin_ok: false });
    return this.#post(`prompt/${answer}`, { id });
  }

  /** Throws `Refused` with a sentence to show, or `Away` when nobody is there. */
  async #post(path, body) {
    const answer = await this.#fetched(path, body);
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) return said;
    const sentence = said.error ?? `The gateway answered ${answer.status}.`;
    throw answer.status < 500 ? new Refused(sentence) : new Away(sentence);
  }

  #fetched(path, body) {
    const headers = { "Content-Type": "application/json" };
    return fetch(`${this.base}/${path}`, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => {
      throw new Away("The gateway does not answer. Is it running?");
    });
  }
}
