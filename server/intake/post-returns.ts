// Returns and voids, one mechanism: each is kept as it was reported, and takes effect once its sale is there.
//
//   entry ──▶ sale_return: waiting ──sale posted?──▶ posted    takes back what its lines still carry
//                                                └─▶ refused   more than was bought, or no such line; nothing moves
import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { Basket } from '../../sync/contract/basket.ts';
import { saleParts } from '../../sync/contract/programme/allot.ts';
import type { SaleParts } from '../../sync/contract/programme/allot.ts';
import { takeBack, takeBackRest } from '../../sync/contract/programme/returns.ts';
import type { Returned, ReturnedLine } from '../../sync/contract/programme/returns.ts';
import type { JournalOwner } from '../../sync/contract/journal-entry.ts';
import type { SaleReturned, SaleVoided } from '../../sync/contract/transaction.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import type { Change } from '../ledger/change.ts';
import { enter } from '../ledger/enter.ts';
import type { Effect } from '../ledger/enter.ts';
import { accountsNow } from '../ledger/account-now.ts';
import { REDEEMED } from '../ledger/accounts.ts';
import { lockIssued } from '../ledger/lot-store.ts';
import { putRedemption, redemptionsOfSales } from '../redemption/redemption-store.ts';
import type { RedemptionRow } from '../redemption/redemption-store.ts';
import { lifeOfPoints } from '../../sync/contract/programme/calendar.ts';
import { currentProgramme } from '../programme/programme-store.ts';

/** Returns looked at again in one transaction. */
const SWEEP_MAX = 200;

export interface EnteredReturn {
  readonly owner: JournalOwner;
  readonly entryId: string;
  readonly seq: number;
  readonly transaction: SaleReturned | SaleVoided;
}

/** A return that could not be. Its entry stands; it moved nothing. */
export interface RefusedReturn {
  readonly entryId: string;
  readonly returnId: string;
  readonly saleId: string;
  readonly code: ErrorCode;
}

interface ReturnRow extends JournalOwner {
  readonly entryId: string;
  readonly returnId: string;
  readonly saleId: string;
  readonly kind: 'return' | 'void';
  readonly completed: string | null;
  readonly at: Instant;
  readonly lines: string;
  readonly seq: number;
}

/** Keeps returns and voids until they take effect. The void of a sale that was still open has nothing to take back. */
export async function recordReturns(
  tx: DatabaseTransaction,
  entered: readonly EnteredReturn[],
): Promise<void> {
  const rows = entered.flatMap(({ owner, entryId, seq, transaction }): readonly ReturnRow[] => {
    const { saleId, at } = transaction;
    const place = { ...owner, entryId, seq, saleId, at };
    if (transaction.kind === 'sale.returned') {
      const { returnId, lines } = transaction;
      return [{ ...place, kind: 'return', returnId, completed: null, lines: JSON.stringify(lines) }];
    }
    const { completed } = transaction;
    return completed === null ? [] : [{ ...place, kind: 'void', returnId: entryId, completed, lines: '[]' }];
  });
  if (rows.length === 0) return;
  await sql`
    insert into sale_return (entry_id, return_id, sale_id, kind, completed, at, lines, state, till, incarnation, seq)
    select entry_id, return_id, sale_id, kind, completed, at, lines::jsonb, 'waiting', till, incarnation, seq
    from unnest(
      ${rows.map((row) => row.entryId)}::uuid[], ${rows.map((row) => row.returnId)}::uuid[],
      ${rows.map((row) => row.saleId)}::uuid[], ${rows.map((row) => row.kind)}::text[],
      ${rows.map((row) => row.completed)}::uuid[], ${rows.map((row) => row.at)}::bigint[],
      ${rows.map((row) => row.lines)}::text[], ${rows.map((row) => row.till)}::text[],
      ${rows.map((row) => row.incarnation)}::uuid[], ${rows.map((row) => row.seq)}::bigint[]
    ) as n(entry_id, return_id, sale_id, kind, completed, at, lines, till, incarnation, seq)
    on conflict (entry_id) do nothing`.execute(tx);
}

