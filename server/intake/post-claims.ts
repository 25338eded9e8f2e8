// Late credit: a sale without a customer, claimed by the code on its receipt. Like a return, a claim may come before its
// sale, and waits for it.
import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import { totalPoints } from '../../sync/contract/earn.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import { saleParts } from '../../sync/contract/programme/allot.ts';
import { takeBack } from '../../sync/contract/programme/returns.ts';
import type { ReturnedLine } from '../../sync/contract/programme/returns.ts';
import { isReceiptCode } from '../../sync/contract/receipt-code.ts';
import { SaleClaimed, SaleCompleted } from '../../sync/contract/transaction.ts';
import { REDACTED_INDEX } from '../customers/redact-indexes.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { memberAccount, unclaimedAccount } from '../ledger/accounts.ts';
import type { Change } from '../ledger/change.ts';
import { holdOwnership } from '../ledger/claim.ts';
import { contentOf, enter } from '../ledger/enter.ts';
import { lockIssued } from '../ledger/lot-store.ts';
import { currentProgramme } from '../programme/programme-store.ts';
import { readOwners } from './owners.ts';
import { readRules } from './sale-points.ts';

const HOUR_MS = 3_600_000;
/** Claims looked at again in one transaction. */
const SWEEP_MAX = 200;

/** What claims are settled with. */
export interface ClaimCircumstances {
  readonly now: Instant;
  readonly indexer: IndexForms;
  /** Undefined where receipts cannot be checked: then none is credited. */
  readonly receiptKeyOf?: ((till: TillId) => Uint8Array) | undefined;
}

export async function recordClaims(
  tx: DatabaseTransaction,
  claims: readonly { readonly entryId: string; readonly saleId: string }[],
): Promise<void> {
  if (claims.length === 0) return;
  await sql`
    insert into sale_claim (entry_id, sale_id, state)
    select entry_id, sale_id, 'waiting' from unnest(
      ${claims.map(({ entryId }) => entryId)}::uuid[], ${claims.map(({ saleId }) => saleId)}::uuid[]
    ) as n(entry_id, sale_id) on conflict (entry_id) do nothing`.execute(tx);
}

interface ClaimRow {
  readonly entryId: string;
  readonly saleKey: string;
  readonly saleEntry: string;
  readonly claim: string;
  readonly sale: string;
  readonly saleTill: string;
  readonly till: string;
  readonly incarnation: string;
  readonly seq: number;
}

/**
 * Credits the claims of these sales whose sales are posted; each sale once. A claim and its sale that are committed at the
 * same moment do not see each other: what nobody credits then, {@link sweepClaims} does.
 * @returns how many do not wait any more
 */
export async function settleClaims(
  tx: DatabaseTransaction,
  saleIds: readonly string[],
  circumstances: ClaimCircumstances,
): Promise<number> {
  if (saleIds.length === 0) return 0;
  const { rows: any } = await sql`
    select from sale_claim where sale_id = any(${[...saleIds]}::uuid[]) and state = 'waiting' limit 1`.execute(
    tx,
  );
  if (any.length === 0) return 0;
  // Returns are posted under it: what came back is taken off, whichever of them and a claim comes second.
  await lockIssued(tx);
  const { rows } = await sql<ClaimRow>`
    select c.entry_id as "entryId", s.idempotency_key as "saleKey", s.id as "saleEntry", cj.body as claim,
      sj.body as sale, sj.till as "saleTill", cj.till, cj.incarnation, cj.seq
    from sale_claim c
    join ledger_transaction s on s.idempotency_key = 'sale:' || c.sale_id
    join till_journal sj on sj.id = s.id
    join till_journal cj on cj.id = c.entry_id
    where c.sale_id = any(${[...saleIds]}::uuid[]) and c.state = 'waiting'
    order by c.position for update of c`.execute(tx);
  for (const row of rows) {
    const code = await settleOne(tx, row, circumstances);
    await sql`
      update sale_claim set state = ${code === undefined ? 'posted' : 'refused'}, code = ${code ?? null}
      where entry_id = ${row.entryId}::uuid`.execute(tx);
  }
  return rows.length;
}

