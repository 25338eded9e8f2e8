import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { insertCustomers } from '../../../server/customers/insert-customers.ts';
import type { Database } from '../../../server/database/database.ts';
import { commitBatches } from '../../../server/intake/commit-batches.ts';
import { putProgramme } from '../../../server/programme/programme-store.ts';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { programme } from '../programme.ts';
import { TestTill } from '../test-till.ts';

const random = new SeededRandom(21);

export function visitsSuite(database: () => Database): void {
  test('who buys with a card under its older index is seen in the store as with the newest', async () => {
    const clock = new ManualClock();
    const indexer = new BlindIndexer([new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)], 'shop');
    await database().transaction((tx) => putProgramme(tx, programme, 0));
    for (const form of [0, 1]) {
      const till = new TestTill();
      const forms = indexer.forms('card', till.id());
      const id = uuidV7(clock.now(), random);
      // The rotation is over: the card stands under its newest index alone.
      const card = {
        id: till.id(),
        index: forms[1] ?? '',
        keyVersion: 2,
        kind: 'card',
        scheme: 'house',
      } as const;
      const customer = { tier: 'basic', purposes: [], greeting: null, cards: [] };
      await database().transaction((tx) =>
        insertCustomers(tx, [{ id, customer, cards: [{ ...card, validUntil: null }] }], { clock, random }),
      );
      till.sell(forms[form] ?? '', 100, { storeId: 'graz' });
      await commitBatches(database(), [till.batch()], clock, undefined, 'shop', indexer);
      const { rows } = await sql`select store from customer_activity where customer_id = ${id}`.execute(
        database().db,
      );
      expect(rows).toEqual([{ store: 'graz' }]);
    }
  });
}
