import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import { lifeOfPoints } from '../../sync/contract/programme/calendar.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { currentProgramme } from '../programme/programme-store.ts';
import { adjustAccount, memberAccount, partnerAccount } from './accounts.ts';
import { holdOwnership } from './claim.ts';
import { contentOf, enter } from './enter.ts';
import type { LedgerOutcome } from './enter.ts';

/** A correction of a balance, by people. */
export interface Adjustment {
  /** Made by whoever asks, so that it can be asked again. */
  readonly id: string;
  readonly customerId: string;
  /** Above zero: given, with the life of points earned now. Below: taken, if they are there. */
  readonly points: number;
  /** A word; each reason has an account of its own. */
  readonly reason: string;
  /** Another company that bears them; they are settled with it. */
  readonly partner?: string | undefined;
}

/**
 * Corrects a balance, once for an id. `refused(BURN_BALANCE)` when there are fewer points than are to be taken,
 * `refused(CUSTOMER_NOT_FOUND)` for one who is not there, or closed: whoever was merged with another has no points.
 */
export async function adjust(
  tx: DatabaseTransaction,
  { id, customerId, points, reason, partner }: Adjustment,
  now: Instant,
): Promise<LedgerOutcome> {
  // Nobody is merged or erased before this is committed.
  await holdOwnership(tx);
  const key = `adjust:${id}`;
  const { rows: known } = await sql`
    select from customer where id = ${customerId}::uuid and status <> 'closed'
    union all select from ledger_transaction where idempotency_key = ${key} limit 1`.execute(tx);
  // What was done before they were closed is said again.
  if (known.length === 0) return { kind: 'refused', code: 'CUSTOMER_NOT_FOUND' };
  const account = memberAccount(customerId);
  const other = partner === undefined ? adjustAccount(reason) : partnerAccount(partner);
  const life = { ...lifeOfPoints(now, (await currentProgramme(tx))?.points), vestsAt: now };
  const change =
    points > 0
      ? ({ kind: 'earn', account, points, earnedAt: now, life, from: other } as const)
      : ({ kind: 'spend', account, points: 0 - points, at: now, overdraw: 'refuse', to: other } as const);
  const [outcome] = await enter(
    tx,
    [
      {
        id,
        key,
        kind: 'adjust',
        at: now,
        content: contentOf(customerId, points, reason, partner ?? null),
        changes: [change],
      },
    ],
    now,
  );
  return outcome ?? { kind: 'conflict' };
}
