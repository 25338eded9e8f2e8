import { sql } from 'kysely';
import { valueOf } from '../../sync/contract/programme/burn.ts';
import type { Queries } from '../database/database.ts';
import { erasedAccount } from '../ledger/accounts.ts';
import { currentProgramme } from '../programme/programme-store.ts';

/** Points the programme owes, by what they wait for, and what they are worth. */
export interface Liability {
  readonly usable: number;
  readonly pending: number;
  /** Of cards that have no owner yet. */
  readonly unclaimed: number;
  /** Kept for sales under way. */
  readonly held: number;
  /** What customers owe; not set off against what others have. */
  readonly owed: number;
  /** Usable, pending, unclaimed and held together. */
  readonly points: number;
  /** Their worth in minor units by the programme in force; null where nothing is paid with points. */
  readonly minor: number | null;
  readonly currency: string | null;
  /** Points in lots by the month in which they expire (UTC), earliest first; null: they do not. */
  readonly byExpiry: readonly { readonly month: string | null; readonly points: number }[];
  /** Whether lots and accounts say the same. */
  readonly agrees: boolean;
}

export async function readLiability(db: Queries): Promise<Liability> {
  // What the erased had is owed to nobody.
  const nobodys = `${erasedAccount('')}%`;
  // One statement is one snapshot: sums read one after the other would differ while sales come in.
  const { rows } = await sql<{
    usable: number;
    pending: number;
    unclaimed: number;
    held: number;
    owed: number;
    balances: number;
    months: readonly { month: string | null; points: number }[] | null;
  }>`
    with lots as (
      select case when account like 'unclaimed:%' then 'unclaimed' when pending then 'pending' else 'usable' end as class,
             to_char(to_timestamp(expires_at / 1000.0) at time zone 'UTC', 'YYYY-MM') as month, remaining
      from point_lot where remaining > 0 and account not like ${nobodys}),
    accounts as (
      select split_part(id, ':', 1) as class, sum(greatest(balance, 0))::bigint as points,
             sum(greatest(-balance, 0))::bigint as owed
      from ledger_account where id not like ${nobodys} group by 1)
    select
      coalesce((select sum(remaining) from lots where class = 'usable'), 0)::bigint as usable,
      coalesce((select sum(remaining) from lots where class = 'pending'), 0)::bigint as pending,
      coalesce((select sum(remaining) from lots where class = 'unclaimed'), 0)::bigint as unclaimed,
      coalesce((select points from accounts where class = 'hold'), 0)::bigint as held,
      coalesce((select sum(owed) from accounts where class in ('member', 'unclaimed')), 0)::bigint as owed,
      coalesce((select sum(points) from accounts where class in ('member', 'pending', 'unclaimed')), 0)::bigint
        as balances,
      (select jsonb_agg(jsonb_build_object('month', month, 'points', points) order by month nulls last)
       from (select month, sum(remaining)::bigint as points from lots group by month) m) as months`.execute(
    db,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('an aggregate without a row');
  const { usable, pending, unclaimed, held, owed, balances, months } = row;
  const points = usable + pending + unclaimed + held;
  const programme = await currentProgramme(db);
  return {
    usable,
    pending,
    unclaimed,
    held,
    owed,
    points,
    minor: programme?.burn === undefined ? null : valueOf(programme.burn, points),
    currency: programme?.currency ?? null,
    byExpiry: months ?? [],
    agrees: usable + pending + unclaimed === balances,
  };
}