/**
 * Lets the returns of these sales take effect whose sales are posted.
 * @returns those that cannot be
 */
export async function settleReturns(
  tx: DatabaseTransaction,
  saleIds: readonly string[],
  now: Instant,
): Promise<readonly RefusedReturn[]> {
  if (saleIds.length === 0) return [];
  const { rows: any } = await sql`
    select from sale_return where sale_id = any(${[...saleIds]}::uuid[]) and state = 'waiting' limit 1`.execute(
    tx,
  );
  if (any.length === 0) return [];
  // Sales are posted under it: whichever of a sale and its return comes second sees the first.
  await lockIssued(tx);
  const waiting = await readWaiting(tx, saleIds);
  if (waiting.length === 0) return [];
  const rules = (await currentProgramme(tx))?.points;
  const negative = rules?.negative ?? 'returns';
  const { expiresAt } = lifeOfPoints(now, rules);
  const sales = await readSales(tx, [...new Set(waiting.map(({ sale }) => sale))]);

  const refused: RefusedReturn[] = [];
  const effects: Effect[] = [];
  const alone: string[] = [];
  const gone = new Map<string, number>();
  const keys = new Set(await readPostedKeys(tx, waiting.map(keyOf)));
  for (const row of waiting) {
    const sale = sales.get(row.sale);
    if (sale === undefined) continue;
    const key = keyOf(row);
    const judged: JudgedReturn = keys.has(key)
      ? { kind: 'refused', code: 'LEDGER_CONFLICT' }
      : judgeReturn(sale, row);
    if (judged.kind === 'refused') {
      const { entryId, returnId, saleId } = row;
      refused.push({ entryId, returnId, saleId, code: judged.code });
      continue;
    }
    gone.set(row.entryId, judged.points);
    const changes: Change[] =
      judged.points === 0 || sale.account === null
        ? []
        : [{ kind: 'take-back', account: sale.account, points: judged.points, lotId: sale.lotId, negative }];
    keys.add(key);
    const effect: Effect = {
      id: row.entryId,
      key,
      kind: row.kind,
      at: row.at,
      source: { till: row.till, incarnation: row.incarnation, seq: row.seq },
      changes,
    };
    const { payment } = sale;
    if (payment === undefined || judged.paid === 0) {
      effects.push(effect);
      continue;
    }
    // What comes back to which lot depends on the return before: these go one by one.
    const { account, taken } = payment;
    const back = {
      kind: 'give-back' as const,
      account,
      points: judged.paid,
      taken,
      expiresAt,
      from: REDEEMED,
    };
    const [outcome] = await enter(tx, [{ ...effect, changes: [...changes, back] }], now, { fresh: true });
    if (outcome?.kind === 'created') sale.payment = { ...payment, taken: outcome.taken };
    if (sale.payment !== undefined) await putRedemption(tx, sale.payment);
    alone.push(effect.id);
  }
  await enter(tx, effects, now, { fresh: true });
  const posted = [...alone, ...effects.map(({ id }) => id)];
  await sql`
    update sale_return r set state = n.state, code = n.code, points = n.points
    from unnest(
      ${[...posted, ...refused.map(({ entryId }) => entryId)]}::uuid[],
      ${[...posted.map(() => 'posted'), ...refused.map(() => 'refused')]}::text[],
      ${[...posted.map(() => null), ...refused.map(({ code }) => code)]}::text[],
      ${[...posted.map((id) => gone.get(id) ?? 0), ...refused.map(() => null)]}::bigint[]
    ) as n(entry_id, state, code, points)
    where r.entry_id = n.entry_id`.execute(tx);
  return refused;
}

