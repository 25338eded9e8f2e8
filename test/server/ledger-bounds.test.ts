// The ledger counts in whole numbers that are exact up to 2^53 − 1: who would lead it past that, and who hears of it.
import { generateKeyPairSync } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SeededRandom } from '../../foundation/random.ts';
import type { LogFields } from '../../foundation/log.ts';
import { silentLog } from '../../foundation/log.ts';
import { Database } from '../../server/database/database.ts';
import { Intake } from '../../server/intake/intake.ts';
import { LedgerKeeper } from '../../server/ledger/ledger-keeper.ts';
import { putProgramme } from '../../server/programme/programme-store.ts';
import { Statements } from '../../server/statements.ts';
import type { Receipt } from '../../sync/contract/messages.ts';
import { verifyStatement } from '../../sync/contract/server-signature.ts';
import { topicsOf } from '../../sync/contract/topics.ts';
import { encode } from '../../sync/contract/wire.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { programme } from './programme.ts';
import { TestTill } from './test-till.ts';

const clock = new ManualClock();
const random = new SeededRandom(1);
const { privateKey, publicKey } = generateKeyPairSync('ed25519');

test('the sale with which the ledger would count past what is exact is refused alone, and people are told before', async () => {
  const database = await Database.open({ memory: true }, { clock, random, log: silentLog });
  onTestFinished(() => database.close());
  await database.transaction((tx) => putProgramme(tx, programme, 0));
  const logged: LogFields[] = [];
  const note = (fields: LogFields): void => void logged.push(fields);
  const log = { ...silentLog, warn: note, error: note };
  const keeper = new LedgerKeeper({
    database,
    clock,
    log,
    reservations: { expire: () => Promise.resolve(0) },
    claims: { indexer: singleForm, receiptKeyOf: undefined },
    onCommitted: () => {},
  });
  onTestFinished(() => keeper.close());
  await keeper.run();
  expect(logged).toEqual([]);

  await database.db
    .updateTable('ledger_account')
    .set({ balance: Number.MIN_SAFE_INTEGER + 15 })
    .where('id', '=', 'issued')
    .execute();
  for (let i = 0; i < 2; i += 1) await keeper.run();
  expect(logged).toMatchObject([{ event: 'ledger.nearly_full', account: 'issued' }]);

  const topics = topicsOf('kaufhaus');
  const receipts: Receipt[] = [];
  const till = new TestTill();
  const intake = new Intake({
    database,
    topics,
    statements: new Statements(database, { clock, signingKey: privateKey }),
    bus: {
      publish: (_topic, payload) => {
        const expected = { kind: 'receipt', till: till.till, publicKey, now: clock.now() } as const;
        receipts.push(verifyStatement(payload, expected).body);
        return Promise.resolve('sent');
      },
    },
    clock,
    random,
    log,
    onCommitted: () => {},
  });
  onTestFinished(() => intake.close());
  for (const euros of [10, 10, 5]) till.sell(till.index(), euros * 100);
  intake.offer(topics.journal(till.till), encode(till.batch()));
  await intake.idle();
  await settle();
  const refused = { verdict: 'refused', code: 'LEDGER_REFUSED' };
  await vi.waitFor(() =>
    expect(receipts).toMatchObject([
      { contiguous: 3, verdicts: [{ verdict: 'created' }, refused, { verdict: 'created' }] },
    ]),
  );
  expect(logged).toContainEqual(expect.objectContaining({ event: 'intake.entry_refused', seq: 2 }));
});
