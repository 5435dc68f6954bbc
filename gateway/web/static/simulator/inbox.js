// The messages of one phone, newest first, and how many of them were not read.

export class Inbox {
  constructor(list, none, badge) {
    this.list = list;
    this.none = none;
    this.badge = badge;
    this.forget();
  }

  /** Another number: its older messages count as read. */
  forget() {
    this.known = null;
    this.unread = 0;
    this.list.replaceChildren();
    this.#count();
  }

  /** Show what came, oldest first as the network keeps it; returns how many are new. */
  take(messages, isShown) {
    const fresh = messages.filter((message) => !this.known?.has(message.id));
    const isFirstLook = this.known === null;
    this.known = new Set(messages.map((message) => message.id));
    for (const message of fresh) this.list.prepend(item(message, !isFirstLook));
    if (!isFirstLook && !isShown) this.unread += fresh.length;
    this.#count();
    return isFirstLook ? 0 : fresh.length;
  }

  read() {
    this.unread = 0;
    this.#count();
  }

  #count() {
    this.none.hidden = this.list.childElementCount > 0;
    this.badge.hidden = this.unread === 0;
    this.badge.textContent = String(this.unread);
    this.badge.setAttribute("aria-label", `${this.unread} new`);
  }
}

function item(message, isNew) {
  const time = make("time", new Date(message.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = message.at;
  const head = make("p", "");
  head.className = "inbox__head";
  head.append(make("b", message.sender), time);
  const row = make("li", "");
  row.classList.toggle("inbox__new", isNew);
  row.append(head, make("p", message.text));
  return row;
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
