import type { KeyboardLayout, LayoutName } from './layout.ts';
import { at } from './layouts/at.ts';
import { be } from './layouts/be.ts';
import { chDe } from './layouts/ch-de.ts';
import { chFr } from './layouts/ch-fr.ts';
import { de } from './layouts/de.ts';
import { fr } from './layouts/fr.ts';
import { it } from './layouts/it.ts';
import { us } from './layouts/us.ts';

/** Every keyboard layout by its name. */
export const keyboardLayouts: Readonly<Record<LayoutName, KeyboardLayout>> = {
  us,
  de,
  at,
  'ch-de': chDe,
  'ch-fr': chFr,
  fr,
  be,
  it,
};
