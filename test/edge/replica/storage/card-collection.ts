import type { RxJsonSchema } from 'rxdb';

export interface Card {
  readonly id: string;
  readonly holder: string;
  readonly points: number;
  readonly active: boolean;
  readonly note?: string;
}

export const cardSchema: RxJsonSchema<Card> = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 64 },
    holder: { type: 'string', maxLength: 64 },
    points: { type: 'integer', minimum: -1_000_000, maximum: 1_000_000, multipleOf: 1 },
    active: { type: 'boolean' },
    note: { type: 'string' },
  },
  required: ['id', 'holder', 'points', 'active'],
  indexes: ['points', ['holder', 'points'], ['active', 'holder']],
};

export function card(n: number): Card {
  return { id: `card-${String(n).padStart(6, '0')}`, holder: `h${n % 7}`, points: n, active: n % 3 !== 0 };
}
