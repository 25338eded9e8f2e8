import type { z } from 'zod';
import type { CardSchemes } from '../sync/contract/card-scheme.ts';
import { GSRN_PREFIX, HOUSE_PREFIX, PARTNER_PREFIX } from './card-numbers.ts';

/** The card schemes of the demo, on server and till alike. */
export const demoCardSchemes: z.input<typeof CardSchemes> = [
  {
    name: 'house',
    kind: 'card',
    symbologies: ['ean-13', 'magstripe', 'typed'],
    prefix: HOUSE_PREFIX,
    lengths: [13],
    checkDigit: 'gs1',
  },
  {
    name: 'gsrn',
    kind: 'gsrn',
    symbologies: ['gs1-128', 'gs1-data-matrix', 'gs1-qr'],
    prefix: GSRN_PREFIX,
    lengths: [18],
    checkDigit: 'gs1',
  },
  {
    name: 'partner',
    kind: 'card',
    symbologies: ['code-128', 'qr', 'typed'],
    prefix: PARTNER_PREFIX,
    lengths: [16],
    checkDigit: 'luhn',
  },
];
