// Goal: the identifier key is rotated while tills identify, and no customer and no cashier notices.
// Method: a real database and feed; tills pull it page by page with the real lookup and the real urgent overlay.
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { sql } from 'kysely';
import { isFault } from '../../../foundation/errors.ts';
import { silentLog } from '../../../foundation/log.ts';
import { insertCards } from '../../../server/cards/insert-cards.ts';
import { eraseCustomer } from '../../../server/customers/erase-customer.ts';
import type { Database } from '../../../server/database/database.ts';
import { KeyRotation } from '../../../server/identifiers/key-rotation.ts';
import { putProgramme } from '../../../server/programme/programme-store.ts';
import { BlindIndexer, identifierKeyName } from '../../../sync/contract/blind-index.ts';
import { programme } from '../programme.ts';
import { NEW_KEY, numberOf, OLD_KEY, RotationWorld, TENANT } from './rotation-world.ts';
import type { RotationTill } from './rotation-world.ts';

let seed = 0;

async function finish(world: RotationWorld): Promise<void> {
  while (((await world.rotation?.step()) ?? 0) > 0) await world.clock.advance(1);
}

type Step =
  | { readonly do: 'register' | 'sell'; readonly till: number; readonly card: number }
  | { readonly do: 'block'; readonly card: number; readonly blocked: boolean; readonly hearing: number }
  | { readonly do: 'pull'; readonly till: number; readonly limit: number }
  | { readonly do: 'till-key' | 'report' | 'catch-up'; readonly till: number }
  | { readonly do: 'server-key' | 'slice' | 'end' };

const CARDS = 6;
const till = fc.nat({ max: 2 });
const card = fc.nat({ max: CARDS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('register', 'sell'), till, card }),
  fc.record({ do: fc.constant('block'), card, blocked: fc.boolean(), hearing: fc.nat({ max: 7 }) }),
  fc.record({ do: fc.constant('pull'), till, limit: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constantFrom('till-key', 'report', 'catch-up'), till }),
  fc.record({ do: fc.constantFrom('server-key', 'slice', 'slice', 'end') }),
);

/** What a till has shown it knows: a card it once found it may never fail to find. */
class Witness {
  readonly #found = new Set<string>();
  readonly #blocked = new Set<string>();
  readonly #till: RotationTill;

  constructor(till: RotationTill) {
    this.#till = till;
  }

  /** What is wrong with what the till finds now. */
  faults(): readonly string[] {
    return Array.from({ length: CARDS }, (_, n) => numberOf(n)).flatMap((number) => {
      const { held } = this.#till.find(number);
      const lost = this.#found.has(number) && held === undefined;
      if (held !== undefined) this.#found.add(number);
      const passes = this.#blocked.has(number) && held?.status !== 'blocked';
      return [...(lost ? [`${number} is lost`] : []), ...(passes ? [`${number} passes, blocked`] : [])];
    });
  }

  told(number: string, blocked: boolean): void {
    if (blocked) this.#blocked.add(number);
    else this.#blocked.delete(number);
  }

  /** It was blocked or unblocked, and this till was not told: either answer is right until it catches up. */
  doubtful(number: string): void {
    this.#blocked.delete(number);
  }
}