/**
 * Looks once more at claims that wait although their sale is there.
 * @returns how many do not wait any more, and whether there may be more of them
 */
export async function sweepClaims(
  tx: DatabaseTransaction,
  circumstances: ClaimCircumstances,
): Promise<{ readonly settled: number; readonly more: boolean }> {
  await holdOwnership(tx);
  const { rows } = await sql<{ sale_id: string }>`
    select c.sale_id from sale_claim c join ledger_transaction s on s.idempotency_key = 'sale:' || c.sale_id
    where c.state = 'waiting' order by c.position limit ${SWEEP_MAX}::bigint`.execute(tx);
  const settled = await settleClaims(
    tx,
    rows.map((row) => row.sale_id),
    circumstances,
  );
  return { settled, more: settled > 0 && rows.length === SWEEP_MAX };
}

/** @returns why not, or undefined when the points were credited */
async function settleOne(
  tx: DatabaseTransaction,
  row: ClaimRow,
  { now, indexer, receiptKeyOf }: ClaimCircumstances,
): Promise<ErrorCode | undefined> {
  const claim = SaleClaimed.parse(JSON.parse(row.claim));
  const sale = SaleCompleted.parse(JSON.parse(row.sale));
  const hours = (await currentProgramme(tx))?.lateCredit?.withinHours;
  if (hours === undefined || receiptKeyOf === undefined) return 'LATE_OFF';
  const receipted = { saleId: sale.saleId, till: row.saleTill, at: sale.at };
  if (!isReceiptCode(receiptKeyOf(row.saleTill), receipted, claim.code)) return 'LATE_CODE';
  if (sale.customer !== null) return 'LATE_TAKEN';
  if (Math.min(claim.at, now) > sale.at + hours * HOUR_MS) return 'LATE_EXPIRED';
  if (claim.shift !== undefined && claim.shift === sale.shift) return 'LATE_OWN_SHIFT';

  const { rows: back } = await sql<{ kind: string; lines: readonly ReturnedLine[] }>`
    select kind, lines from sale_return where sale_id = ${sale.saleId}::uuid and state = 'posted'`.execute(
    tx,
  );
  if (back.some(({ kind }) => kind === 'void')) return 'SALE_CLOSED';

  // Whoever claimed it was erased while the claim waited: all of them have this index, and nobody.
  if (claim.customer.index === REDACTED_INDEX) return 'CUSTOMER_ERASED';
  const forms = indexer.formsFrom(claim.customer.index);
  const owners = await readOwners(tx, [...forms]);
  const owner = forms.map((form) => owners.get(form)).find((each) => each !== undefined);
  const member = owner?.status === 'closed' ? undefined : owner;
  const account = member === undefined ? unclaimedAccount(forms.at(-1) ?? '') : memberAccount(member.id);
  const claimed: SaleCompleted = { ...sale, customer: claim.customer };
  const rules = await readRules(tx, [claimed], now);
  const earned = rules.earnedOf(claimed, member);
  const whole = totalPoints(earned);
  const gone = takeBack(
    saleParts(sale.basket, earned.parts ?? [], whole),
    new Map(),
    back.flatMap(({ lines }) => lines),
  );
  // What came back before the claim never comes to the account: neither debts nor tiers are made of it. The parts stay
  // whole, for later returns count on from what came back before them.
  const points = whole - (gone.kind === 'taken' ? gone.points : 0);
  const key = `late:${sale.saleId.toLowerCase()}`;
  const changes: Change[] =
    points === 0 ? [] : [{ kind: 'earn', account, points, earnedAt: sale.at, life: rules.lifeOf(sale) }];
  const [outcome] = await enter(
    tx,
    [
      {
        id: row.entryId,
        key,
        kind: 'late',
        at: claim.at,
        source: { till: row.till, incarnation: row.incarnation, seq: row.seq },
        content: contentOf(claim.claimId),
        parts: earned.parts,
        changes,
      },
    ],
    now,
  );
  return outcome?.kind === 'created' ? undefined : 'LATE_TAKEN';
}
