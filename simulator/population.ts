import { SeededRandom, uuidV7 } from '../foundation/random.ts';
import type { Random } from '../foundation/random.ts';
import type { Purpose } from '../sync/contract/replica-documents.ts';
import { cardNumber } from './card-numbers.ts';
import type { CardNumber, CardSchemeName } from './card-numbers.ts';
import { personOf } from './person.ts';
import type { Person } from './person.ts';

/** Raised whenever the same seed would give other people, so that what was cached of them is made anew. */
export const POPULATION_VERSION = 1;

/** "Today" of every generated population: cards expired before it, and no customer joined after it. */
export const POPULATION_AT = Date.UTC(2026, 0, 1);

/** Most customers one population can have: their cards' ordinals must stay below those never given out. */
const CUSTOMERS_MAX = 400_000_000;
const DAY_MS = 86_400_000;

export interface GeneratedCard extends CardNumber {
  readonly status: 'active' | 'blocked';
  /** No longer accepted from this instant on. */
  readonly validUntil: number | null;
}

/** A customer without a face: what a till's replica needs, made in about a microsecond. */
export interface GeneratedMember {
  readonly ordinal: number;
  /** UUID version 7, made of the seed. */
  readonly id: string;
  readonly status: 'active' | 'blocked';
  readonly joinedAt: number;
  readonly tier: TierId;
  readonly purposes: readonly Purpose[];
  /** One, or two for every fifth customer: a population of n holds exactly n + ⌈n / 5⌉ cards. */
  readonly cards: readonly GeneratedCard[];
}

export interface GeneratedCustomer extends GeneratedMember {
  readonly person: Person;
}

/** Tiers of the demo programme, from the first to the highest. */
export const tierIds = ['basic', 'silver', 'gold'] as const;
export type TierId = (typeof tierIds)[number];

/**
 * The customers of a seed. Each one depends on the seed and its ordinal alone, so any of them can be had without the
 * others, and a larger population begins with the smaller one.
 */
export class Population {
  readonly #seed: number;
  readonly size: number;

  constructor(size: number, seed = 1) {
    if (!Number.isInteger(size) || size < 0 || size > CUSTOMERS_MAX) {
      throw new RangeError(`a population has 0 to ${CUSTOMERS_MAX} customers, got ${size}`);
    }
    this.size = size;
    this.#seed = seed;
  }

  get cardCount(): number {
    return this.size + Math.ceil(this.size / 5);
  }

  member(ordinal: number): GeneratedMember {
    const random = new SeededRandom(Math.imul(this.#seed, 0x9e3779b1) ^ Math.imul(ordinal + 1, 0x85ebca6b));
    const joinedAt = POPULATION_AT - Math.floor(random.next() * 3650 * DAY_MS);
    const id = uuidV7(joinedAt, random);
    const status = random.next() < 0.005 ? 'blocked' : 'active';
    const tier = pick(random, [
      ['basic', 0.7],
      ['silver', 0.22],
      ['gold', 0.08],
    ]);
    const purposes: Purpose[] = [];
    if (random.next() < 0.6) purposes.push('greeting');
    if (random.next() < 0.5) purposes.push('personal_offers');
    if (random.next() < 0.3) purposes.push('profiling');
    const cards = [card(random, ordinal * 2)];
    if (ordinal % 5 === 0) cards.push(card(random, ordinal * 2 + 1));
    return { ordinal, id, status, joinedAt, tier, purposes, cards };
  }

  customer(ordinal: number): GeneratedCustomer {
    return { ...this.member(ordinal), person: personOf(this.#seed, ordinal) };
  }

  *members(): Generator<GeneratedMember> {
    for (let ordinal = 0; ordinal < this.size; ordinal += 1) yield this.member(ordinal);
  }

  *customers(): Generator<GeneratedCustomer> {
    for (let ordinal = 0; ordinal < this.size; ordinal += 1) yield this.customer(ordinal);
  }
}

/** A well-formed card that no population ever gave to anyone. */
export function unissuedCard(scheme: CardSchemeName, n: number): CardNumber {
  return cardNumber(scheme, 900_000_000 + n);
}

function card(random: Random, ordinal: number): GeneratedCard {
  const scheme = pick(random, [
    ['house', 0.8],
    ['gsrn', 0.12],
    ['partner', 0.08],
  ]);
  const status = random.next() < 0.02 ? 'blocked' : 'active';
  const expiry = random.next();
  const validUntil =
    expiry < 0.025
      ? POPULATION_AT - Math.ceil(random.next() * 700) * DAY_MS
      : expiry < 0.5
        ? POPULATION_AT + 10 * 365 * DAY_MS
        : null;
  return { ...cardNumber(scheme, ordinal), status, validUntil };
}

function pick<T extends string>(
  random: Random,
  shares: readonly [readonly [T, number], ...(readonly [T, number])[]],
): T {
  let left = random.next();
  for (const [value, share] of shares) {
    left -= share;
    if (left < 0) return value;
  }
  return shares[0][0];
}
