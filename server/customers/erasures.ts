import { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import { InstantMs, Uuid } from '../../sync/contract/ids.ts';
import type { Changes } from '../changes.ts';
import type { Database, DatabaseTransaction } from '../database/database.ts';
import { eraseCustomer } from './erase-customer.ts';
import type { Forgotten } from './erase-customer.ts';

/** What was erased, to be given to the person: it says nothing about them. */
export const ErasureCertificate = z.strictObject({
  erasureId: Uuid.describe('The log names the erasure by this id'),
  customerId: Uuid,
  at: InstantMs,
  credentials: z.int().describe('Cards, phones and codes that were deleted'),
  entries: z.int().describe('Journal entries that no longer say which card it was'),
  accounts: z.int().describe('Accounts of unclaimed points that no longer say which card it was'),
  consents: z.int().describe('Consents that are kept as proof, without what they were about'),
});
export type ErasureCertificate = z.infer<typeof ErasureCertificate>;

/** Erases customers on request (GDPR Art. 17), here and on every till. */
export class Erasures {
  readonly #ports: {
    readonly database: Database;
    readonly changes: Changes;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly indexer?: IndexForms;
  };

  constructor(ports: {
    readonly database: Database;
    readonly changes: Changes;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly indexer?: IndexForms;
  }) {
    this.#ports = ports;
  }

  /**
   * Erases a customer and tells all tills at once. Repeated, it gives the certificate of the first time.
   * @throws StammkundeError CUSTOMER_NOT_FOUND for one who never was
   */
  async erase(customerId: string): Promise<ErasureCertificate> {
    const { database, changes, clock, random, log, indexer = singleForm } = this.#ports;
    const now = clock.now();
    const { certificate, forgotten } = await database.transaction((tx) =>
      eraseOnce(tx, customerId, { erasureId: uuidV7(now, random), at: now, indexer }),
    );
    if (forgotten === undefined) return certificate;
    changes.urgent({
      position: { epoch: database.epoch, xid: forgotten.xid, seq: forgotten.seq },
      credentials: [],
      customers: [],
      erased: { credentials: [...forgotten.indexes], customers: [customerId] },
    });
    changes.changed();
    const { customerId: _customerId, ...said } = certificate;
    log.info({ event: 'customer.erased', ...said });
    return certificate;
  }
}

async function eraseOnce(
  tx: DatabaseTransaction,
  customerId: string,
  {
    erasureId,
    at,
    indexer,
  }: { readonly erasureId: string; readonly at: number; readonly indexer: IndexForms },
): Promise<{ readonly certificate: ErasureCertificate; readonly forgotten: Forgotten | undefined }> {
  const outcome = await eraseCustomer(tx, customerId, at, indexer);
  if (outcome === undefined) {
    const before = await tx
      .selectFrom('customer_erasure')
      .selectAll()
      .where('customer_id', '=', customerId)
      .executeTakeFirst();
    if (before === undefined) {
      throw new StammkundeError('CUSTOMER_NOT_FOUND', `there is no customer ${customerId}`);
    }
    const { erasure_id, customer_id, ...counts } = before;
    return {
      certificate: { erasureId: erasure_id, customerId: customer_id, ...counts },
      forgotten: undefined,
    };
  }
  const { erased, forgotten } = outcome;
  await tx
    .insertInto('customer_erasure')
    .values({ customer_id: customerId, erasure_id: erasureId, at, ...erased })
    .onConflict((conflict) =>
      // Made anew under the same id since.
      conflict.column('customer_id').doUpdateSet({ erasure_id: erasureId, at, ...erased }),
    )
    .execute();
  return { certificate: { erasureId, customerId, at, ...erased }, forgotten };
}
