import type { KeyboardLayout } from '../layout.ts';
import { chDe } from './ch-de.ts';

/** Swiss French (xkb `ch(fr)`): the keys of Swiss German with the accented letters swapped. */
export const chFr: KeyboardLayout = {
  ...chDe,
  name: 'ch-fr',
  keys: {
    ...chDe.keys,
    0x2f: ['è', 'ü', '[', '\u030a'],
    0x33: ['é', 'ö', '\u0301', '\u030b'],
    0x34: ['à', 'ä', '{', '\u030c'],
  },
};
