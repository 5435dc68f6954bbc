// The page: two phones, the tab between them on a narrow screen, and the network they share.

import { Gateway } from "./gateway.js";
import { Handset } from "./handset.js";

const OWNERS = [
  { name: "Phone 1", number: "0712 345 678" },
  { name: "Phone 2", number: "0722 000 111" },
];

const { base, shortcode } = document.body.dataset;
const gateway = new Gateway(base);
const template = document.getElementById("phone");
const handsets = OWNERS.map((owner) => new Handset(template, { ...owner, shortcode, gateway, trouble }));
document.getElementById("phones").append(...handsets.map((handset) => handset.root));

const switches = [...document.querySelectorAll(".switch button")];
switches.forEach((button, index) => button.addEventListener("click", () => choose(index)));
choose(0);
handsets[0].line.focus({ preventScroll: true });

const delay = document.getElementById("delay");
delay.addEventListener("change", () => slow({ delay_seconds: wanted() }));
slow();

function wanted() {
  return Math.min(Math.max(delay.valueAsNumber || 0, 0), Number(delay.max));
}

function choose(chosen) {
  switches.forEach((button, index) => button.setAttribute("aria-pressed", String(index === chosen)));
  handsets.forEach((handset, index) => handset.root.classList.toggle("phone--chosen", index === chosen));
}

async function slow(changes) {
  try {
    delay.value = Number((await gateway.network(changes)).delay_seconds);
  } catch (error) {
    trouble(error.message);
  }
}

function trouble(sentence) {
  const line = document.getElementById("trouble");
  line.hidden = !sentence;
  if (line.textContent !== sentence) line.textContent = sentence;
}