/** Does all that, then brings the rotation to its end. @returns what a customer or a cashier would have noticed */
async function run(world: RotationWorld, steps: readonly Step[]): Promise<readonly string[]> {
  const { database } = world;
  const faults: string[] = [];
  const witnesses = world.tills.map((each) => new Witness(each));
  const tillOf = (n: number): RotationTill => world.tills[n] ?? world.tills[0] ?? raise();
  const catchUp = async (n: number): Promise<void> => {
    await tillOf(n).catchUp(database, world.clock.now());
    for (const [number, { blocked, customerId }] of world.truth) {
      witnesses[n]?.told(number, blocked);
      const { held } = tillOf(n).find(number);
      const isRight = held?.customerId === customerId && held.status === (blocked ? 'blocked' : 'active');
      if (!isRight) faults.push(`${number} is not at till ${n} as it is`);
    }
  };
  for (const each of steps) {
    await world.clock.advance(5);
    switch (each.do) {
      case 'register':
        if (!(await world.register(numberOf(each.card)))) faults.push('a new card was refused');
        break;
      case 'sell': {
        const outcome = await world.sell(tillOf(each.till), numberOf(each.card));
        if (outcome !== undefined && outcome.after !== outcome.before + 10) faults.push('points were lost');
        break;
      }
      case 'block': {
        const hears = (n: number): boolean => (each.hearing & (1 << n)) !== 0;
        const number = numberOf(each.card);
        if (!world.truth.has(number)) break;
        const hearing = world.tills.filter((_, n) => hears(n));
        await world.setBlocked(number, each.blocked, hearing);
        for (const [n, witness] of witnesses.entries()) {
          if (hears(n)) witness.told(number, each.blocked);
          else witness.doubtful(number);
        }
        break;
      }
      case 'pull':
        await tillOf(each.till).pull(database, each.limit, world.clock.now());
        break;
      case 'catch-up':
        await catchUp(each.till);
        break;
      case 'till-key':
        tillOf(each.till).addKey();
        break;
      case 'report':
        await world.report(tillOf(each.till));
        break;
      case 'server-key':
        await world.addKey();
        break;
      case 'slice':
        await world.rotation?.step();
        break;
      case 'end':
        // The server has to know a till to wait for it.
        for (const one of world.tills) await world.report(one, false);
        await world.rotation?.end(new Set()).catch((error: unknown) => {
          if (!isFault(error, 'KEY_TILLS_BEHIND')) throw error;
        });
        break;
    }
    faults.push(...witnesses.flatMap((witness) => witness.faults()));
  }
  await world.addKey();
  await finish(world);
  for (const [n, one] of world.tills.entries()) {
    one.addKey();
    await world.clock.advance(5);
    await catchUp(n);
    await world.report(one);
  }
  await world.rotation?.end(new Set());
  await finish(world);
  for (const [n] of world.tills.entries()) await catchUp(n);
  faults.push(...witnesses.flatMap((witness) => witness.faults()));
  const newest = new BlindIndexer([OLD_KEY, NEW_KEY], TENANT);
  const left = [...world.truth.keys()].map((number) => newest.index('card', number)).toSorted();
  for (const { replica } of world.tills) {
    if ([...replica.keys()].toSorted().join() !== left.join()) faults.push('an old index stays');
  }
  await world.rotation?.close();
  return faults;
}

function raise(): never {
  throw new Error('there is a till');
}

