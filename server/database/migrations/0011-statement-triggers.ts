import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** An update costs the same for each row, however many there are; and a rotation finds what is left at once. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const collections = [
  { name: 'credentials', table: 'credential', key: 'index' },
  { name: 'customers', table: 'customer', key: 'id' },
] as const;

const statements = [
  // The plans of a trigger are made once for a connection, for as few rows as its first statement changed. A join of old
  // rows with new ones would from then on compare each with each; to count is as good for twenty rows as for millions.
  ...collections.map(
    ({
      name,
      table,
      key,
    }) => `create or replace function ${table}_feed_updated() returns trigger language plpgsql as $$
     begin
       insert into feed_range_delta (collection, part, bucket, hash, count)
       select '${name}', feed_part, range_bucket, bit_xor(range_hash), sum(n) from (
         select feed_part, range_bucket, range_hash, 1 as n from new_rows
         union all select feed_part, range_bucket, range_hash, -1 from old_rows) change
       group by 2, 3 having bit_xor(range_hash) <> 0::bit(64) or sum(n) <> 0;
       insert into feed_tombstone (collection, key, part)
       select '${name}', key, part from (
         select ${key}::text as key, feed_part as part, 1 as n from old_rows
         union all select ${key}::text, feed_part, -1 from new_rows) change
       group by key, part having sum(n) > 0 order by key, part
       on conflict (collection, key, part) do update set at = excluded.at;
       return null;
     end $$`,
  ),

  // Once a statement, and planned for the rows there are: which of the two tables is the small one differs.
  `drop trigger forms on credential`,
  `create or replace function credential_forms() returns trigger language plpgsql as $$
   begin
     -- Older forms have none of their own; and this function's own update comes by here.
     if not exists (select from new_rows where alias_of is null) then return null; end if;
     execute
       'update credential a
        set status = n.status, customer_id = n.customer_id, valid_until = n.valid_until,
            public_key = n.public_key, feed_part = n.feed_part
        from new_rows n
        where a.alias_of = n.id and n.alias_of is null
          and (a.status, a.customer_id, a.valid_until, a.public_key, a.feed_part)
            is distinct from (n.status, n.customer_id, n.valid_until, n.public_key, n.feed_part)';
     return null;
   end $$`,
  `create trigger forms after update on credential referencing new table as new_rows
   for each statement execute function credential_forms()`,

  // What a rotation still has to move, and what it has to remove, and nothing else.
  `drop index credential_key_version`,
  `create index credential_to_move on credential (key_version, id) where alias_of is null`,
  `create index credential_older_form on credential (key_version, id) where alias_of is not null`,
];
