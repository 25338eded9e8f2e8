import type { KeyboardLayout } from '../layout.ts';
import { de } from './de.ts';

/** Austrian: the same keys as German (xkb `at` includes `de`). */
export const at: KeyboardLayout = { ...de, name: 'at' };
