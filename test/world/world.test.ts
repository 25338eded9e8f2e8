// Goal: under every fault at once no sale is lost, none is counted twice, and a broken promise is noticed.
// Method: small worlds on a virtual clock, each by its seed; mutants are worlds in which one promise is broken.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mutants } from '../../simulator/world/mutants.ts';
import type { Mutant } from '../../simulator/world/mutants.ts';
import { smallWorld, Worlds } from '../../simulator/world/world.ts';
import type { WorldResult } from '../../simulator/world/world.ts';

/** Worlds after which a mutant must have been caught. */
const CAUGHT_WITHIN = 5;

let worlds: Worlds;

beforeAll(async () => {
  worlds = await Worlds.open();
}, 60_000);
afterAll(() => worlds.close());

/** The first world in which something is wrong. */
async function firstWrong(mutant: Mutant): Promise<WorldResult | undefined> {
  for (let seed = 1; seed <= CAUGHT_WITHIN; seed += 1) {
    const result = await worlds.run({ ...smallWorld, seed, mutant });
    if (result.wrong.length > 0) return result;
  }
  return undefined;
}

test(
  'nothing is wrong in a world of every fault, and the same seed is the same world',
  { timeout: 60_000 },
  async () => {
    const first = await worlds.run({ ...smallWorld, seed: 1 });
    const other = await worlds.run({ ...smallWorld, seed: 2 });
    const again = await worlds.run({ ...smallWorld, seed: 1 });
    expect(first.wrong).toEqual([]);
    expect(other.wrong).toEqual([]);
    expect(first.sales).toBeGreaterThan(10);
    expect(again.trace).toBe(first.trace);
    expect(other.trace).not.toBe(first.trace);
  },
);

test(
  'servers that see nothing of each other take nothing twice: the keys of the tables hold',
  { timeout: 60_000 },
  async () => {
    const { wrong } = await worlds.run({ ...smallWorld, seed: 3, blindReads: true });
    expect(wrong).toEqual([]);
  },
);

describe('a broken promise is caught', () => {
  const expected: Readonly<Record<Mutant, RegExp>> = {
    'ack-before-commit': /a receipt tells .* are committed/,
    'naive-cursor': /the replica of .* differs from the server/,
    'dropped-unique-key': /\d times/,
    'send-and-forget': /was told and is not on the server/,
    'missing-fsync': /was told and is not on the server|is another one on the server/,
    'trusting-puback': /was told and is not on the server/,
  };
  test.each(Object.keys(mutants) as Mutant[])('%s', { timeout: 120_000 }, async (mutant) => {
    const caught = await firstWrong(mutant);
    expect(caught?.wrong.join('\n')).toMatch(expected[mutant]);
  });
});