export function rotationSuite(opened: () => Database, runs: number): void {
  let database: Database;
  beforeAll(async () => {
    database = opened();
    if (database !== undefined) await database.transaction((tx) => putProgramme(tx, programme, 0));
  });
  const freshWorld = (): Promise<RotationWorld> => RotationWorld.fresh(database, (seed += 1));

  test('no lookup fails that succeeded before, no blocked card passes, and no points are lost, in any order of things', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(card, { minLength: 2, maxLength: CARDS }),
        fc.array(step, { minLength: 10, maxLength: 40 }),
        fc.nat({ max: CARDS }),
        async (early, steps, slices) => {
          const world = await freshWorld();
          const known = new Set(early);
          for (const n of early) await world.register(numberOf(n));
          const once = steps.filter((each) => {
            if (each.do !== 'register') return true;
            if (known.has(each.card)) return false;
            known.add(each.card);
            return true;
          });
          // Often the tills know the customers and the rotation is under way already.
          const begun: Step[] = [
            ...world.tills.map((_, n): Step => ({ do: 'catch-up', till: n })),
            { do: 'server-key' },
            ...Array.from({ length: slices }, (): Step => ({ do: 'slice' })),
          ];
          expect(await run(world, [...(slices > 1 ? begun : []), ...once])).toEqual([]);
        },
      ),
      { numRuns: runs },
    );
  }, 120_000);

  test('a till with the old key alone goes on: cards moved, cards new, cards blocked', async () => {
    const world = await freshWorld();
    const [one = raise()] = world.tills;
    await world.register(numberOf(1));
    await one.catchUp(database, world.clock.now());
    await world.addKey();
    await finish(world);
    await world.register(numberOf(2));
    await one.catchUp(database, world.clock.now());
    expect(one.find(numberOf(1)).held).toBeDefined();
    expect(one.find(numberOf(2)).held).toBeDefined();
    await world.setBlocked(numberOf(1), true, []);
    await one.catchUp(database, world.clock.now());
    expect(one.find(numberOf(1)).held?.status).toBe('blocked');
    await world.rotation?.close();
  });

  test('a customer has one card, not two, and no other customer can be given it', async () => {
    const world = await freshWorld();
    await world.register(numberOf(1));
    await world.addKey();
    expect(await world.register(numberOf(1))).toBe(false);
    expect(await world.cardsOf(numberOf(1))).toBe(1);
    await finish(world);
    expect(await world.register(numberOf(1))).toBe(false);
    expect(await world.cardsOf(numberOf(1))).toBe(1);
    await world.rotation?.close();
  });

  test('a sale under the old index that arrives after the rotation has ended is the customer’s', async () => {
    const world = await freshWorld();
    const [late = raise(), ...others] = world.tills;
    await world.register(numberOf(1));
    await late.catchUp(database, world.clock.now());
    const { index } = late.find(numberOf(1));
    const entry = late.journal.sell(index, 1_000);
    await world.addKey();
    await finish(world);
    for (const one of others) {
      one.addKey();
      await world.clock.advance(5);
      await one.catchUp(database, world.clock.now());
      await world.report(one);
    }
    await world.rotation?.end(new Set());
    await finish(world);
    expect(await world.arrive(late, numberOf(1), entry.seq)).toEqual({ before: 0, after: 10 });
    await world.rotation?.close();
  });

  test('points that wait under an old index go to who gets the card after it', async () => {
    const world = await freshWorld();
    const [one = raise()] = world.tills;
    await world.sell(one, numberOf(900));
    await world.addKey();
    await world.sell(one, numberOf(900));
    await finish(world);
    await world.register(numberOf(900));
    const outcome = await world.sell(one, numberOf(900));
    expect(outcome).toEqual({ before: 20, after: 30 });
    await world.rotation?.close();
  });

  test('it does not end while a till lacks the key or has not caught up, and says which', async () => {
    const world = await freshWorld();
    const [lacking = raise(), behind = raise(), gone = raise()] = world.tills;
    await world.register(numberOf(1));
    for (const one of world.tills) await one.catchUp(database, world.clock.now());
    await world.addKey();
    await world.clock.advance(5);
    await finish(world);
    behind.addKey();
    await world.clock.advance(5);
    for (const one of [lacking, behind]) await world.report(one);
    await world.report(gone, false);
    const names = (await world.rotation?.state())?.tillsBehind;
    expect(names).toEqual([
      { till: lacking.journal.till, lacks: 'key' },
      { till: behind.journal.till, lacks: 'catch-up' },
      { till: gone.journal.till, lacks: 'key' },
    ]);
    await expect(world.rotation?.end(new Set([gone.journal.till]))).rejects.toThrow(/KEY_TILLS_BEHIND/);
    await finish(world);
    await lacking.catchUp(database, world.clock.now());
    expect(lacking.find(numberOf(1)).held).toBeDefined();
    await world.rotation?.close();
  });

  test('an erasure finds what a card was called before, however long ago', async () => {
    const world = await freshWorld();
    const [one = raise()] = world.tills;
    await world.register(numberOf(901));
    await one.catchUp(database, world.clock.now());
    await world.sell(one, numberOf(901));
    const { index: before } = one.find(numberOf(901));
    await world.addKey();
    await finish(world);
    await world.rotation?.end(new Set());
    await finish(world);
    const { customerId = '' } = world.truth.get(numberOf(901)) ?? {};
    await database.transaction((tx) => eraseCustomer(tx, customerId, world.clock.now()));
    const { rows } = await sql<{ n: number }>`
      select (select count(*) from till_journal where position(${before} in body) > 0)
        + (select count(*) from index_form where previous = ${before}) as n`.execute(database.db);
    expect(Number(rows[0]?.n)).toBe(0);
    await world.rotation?.close();
  });

  test('a server process that lacks the new key gives out no card, and what it links is not lost at the end', async () => {
    const world = await freshWorld();
    const [older, newest] = [new BlindIndexer(OLD_KEY, TENANT), new BlindIndexer([OLD_KEY, NEW_KEY], TENANT)];
    await world.register(numberOf(950));
    // Cards nobody has.
    const free = [951, 952].map((n) => older.index('card', numberOf(n)));
    for (const index of free) {
      await sql`insert into credential (id, index, kind, scheme, status, issued_at)
                values (gen_random_uuid(), ${index}, 'card', 'house', 'active', 0)`.execute(database.db);
    }
    const outdated = world.services();
    await world.addKey();
    await finish(world);
    const { customerId = '' } = world.truth.get(numberOf(950)) ?? {};
    const number = { scheme: 'house', number: numberOf(951), validUntil: null };
    await expect(outdated.cards.issue(customerId, number)).rejects.toMatchObject({ code: 'KEY_OUTDATED' });
    const customer = { tier: 'basic', purposes: [], greeting: null };
    await expect(outdated.customers.create([{ ...customer, cards: [number] }])).rejects.toMatchObject({
      code: 'KEY_OUTDATED',
    });
    expect(await outdated.customers.create([{ ...customer, cards: [] }])).toMatchObject([
      { verdict: 'created' },
    ]);

    // A link out of a journal is taken by any process.
    const [, linked = ''] = free;
    const card = { id: customerId, index: linked, kind: 'card', scheme: 'house', validUntil: null } as const;
    await database.transaction((tx) => insertCards(tx, [{ ...card, customerId }], 1));
    const owners = async (): Promise<readonly unknown[]> => {
      const forms = newest.forms('card', numberOf(952));
      const { rows } = await sql<{ owner: string | null }>`
        select customer_id as owner from credential where index = any(${[...forms]}::text[])`.execute(
        database.db,
      );
      return rows.map(({ owner }) => owner);
    };
    expect(await owners()).toEqual([customerId, customerId]);
    await world.rotation?.end(new Set());
    await finish(world);
    expect(await owners()).toEqual([customerId]);
    await world.rotation?.close();
  });

  test('what the ranges say of the base is true after every slice', async () => {
    const world = await freshWorld();
    for (let n = 0; n < 5; n += 1) await world.register(numberOf(n));
    await world.addKey();
    for (;;) {
      const { rows } = await sql<{ kept: string; true: string }>`
        select (select bit_xor(hash)::text || '/' || sum(count) from (
                  select hash, count from feed_range where collection = 'credentials'
                  union all select hash, count from feed_range_delta where collection = 'credentials') r) as kept,
               (select bit_xor(range_hash)::text || '/' || count(*) from credential) as true`.execute(
        database.db,
      );
      expect(rows[0]?.kept).toBe(rows[0]?.true);
      if (((await world.rotation?.step()) ?? 0) === 0) break;
    }
    await world.rotation?.close();
  });
  test('a server with other identifier keys than its database’s, or with one too few, does not start', async () => {
    const world = await freshWorld();
    await world.addKey();
    await world.rotation?.close();
    const ports = { database, changes: { changed: () => {} }, clock: world.clock, log: silentLog };
    const open = (...keys: readonly Buffer[]): Promise<KeyRotation> =>
      KeyRotation.open({
        ...ports,
        indexer: new BlindIndexer(keys, TENANT),
        keyNames: keys.map(identifierKeyName),
      });
    await expect(open(OLD_KEY)).rejects.toThrow('KEY_FOREIGN');
    await expect(open(Buffer.alloc(32, 9), NEW_KEY)).rejects.toThrow('KEY_FOREIGN');
    await (await open(OLD_KEY, NEW_KEY)).close();
  });
}
