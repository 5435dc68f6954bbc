// The two tabs of a display, as the ARIA practices ask: arrows move, only the chosen one is in the tab order.

const NAMES = ["screen", "inbox"];

export class Tabs {
  /** `opened(name)` is called after each change. */
  constructor(root, opened) {
    this.root = root;
    this.opened = opened;
    for (const name of NAMES) this.#tab(name).addEventListener("click", () => this.open(name));
    root.querySelector(".tabs").addEventListener("keydown", (event) => this.#arrow(event.key));
    this.open("screen");
  }

  open(shown) {
    this.shown = shown;
    for (const name of NAMES) {
      this.root.querySelector(`.pane--${name}`).hidden = name !== shown;
      this.#tab(name).setAttribute("aria-selected", String(name === shown));
      this.#tab(name).tabIndex = name === shown ? 0 : -1;
    }
    this.opened(shown);
  }

  #arrow(key) {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    this.open(NAMES.find((name) => name !== this.shown));
    this.#tab(this.shown).focus();
  }

  #tab(name) {
    return this.root.querySelector(`.tab--${name}`);
  }
}
