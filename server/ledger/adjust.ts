import type { Instant } from '../../foundation/clock.ts';
import { lifeOfPoints } from '../../sync/contract/programme/calendar.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { currentProgramme } from '../programme/programme-store.ts';
import { adjustAccount, memberAccount, partnerAccount } from './accounts.ts';
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

/** Corrects a balance, once for an id. `refused(BURN_BALANCE)` when there are fewer points than are to be taken. */
export async function adjust(
  tx: DatabaseTransaction,
  { id, customerId, points, reason, partner }: Adjustment,
  now: Instant,
): Promise<LedgerOutcome> {
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
        key: `adjust:${id}`,
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