/** Looks once more at returns that wait although their sale is there. @returns whether there may be more */
export async function sweepReturns(
  tx: DatabaseTransaction,
  now: Instant,
): Promise<{ readonly more: boolean; readonly refused: readonly RefusedReturn[] }> {
  const { rows } = await sql<{ sale_id: string }>`
    select r.sale_id from sale_return r
    join ledger_transaction s on s.idempotency_key = 'sale:' || r.sale_id
     and (r.completed is null or r.completed = s.id)
    where r.state = 'waiting' order by r.position limit ${SWEEP_MAX}::bigint`.execute(tx);
  const refused = await settleReturns(
    tx,
    rows.map((row) => row.sale_id),
    now,
  );
  return { more: rows.length === SWEEP_MAX, refused };
}

interface WaitingReturn {
  readonly entryId: string;
  readonly returnId: string;
  readonly saleId: string;
  readonly kind: 'return' | 'void';
  readonly at: number;
  readonly lines: readonly ReturnedLine[];
  readonly till: string;
  readonly incarnation: string;
  readonly seq: number;
  /** Ledger transaction of the sale. */
  readonly sale: string;
}

async function readWaiting(
  tx: DatabaseTransaction,
  saleIds: readonly string[],
): Promise<readonly WaitingReturn[]> {
  const { rows } = await sql<WaitingReturn>`
    select r.entry_id as "entryId", r.return_id as "returnId", r.sale_id as "saleId", r.kind, r.at, r.lines, r.till,
      r.incarnation, r.seq, s.id as sale
    from sale_return r
    join ledger_transaction s on s.idempotency_key = 'sale:' || r.sale_id
     and (r.completed is null or r.completed = s.id)
    where r.sale_id = any(${[...saleIds]}::uuid[]) and r.state = 'waiting'
    order by r.position for update of r`.execute(tx);
  return rows;
}

/** A return is posted once, whichever entry of whichever till brings it; of a sale's voids one is. */
function keyOf({ kind, saleId, returnId }: WaitingReturn): string {
  return kind === 'void' ? `void:${saleId}` : `return:${returnId}`;
}

async function readPostedKeys(tx: DatabaseTransaction, keys: readonly string[]): Promise<readonly string[]> {
  const { rows } = await sql<{ key: string }>`
    select idempotency_key as key from ledger_transaction where idempotency_key = any(${[...keys]}::text[])`.execute(
    tx,
  );
  return rows.map(({ key }) => key);
}

/** A posted sale, with what was returned of it so far. */
interface PostedSale {
  /** The lot it made, or its claim did. */
  readonly lotId: string;
  /** Whose the points are now; null when it earned none. */
  readonly account: string | null;
  readonly parts: SaleParts;
  /** What it was paid with, and how that lies on its lines. */
  payment: RedemptionRow | undefined;
  readonly paidParts: SaleParts | undefined;
  returned: Returned;
  undone: boolean;
}

