// Goal: an import that still has somebody who was erased does not bring them back.
import { expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { Customers } from '../../../server/customers/customers.ts';
import { Erasures } from '../../../server/customers/erasures.ts';
import type { Database } from '../../../server/database/database.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const random = new SeededRandom(22);

export function erasedIdsSuite(database: () => Database): void {
  test('an erased customer is not made anew unless that is said, and keeps nobody else back', async () => {
    const clock = new ManualClock();
    const changes = { changed: () => {}, urgent: () => {} };
    const common = { database: database(), changes, clock, random };
    const cardNumbers = { read: () => ({ kind: 'refused', code: 'CARD_NUMBER_INVALID' }) as const };
    const customers = new Customers({ ...common, cardNumbers });
    const [id, other] = [uuidV7(clock.now(), random), uuidV7(clock.now(), random)];
    const line = { tier: 'basic', purposes: [], greeting: null, cards: [] };
    await customers.create([{ ...line, id }]);
    const erasures = new Erasures({ ...common, log: silentLog });
    const { erasureId } = await erasures.erase(id);
    expect(
      await customers.create([
        { ...line, id },
        { ...line, id: other },
      ]),
    ).toEqual([
      { id, verdict: 'refused', code: 'CUSTOMER_ERASED' },
      { id: other, verdict: 'created' },
    ]);
    await expect(customers.get(id)).rejects.toMatchObject({ code: 'CUSTOMER_NOT_FOUND' });
    expect(await customers.create([{ ...line, id, afterErasure: true }])).toEqual([
      { id, verdict: 'created' },
    ]);
    // Who was made anew stands; the same line again changes nothing.
    expect(await customers.create([{ ...line, id }])).toEqual([{ id, verdict: 'exists' }]);
    // And can be erased again.
    expect((await erasures.erase(id)).erasureId).not.toBe(erasureId);
  });
}
