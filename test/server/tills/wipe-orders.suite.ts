// Goal: the till that was stolen is wiped, and never the one that stands in its place.
import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import type { Database } from '../../../server/database/database.ts';
import { TillStates } from '../../../server/intake/till-states.ts';
import { WipeOrders } from '../../../server/tills/wipe-orders.ts';
import type { Command, TillState } from '../../../sync/contract/messages.ts';
import { topicsOf } from '../../../sync/contract/topics.ts';
import { encode } from '../../../sync/contract/wire.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const topics = topicsOf('shop');
const random = new SeededRandom(12);
const by = { orderedBy: 'hq-1' };

export function wipeOrdersSuite(database: () => Database): void {
  let clock: ManualClock;
  let wipes: WipeOrders;
  let states: TillStates;
  let sent: Command[];
  let till: string;
  let seed = 0;
  beforeEach(() => {
    clock = new ManualClock();
    sent = [];
    till = `till-${(seed += 1)}`;
    const common = { database: database(), topics, clock, log: silentLog };
    wipes = new WipeOrders({
      ...common,
      random,
      bus: { publish: () => Promise.resolve('sent') },
      statements: {
        sign: (_kind, _till, body) => {
          // Nothing but commands is signed here.
          sent.push(body as Command);
          return Promise.resolve(Buffer.alloc(1));
        },
      },
    });
    states = new TillStates({ ...common, random, onStored: (stored) => wipes.reported(stored) });
  });

  /** A till of this name connects, and is stored as it does. */
  async function connects(incarnation: string): Promise<void> {
    const state: TillState = { till, incarnation, session: 1, online: true, at: clock.now(), version: '1' };
    states.offer(topics.state(till), encode(state));
    await clock.advance(100);
    await states.close();
    await settle();
    await wipes.close();
    states = new TillStates({
      database: database(),
      topics,
      clock,
      random,
      log: silentLog,
      onStored: (stored) => wipes.reported(stored),
    });
  }
  const journal = (): string => uuidV7(clock.now(), random);

  test('where one journal is known it need not be named', async () => {
    const one = journal();
    await connects(one);
    expect(await wipes.order(till, by)).toMatchObject({ incarnation: one, sent: true });
    expect(sent).toEqual([{ kind: 'wipe', incarnation: one }]);
    await expect(wipes.order(till, by, journal())).rejects.toMatchObject({ code: 'WIPE_AMBIGUOUS' });
  });

  test('where the stolen till was replaced, the order says which is meant, and is told when each was last seen', async () => {
    const [stolen, replacement] = [journal(), journal()];
    await connects(stolen);
    const stolenAt = new Date(clock.now()).toISOString();
    await clock.advance(86_400_000);
    await connects(replacement);
    const refusal = await wipes.order(till, by).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'WIPE_AMBIGUOUS' });
    expect(String(refusal)).toContain(`${stolen}, last seen ${stolenAt}`);
    expect(String(refusal).indexOf(replacement)).toBeLessThan(String(refusal).indexOf(stolen));
    expect(sent).toEqual([]);
    const { rows } = await sql`select from till_order where till = ${till}`.execute(database().db);
    expect(rows).toEqual([]);

    expect(await wipes.order(till, by, stolen.toUpperCase())).toMatchObject({ incarnation: stolen });
    sent = [];
    await connects(replacement);
    expect(sent).toEqual([]);
    await connects(stolen);
    expect(sent).toEqual([{ kind: 'wipe', incarnation: stolen }]);
  });

  test('a stolen till that is known by its sales alone is known', async () => {
    const [stolen, replacement] = [journal(), journal()];
    await sql`insert into till_progress (till, incarnation, contiguous, highest, updated_at)
              values (${till}, ${stolen}, 3, 3, ${clock.now()})`.execute(database().db);
    await connects(replacement);
    await expect(wipes.order(till, by)).rejects.toMatchObject({ code: 'WIPE_AMBIGUOUS' });
    expect(await wipes.order(till, by, stolen)).toMatchObject({ incarnation: stolen });
  });

  test('an order for one journal leaves that for another standing, and lifting ends both', async () => {
    const [one, two] = [journal(), journal()];
    await connects(one);
    await connects(two);
    await wipes.order(till, by, one);
    await wipes.order(till, by, two);
    for (const each of [one, two]) {
      sent = [];
      await connects(each);
      expect(sent).toEqual([{ kind: 'wipe', incarnation: each }]);
    }
    expect(await wipes.lift(till, by)).toBe(true);
    sent = [];
    for (const each of [one, two]) await connects(each);
    expect(sent).toEqual([]);
    expect(await wipes.lift(till, by)).toBe(false);
  });

  test('a till the server never heard of is meant whichever it is', async () => {
    expect(await wipes.order(till, by)).toMatchObject({ incarnation: null });
    const named = journal();
    expect(await wipes.order(till, by, named)).toMatchObject({ incarnation: named });
  });
}
