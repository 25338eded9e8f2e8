import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { BlindIndex, IndexForms } from '../../sync/contract/blind-index.ts';
import type { DatabaseTransaction } from '../database/database.ts';

/** A number's older blind index, and its newest. */
export interface IndexStep {
  readonly from: BlindIndex;
  readonly to: BlindIndex;
  /** Under how many keys `to` was made. */
  readonly version: number;
}

/** From each older form of a number to the newest. None for a number with one form. */
export function stepsBetween(forms: readonly BlindIndex[], version: number): readonly IndexStep[] {
  const to = forms.at(-1);
  return to === undefined ? [] : forms.slice(0, -1).map((from) => ({ from, to, version }));
}

/** The same for an index that came from somewhere: from each form it leads to, its own included, to the newest. */
export function stepsFrom(indexer: IndexForms, index: BlindIndex): readonly IndexStep[] {
  return stepsBetween(indexer.formsFrom(index), indexer.version);
}

interface FoundRow {
  readonly id: string;
  readonly from: BlindIndex;
  readonly to: BlindIndex;
  readonly from_version: number;
  readonly to_version: number;
}

/**
 * Moves credentials to their newest index, and leaves a row under the older one for tills that have only the older
 * keys. Those that are there already, or that nobody has, are left as they are. Points that wait for an owner are found
 * under the new index from then on. To be called with the lock on ownership of cards, shared or not: an erasure locks
 * customer and cards in another order.
 * @returns how many were moved
 */
export async function reKey(tx: DatabaseTransaction, steps: readonly IndexStep[]): Promise<number> {
  if (steps.length === 0) return 0;
  const froms = steps.map(({ from }) => from);
  const tos = steps.map(({ to }) => to);
  await noteForms(
    tx,
    froms,
    tos,
    sql`exists (select from ledger_account a where a.id = 'unclaimed:' || p.previous)`,
  );
  const { rows } = await sql<FoundRow>`
    select c.id, p.from_index as from, p.to_index as to, c.key_version as from_version, p.version as to_version
    from unnest(${froms}::text[], ${tos}::text[], ${steps.map(({ version }) => version)}::smallint[])
      p(from_index, to_index, version)
    join credential c on c.index = p.from_index
    where c.alias_of is null and not exists (select from credential n where n.index = p.to_index)
    order by c.id for update of c`.execute(tx);
  if (rows.length === 0) return 0;
  const ids = rows.map(({ id }) => id);
  await noteForms(
    tx,
    rows.map(({ from }) => from),
    rows.map(({ to }) => to),
    sql`true`,
  );
  await sql`
    update credential c set index = p.index, key_version = p.version
    from unnest(${ids}::uuid[], ${rows.map(({ to }) => to)}::text[],
                ${rows.map((row) => row.to_version)}::smallint[]) p(id, index, version)
    where c.id = p.id`.execute(tx);
  await sql`
    insert into credential (id, index, kind, scheme, customer_id, status, valid_until, issued_at, public_key, feed_part,
                            key_version, alias_of)
    select gen_random_uuid(), p.index, c.kind, c.scheme, c.customer_id, c.status, c.valid_until, c.issued_at,
           c.public_key, c.feed_part, p.version, c.id
    from unnest(${ids}::uuid[], ${rows.map(({ from }) => from)}::text[],
                ${rows.map((row) => row.from_version)}::smallint[]) p(id, index, version)
    join credential c on c.id = p.id`.execute(tx);
  return rows.length;
}

/**
 * Notes what older indexes have become: points wait under them, and an erasure has to find them in journals, where no
 * key leads back to. In one order always, so that two servers cannot wait for each other.
 */
async function noteForms(
  tx: DatabaseTransaction,
  previous: readonly BlindIndex[],
  index: readonly BlindIndex[],
  condition: RawBuilder<unknown>,
): Promise<void> {
  // A number may be among them twice.
  const known = [...new Map(previous.map((each, i) => [each, index[i]]))].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
  const forms = sql`unnest(${known.map(([from]) => from)}::text[], ${known.map(([, to]) => to)}::text[])
    as p(previous, index)`;
  // What points to one of them has to point further; and those are locked in the order of what they are called.
  await sql`
    update index_form f set index = p.index
    from (select f.previous, p.index from index_form f join ${forms} on f.index = p.previous
          order by f.previous for no key update of f) p
    where f.previous = p.previous`.execute(tx);
  await sql`
    insert into index_form (previous, index)
    select p.previous, p.index from ${forms} where ${condition} order by p.previous
    on conflict (previous) do update set index = excluded.index where index_form.index <> excluded.index`.execute(
    tx,
  );
}

/** The version below which no till needs an index any more. */
export async function readFloor(tx: DatabaseTransaction): Promise<number> {
  const row = await tx
    .selectFrom('server_meta')
    .select('value')
    .where('name', '=', 'identifier_floor')
    .executeTakeFirst();
  return Number(row?.value ?? 1);
}
