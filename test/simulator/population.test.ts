import { expect, test } from 'vitest';
import { hasGs1CheckDigit, hasLuhnCheckDigit } from '../../foundation/check-digit.ts';
import { Uuid } from '../../sync/contract/ids.ts';
import { Population, POPULATION_AT, tierIds, unissuedCard } from '../../simulator/population.ts';
import { cardSchemeNames } from '../../simulator/card-numbers.ts';
import type { CardNumber } from '../../simulator/card-numbers.ts';

function fits({ scheme, kind, number }: CardNumber): boolean {
  switch (scheme) {
    case 'house':
      return kind === 'card' && /^29\d{11}$/.test(number) && hasGs1CheckDigit(number);
    case 'gsrn':
      return kind === 'gsrn' && /^7612345\d{11}$/.test(number) && hasGs1CheckDigit(number);
    case 'partner':
      return kind === 'card' && /^308342\d{10}$/.test(number) && hasLuhnCheckDigit(number);
  }
}

test('the same seed gives the same customers, another seed others', () => {
  const some = (seed: number): unknown => [...new Population(50, seed).customers()];
  expect(some(7)).toEqual(some(7));
  expect(some(7)).not.toEqual(some(8));
});

test('a customer does not depend on who was asked for before', () => {
  const alone = new Population(500).customer(321);
  expect([...new Population(400).customers()][321]).toEqual(alone);
});

test('every card number is valid by its scheme, and no two are the same', () => {
  const numbers = new Set<string>();
  const misfits: CardNumber[] = [];
  let cards = 0;
  const population = new Population(20_000);
  for (const member of population.members()) {
    for (const card of member.cards) {
      cards += 1;
      numbers.add(card.number);
      if (!fits(card)) misfits.push(card);
    }
  }
  expect(misfits).toEqual([]);
  expect(numbers.size).toBe(cards);
  expect(cards).toBe(population.cardCount);
});

test('every id is a UUID of version 7, and no two are the same', () => {
  const ids = [...new Population(5_000).members()].map((member) => member.id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(Uuid.safeParse(id).success && id[14]).toBe('7');
});

test('a few thousand customers show everything a cashier can meet', () => {
  const members = [...new Population(5_000).members()];
  const cards = members.flatMap((member) => member.cards);
  expect(new Set(members.map((member) => member.tier))).toEqual(new Set(tierIds));
  expect(new Set(cards.map((card) => card.scheme))).toEqual(new Set(cardSchemeNames));
  expect(cards.some((card) => card.status === 'blocked')).toBe(true);
  expect(cards.some((card) => card.validUntil !== null && card.validUntil < POPULATION_AT)).toBe(true);
  expect(members.some((member) => member.status === 'blocked')).toBe(true);
  expect(members.some((member) => member.cards.length > 1)).toBe(true);
  expect(members.some((member) => member.purposes.length === 0)).toBe(true);
});

test('a card that was never given out is valid and belongs to nobody', () => {
  const issued = new Set([...new Population(5_000).members()].flatMap((m) => m.cards.map((c) => c.number)));
  for (const scheme of cardSchemeNames) {
    const card = unissuedCard(scheme, 3);
    expect(fits(card)).toBe(true);
    expect(issued.has(card.number)).toBe(false);
  }
});

test('people are told from three countries, and none of them can be written to', () => {
  const people = [...new Population(300).customers()].map((customer) => customer.person);
  expect(new Set(people.map((person) => person.country))).toEqual(new Set(['AT', 'DE', 'CH']));
  for (const person of people) {
    expect(person.mail).toMatch(/^[a-z.]*\.\d+@example\.org$/);
    expect(person.postalCode).toMatch(person.country === 'DE' ? /^\d{5}$/ : /^[1-9]\d{3}$/);
    expect(person.birthDate).toMatch(/^(19|20)\d\d-\d\d-\d\d$/);
  }
});
