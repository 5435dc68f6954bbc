// How much of a USSD page a text takes: GSM-7 septets, as ussd_menus/page.py counts them.

export const LIMIT = 160;

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENDED = new Set("^{}[]~\\|€\f"); // behind an escape: two septets each

/** `{used, strange}`: septets of the text, and its characters that GSM-7 does not have. */
export function septets(text) {
  let used = 0;
  const strange = [];
  for (const char of text) {
    used += EXTENDED.has(char) ? 2 : 1;
    if (!BASIC.has(char) && !EXTENDED.has(char)) strange.push(char);
  }
  return { used, strange };
}

/** Septets of a page as the network counts them: with the word `CON ` or `END ` before it. */
export function pageSeptets(text) {
  return septets(`CON ${text}`);
}
