// Points that are kept for a sale while it is under way:
//
//   reserve ─▶ reserved ──sale posted──▶ posted        resolve:<id>  hold → redeemed
//                  └──released, or its time is over──▶ voided        resolve:<id>  hold → member
//                                                        └──sale posted after all──▶ posted, flagged   honour:<id>
import { sql } from 'kysely';
import type { Clock, Instant } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import { lifeOfPoints } from '../../sync/contract/programme/calendar.ts';
import type {
  PointsReleaseAnswer,
  PointsReleaseRequest,
  PointsReserveAnswer,
  PointsReserveRequest,
} from '../../sync/contract/redemption.ts';
import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import { mayDo } from '../../sync/contract/trust-policy.ts';
import type { Database, DatabaseTransaction } from '../database/database.ts';
import { holdAccount, memberAccount, memberOf } from '../ledger/accounts.ts';
import { holdOwnership } from '../ledger/claim.ts';
import { contentOf, enter } from '../ledger/enter.ts';
import { lockAccounts } from '../ledger/lot-store.ts';
import { idOfKey } from '../ledger/post.ts';
import { currentProgramme } from '../programme/programme-store.ts';
import { lockOverdue, lockRedemptions, putRedemption } from './redemption-store.ts';
import type { RedemptionRow } from './redemption-store.ts';

/** How long points are kept where the programme does not say. */
const RESERVATION_MS = 600_000;
const DAY_MS = 86_400_000;
/** Reservations that end in one transaction. */
const EXPIRE_MAX = 100;

/** Keeps points for sales, and lets them go again. */
export class Reservations {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #indexer: IndexForms;
  readonly #onCommitted: () => void;

  constructor(ports: {
    readonly database: Database;
    readonly clock: Clock;
    readonly indexer: IndexForms;
    /** Told when points moved. */
    readonly onCommitted: () => void;
  }) {
    this.#database = ports.database;
    this.#clock = ports.clock;
    this.#indexer = ports.indexer;
    this.#onCommitted = ports.onCommitted;
  }

  /** Keeps points, once for an id however often it is asked. @throws StammkundeError DB_UNREACHABLE */
  async reserve(till: TillId, question: PointsReserveRequest): Promise<PointsReserveAnswer> {
    const now = this.#clock.now();
    const outcome = await this.#database.transaction((tx) => reserve(tx, till, question, now, this.#indexer));
    if (outcome.verdict === 'reserved') this.#onCommitted();
    return { kind: question.kind, outcome };
  }

  /** Gives points back that are not needed; those that paid for a sale already stay. @throws StammkundeError DB_UNREACHABLE */
  async release(till: TillId, { kind, redemptionId }: PointsReleaseRequest): Promise<PointsReleaseAnswer> {
    const now = this.#clock.now();
    const state = await this.#database.transaction(async (tx) => {
      const row = await lockReserved(tx, redemptionId);
      if (row === undefined || row.till !== till) return 'unknown' as const;
      if (row.state === 'reserved') await voidReservation(tx, row, await currentProgramme(tx), now);
      return row.state === 'posted' ? ('posted' as const) : ('voided' as const);
    });
    if (state === 'voided') this.#onCommitted();
    return { kind, state };
  }

  /** Gives back what was kept for longer than it may. @returns how many reservations ended */
  async expire(): Promise<number> {
    const now = this.#clock.now();
    let ended = 0;
    for (let some = EXPIRE_MAX; some === EXPIRE_MAX; ended += some) {
      some = await this.#database.transaction((tx) => expireReservations(tx, now));
    }
    if (ended > 0) this.#onCommitted();
    return ended;
  }
}

async function reserve(
  tx: DatabaseTransaction,
  till: TillId,
  question: PointsReserveRequest,
  now: Instant,
  indexer: IndexForms,
): Promise<PointsReserveAnswer['outcome']> {
  const { redemptionId, saleId, points } = question;
  await holdOwnership(tx);
  const known = await lockReserved(tx, redemptionId);
  const holder = await readHolder(tx, indexer.formsFrom(question.index), now);
  if (known !== undefined) {
    const isSame =
      known.till === till &&
      known.saleId === saleId &&
      known.points === points &&
      holder !== undefined &&
      known.account === memberAccount(holder.id);
    // One that ended is not begun anew: the till asks with a new id.
    return isSame && known.state === 'reserved'
      ? { verdict: 'reserved', until: known.expiresAt }
      : { verdict: 'refused', code: 'REDEEM_CONFLICT' satisfies ErrorCode };
  }
  const programme = await currentProgramme(tx);
  // Locked first, so that two that are asked for at once are not both under the limit.
  if (holder !== undefined) await lockAccounts(tx, [memberAccount(holder.id)]);
  const spentToday = holder === undefined ? 0 : await readSpentToday(tx, memberAccount(holder.id), now);
  const refused = refusalOf(question, holder, programme, spentToday);
  if (refused !== undefined || holder === undefined) {
    return { verdict: 'refused', code: refused ?? 'REDEEM_TRUST' };
  }
  const account = memberAccount(holder.id);
  const until = now + (programme?.redemption?.reservationMs ?? RESERVATION_MS);
  const key = `reserve:${redemptionId}`;
  const [outcome] = await enter(
    tx,
    [
      {
        id: idOfKey(key),
        key,
        kind: 'reserve',
        at: now,
        content: contentOf(till, saleId, points, holder.id),
        changes: [
          { kind: 'spend', account, points, at: now, overdraw: 'refuse', to: holdAccount(holder.id) },
        ],
      },
    ],
    now,
  );
  if (outcome?.kind !== 'created') {
    return { verdict: 'refused', code: outcome?.kind === 'refused' ? outcome.code : 'REDEEM_CONFLICT' };
  }
  await putRedemption(tx, {
    id: redemptionId,
    account,
    saleId,
    till,
    points,
    authorised: 'reservation',
    allowanceVersion: null,
    state: 'reserved',
    at: now,
    expiresAt: until,
    taken: outcome.taken,
    parts: null,
    owed: 0,
    flag: null,
  });
  return { verdict: 'reserved', until };
}