async function readSales(
  tx: DatabaseTransaction,
  ids: readonly string[],
): Promise<ReadonlyMap<string, PostedSale>> {
  // The lot says where the points are. Of a sale from before there were lots its posting does: what was earned with a
  // card that found its owner since has moved to them, and on with them. A claim before the posting moved other points.
  const { rows } = await sql<{
    id: string;
    key: string;
    parts: number[] | null;
    body: string;
    points: number | null;
    account: string | null;
    lotted: boolean;
  }>`
    select s.id, s.idempotency_key as key, s.parts, j.body, p.points, coalesce(l.account,
      case when p.account_id like 'unclaimed:%'
           then coalesce((select m.account_id from ledger_posting q
                          join ledger_transaction t on t.id = q.transaction_id and t.kind = 'claim'
                          join ledger_posting m on m.transaction_id = t.id and m.account_id like 'member:%'
                          where q.account_id = p.account_id and q.position > p.position
                          order by q.position limit 1), p.account_id)
           else p.account_id end) as account, l.id is not null as lotted
    from ledger_transaction s
    join till_journal j on j.id = s.id
    left join ledger_posting p on p.transaction_id = s.id
     and (p.account_id like 'member:%' or p.account_id like 'unclaimed:%' or p.account_id like 'pending:%')
    left join point_lot l on l.id = s.id
    where s.id = any(${[...ids]}::uuid[])`.execute(tx);
  const moved = await accountsNow(
    tx,
    rows.flatMap(({ lotted, account }) => (lotted || account === null ? [] : [account])),
  );
  const { rows: before } = await sql<{
    sale: string;
    kind: 'return' | 'void';
    lines: readonly ReturnedLine[];
  }>`
    select s.id as sale, r.kind, r.lines from ledger_transaction s
    join sale_return r on r.sale_id = substr(s.idempotency_key, 6)::uuid and r.state = 'posted'
    where s.id = any(${[...ids]}::uuid[])`.execute(tx);
  const payments = await redemptionsOfSales(
    tx,
    rows.map(({ key }) => key.slice('sale:'.length)),
  );
  const { rows: claimed } = await sql<{
    key: string;
    id: string;
    parts: number[] | null;
    points: number;
    account: string;
  }>`
    select t.idempotency_key as key, t.id, t.parts, l.points, l.account from ledger_transaction t
    join point_lot l on l.id = t.id
    where t.idempotency_key = any(${rows.map(({ key }) => key.replace('sale:', 'late:'))}::text[])`.execute(
    tx,
  );
  const lates = new Map(claimed.map((each) => [each.key, each]));
  const sales = new Map<string, PostedSale>();
  for (const { id, key, parts, body, points, account } of rows) {
    const late = lates.get(key.replace('sale:', 'late:'));
    // What came back before a claim is on its parts, and not in its lot.
    const total = late === undefined ? (points ?? 0) : Math.max(late.points, sumOf(late.parts ?? []));
    const basket = basketIn(body);
    const payment = payments.get(key.slice('sale:'.length));
    sales.set(id, {
      account: late?.account ?? moved.get(account ?? '') ?? account,
      lotId: late?.id ?? id,
      payment,
      paidParts:
        payment === undefined ? undefined : saleParts(basket, payment.parts ?? undefined, payment.points),
      parts: saleParts(basket, late?.parts ?? parts ?? (total === 0 ? [] : undefined), total),
      returned: new Map(),
      undone: false,
    });
  }
  for (const { sale: id, kind, lines } of before) {
    const sale = sales.get(id);
    if (sale === undefined) continue;
    if (kind === 'void') sale.undone = true;
    const sum = new Map(sale.returned);
    for (const { lineId, quantityMilli } of lines) sum.set(lineId, (sum.get(lineId) ?? 0) + quantityMilli);
    sale.returned = sum;
  }
  return sales;
}

function sumOf(parts: readonly number[]): number {
  return parts.reduce((sum, part) => sum + part, 0);
}

type JudgedReturn =
  | { readonly kind: 'taken'; readonly points: number; readonly paid: number }
  | { readonly kind: 'refused'; readonly code: ErrorCode };

/** What a return takes back, noting that it does. Of a sale that was undone nothing is left to bring back. */
function judgeReturn(sale: PostedSale, row: WaitingReturn): JudgedReturn {
  if (sale.undone) return { kind: 'refused', code: 'RETURN_TOO_MUCH' };
  const { parts, paidParts, returned } = sale;
  if (row.kind === 'void') {
    sale.undone = true;
    const paid = paidParts === undefined ? 0 : takeBackRest(paidParts, returned);
    return { kind: 'taken', points: takeBackRest(parts, returned), paid };
  }
  const taken = takeBack(parts, returned, row.lines);
  if (taken.kind === 'refused') return taken;
  const back = paidParts === undefined ? undefined : takeBack(paidParts, returned, row.lines);
  sale.returned = taken.returned;
  return { kind: 'taken', points: taken.points, paid: back?.kind === 'taken' ? back.points : 0 };
}

function basketIn(body: string): Basket {
  const parsed: unknown = JSON.parse(body);
  return Basket.parse(
    typeof parsed === 'object' && parsed !== null && 'basket' in parsed ? parsed.basket : null,
  );
}
