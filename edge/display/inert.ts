/** What a text from outside may take on the page, in UTF-16 units. */
const LENGTH_MAX = 200;

/** Controls, format and direction characters, line and paragraph separators, and all that takes no ink by design. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * A text from a scan or a document, safe to put before a person: whatever would hide, reorder or break the line
 * becomes a visible replacement character, lone surrogates too, and what is overlong ends in an ellipsis.
 */
export function inert(text: string, lengthMax: number = LENGTH_MAX): string {
  const visible = text
    .slice(0, lengthMax + 1)
    .toWellFormed()
    .replace(INVISIBLE, '\ufffd');
  return visible.length > lengthMax ? `${visible.slice(0, lengthMax - 1).toWellFormed()}…` : visible;
}
