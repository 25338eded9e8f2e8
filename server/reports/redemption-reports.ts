import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import { valueOf } from '../../sync/contract/programme/burn.ts';
import type { Queries } from '../database/database.ts';
import { currentProgramme } from '../programme/programme-store.ts';

/** The most that can be redeemed without the server being asked. */
export interface Exposure {
  /** Tills whose allowance is valid. */
  readonly tills: number;
  /** Sum of what each of them may take. */
  readonly points: number;
  /** What one customer may take at one till, times the tills: the most a copied card is good for. */
  readonly perCustomerPoints: number;
  /** Worth in minor units, by the programme in force; null where nothing is paid with points. */
  readonly minor: number | null;
  readonly byTill: readonly {
    readonly till: string;
    readonly version: number;
    readonly perCustomer: number;
    readonly perTill: number;
    readonly validUntil: Instant;
  }[];
}

export async function readExposure(db: Queries, now: Instant): Promise<Exposure> {
  const { rows } = await sql<Exposure['byTill'][number]>`
    select till, version, per_customer as "perCustomer", per_till as "perTill", valid_until as "validUntil"
    from till_allowance where valid_until > ${now}::bigint order by till`.execute(db);
  const burn = (await currentProgramme(db))?.burn;
  const points = rows.reduce((sum, { perTill }) => sum + perTill, 0);
  return {
    tills: rows.length,
    points,
    perCustomerPoints: rows.reduce(
      (sum, { perCustomer, perTill }) => sum + Math.min(perCustomer, perTill),
      0,
    ),
    minor: burn === undefined ? null : valueOf(burn, points),
    byTill: rows,
  };
}

/** A redemption that was honoured although the points were not there, or not any more. */
export interface Overdraw {
  readonly redemptionId: string;
  readonly account: string;
  readonly saleId: string;
  readonly till: string;
  readonly at: Instant;
  readonly points: number;
  readonly owed: number;
  readonly allowanceVersion: number | null;
  readonly flag: 'overdrawn' | 'after-void';
}

/** Newest first. */
export async function readOverdraws(db: Queries, limit: number): Promise<readonly Overdraw[]> {
  const { rows } = await sql<Overdraw>`
    select id as "redemptionId", case when account like 'member:%' then account else 'unclaimed' end as account,
      sale_id as "saleId", till, at, points, owed, allowance_version as "allowanceVersion", flag
    from redemption where flag is not null order by at desc, id limit ${limit}::bigint`.execute(db);
  return rows;
}

/** A return that could not be. */
export interface RefusedReturnLine {
  readonly entryId: string;
  readonly returnId: string;
  readonly saleId: string;
  readonly till: string;
  readonly at: Instant;
  readonly code: string;
}

/** Newest first. */
export async function readRefusedReturns(db: Queries, limit: number): Promise<readonly RefusedReturnLine[]> {
  const { rows } = await sql<RefusedReturnLine>`
    select entry_id as "entryId", return_id as "returnId", sale_id as "saleId", till, at, code
    from sale_return where state = 'refused' order by position desc limit ${limit}::bigint`.execute(db);
  return rows;
}

/** A receipt that was claimed at a till and not credited. The customer may come and ask. */
export interface RefusedClaimLine {
  readonly entryId: string;
  readonly claimId: string;
  readonly saleId: string;
  readonly till: string;
  readonly at: Instant;
  /** Whose card it is now; null while nobody has it. */
  readonly customerId: string | null;
  readonly code: string;
}

/** Newest first. */
export async function readRefusedClaims(db: Queries, limit: number): Promise<readonly RefusedClaimLine[]> {
  const { rows } = await sql<RefusedClaimLine>`
    select c.entry_id as "entryId", j.body::jsonb ->> 'claimId' as "claimId", c.sale_id as "saleId", j.till, j.at, c.code,
      coalesce(k.customer_id::text, j.body::jsonb -> 'customer' ->> 'customerId') as "customerId"
    from sale_claim c join till_journal j on j.id = c.entry_id
    left join credential k on k.index = j.body::jsonb -> 'customer' ->> 'index'
    where c.state = 'refused' order by c.position desc limit ${limit}::bigint`.execute(db);
  return rows;
}