interface Holder {
  readonly id: string;
  readonly isGood: boolean;
}

/** Whose card it is, and whether card and customer are both in order. */
async function readHolder(
  tx: DatabaseTransaction,
  forms: readonly string[],
  now: Instant,
): Promise<Holder | undefined> {
  const { rows } = await sql<{ index: string; id: string; good: boolean }>`
    select k.index, c.id, k.status = 'active' and c.status = 'active'
      and (k.valid_until is null or k.valid_until > ${now}::bigint) as good
    from credential k join customer c on c.id = k.customer_id
    where k.index = any(${[...forms]}::text[])`.execute(tx);
  const row = forms
    .toReversed()
    .map((form) => rows.find(({ index }) => index === form))
    .find((each) => each !== undefined);
  return row === undefined ? undefined : { id: row.id, isGood: row.good };
}

/** The till judged the basket; the server judges who, how much, and whether the programme redeems at all. */
function refusalOf(
  { identifier, trust, points }: PointsReserveRequest,
  holder: Holder | undefined,
  programme: ProgrammeDocument | undefined,
  spentToday: number,
): ErrorCode | undefined {
  const burn = programme?.burn;
  if (burn === undefined) return 'BURN_OFF';
  if (points < burn.minPoints) return 'BURN_TOO_FEW';
  if (points % burn.stepPoints !== 0) return 'BURN_STEP';
  const verdict = holder?.isGood === true ? 'known' : 'blocked';
  const may = mayDo({ kind: identifier, trust, reach: 'online', verdict });
  if (may.includes('redeem')) return undefined;
  if (!may.includes('redeem-limited')) return 'REDEEM_TRUST';
  const limit = programme?.redemption?.online?.limitedPerDay;
  return limit !== undefined && spentToday + points > limit ? 'REDEEM_LIMIT_CUSTOMER' : undefined;
}

/** Points that were redeemed, or are kept, within the last 24 hours. Of what was returned meanwhile all counts. */
async function readSpentToday(tx: DatabaseTransaction, account: string, now: Instant): Promise<number> {
  const { rows } = await sql<{ points: number }>`
    select coalesce(sum(points), 0)::bigint as points from redemption
    where account = ${account} and state <> 'voided' and at > ${now - DAY_MS}::bigint`.execute(tx);
  return rows[0]?.points ?? 0;
}

/** Ends reservations whose time is over. @returns how many ended; fewer than the most when no more do */
async function expireReservations(tx: DatabaseTransaction, now: Instant): Promise<number> {
  const rows = await lockOverdue(tx, now, EXPIRE_MAX);
  if (rows.length === 0) return 0;
  const programme = await currentProgramme(tx);
  await lockAccounts(
    tx,
    rows.map(({ account }) => account),
  );
  let ended = 0;
  for (const row of rows) if (await voidReservation(tx, row, programme, now)) ended += 1;
  return ended;
}

/** Gives back what was kept, as if it had never been taken. @returns whether it had not been before */
export async function voidReservation(
  tx: DatabaseTransaction,
  row: RedemptionRow,
  programme: ProgrammeDocument | undefined,
  now: Instant,
): Promise<boolean> {
  const { id, account, points, taken } = row;
  const { expiresAt } = lifeOfPoints(now, programme?.points);
  const from = holdAccount(memberOf(account) ?? '');
  const key = `resolve:${id}`;
  const [outcome] = await enter(
    tx,
    [
      {
        id: idOfKey(key),
        key,
        kind: 'resolve',
        at: now,
        content: contentOf('voided'),
        changes: [{ kind: 'give-back', account, points, taken, expiresAt, from, keptOnly: true }],
      },
    ],
    now,
  );
  if (outcome?.kind !== 'created') return false;
  await putRedemption(tx, { ...row, state: 'voided', taken: [] });
  return true;
}

async function lockReserved(tx: DatabaseTransaction, id: string): Promise<RedemptionRow | undefined> {
  return (await lockRedemptions(tx, [id])).get(id);
}
