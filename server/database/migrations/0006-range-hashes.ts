import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/**
 * What tills hold can be compared with what they should hold: hashes of ranges that follow every write, and tombstones
 * of what was deleted.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

interface Collection {
  readonly name: 'credentials' | 'customers';
  readonly table: 'credential' | 'customer';
  readonly key: string;
  /** The canonical text of a row as a SQL expression. */
  readonly text: (row: 'new' | 'r') => string;
}

// `canonicalText` of sync/contract/range-hash.ts, for documents as server/feed/documents.ts makes them of rows.
const collections: readonly Collection[] = [
  {
    name: 'credentials',
    table: 'credential',
    key: 'index',
    text: (r) => `'credentials{s10:customerId' || coalesce('s36:' || ${r}.customer_id, 'n')
      || 's5:index' || range_text(${r}.index)
      || 's4:kind' || range_text(${r}.kind)
      || coalesce('s9:publicKey' || range_text(${r}.public_key), '')
      || 's6:status' || range_text(${r}.status)
      || 's10:validUntil' || coalesce('i' || ${r}.valid_until || ';', 'n') || '}'`,
  },
  {
    name: 'customers',
    table: 'customer',
    key: 'id',
    text: (r) => `'customers{s8:greeting'
      || coalesce(range_text(case when 'greeting' = any(${r}.purposes) then ${r}.greeting end), 'n')
      || 's2:ids36:' || ${r}.id || 's6:pointsi' || ${r}.points || ';s8:pointsAti' || ${r}.points_at
      || ';s8:purposes[' || case cardinality(${r}.purposes) when 0 then '' when 1 then range_text(${r}.purposes[1])
                            else range_set(${r}.purposes) end
      || ']s6:status' || range_text(${r}.status)
      || 's4:tier' || range_text(${r}.tier) || '}'`,
  },
];

const statements = [
  `create function range_text(value text) returns text language sql stable parallel safe as $$
     select 's' || octet_length(convert_to(value, 'UTF8')) || ':' || value $$`,
  `create function range_set(list text[]) returns text language sql stable parallel safe as $$
     select string_agg(range_text(each), '' order by each collate "C") from unnest(list) each $$`,
  `create function range_bucket(key text) returns smallint language sql stable parallel safe as $$
     select ('x' || substr(md5(convert_to(key, 'UTF8')), 1, 2))::bit(8)::integer::smallint $$`,
  `create function range_hash(canonical text) returns bit language sql stable parallel safe as $$
     select ('x' || substr(md5(convert_to(canonical, 'UTF8')), 1, 16))::bit(64) $$`,

  // The hashes of a collection are folded into feed_range now and then; what came since is in feed_range_delta. Writers
  // only append, so none waits for another. The sum of both is true in every snapshot. A part of the customer base is
  // what scopes are made of: '' belongs to every scope.
  `create table feed_range (
     collection text not null,
     part text not null,
     bucket smallint not null,
     hash bit(64) not null,
     count bigint not null,
     primary key (collection, part, bucket))`,
  `create table feed_range_delta (
     collection text not null,
     part text not null,
     bucket smallint not null,
     hash bit(64) not null,
     count bigint not null)`,

  // Of a row that was deleted, or left a part of the customer base: nothing but its key. One that was deleted and made
  // anew has a later position than its tombstone.
  `create table feed_tombstone (
     collection text not null,
     key text not null,
     part text not null,
     at bigint not null default (extract(epoch from clock_timestamp()) * 1000)::bigint,
     xid xid8 not null,
     seq bigint not null,
     primary key (collection, key, part))`,
  `create index feed_tombstone_feed on feed_tombstone (collection, xid, seq)`,
  `create index feed_tombstone_at on feed_tombstone (at)`,
  `create trigger feed_position before insert or update on feed_tombstone
   for each row execute function feed_position()`,
  // Up to where tombstones were purged: a till that comes from before cannot know what is gone.
  `create table feed_purged (collection text primary key, xid xid8 not null, seq bigint not null)`,

  ...collections.flatMap(({ name, table, key, text }) => [
    // Without rewriting through an update, which would give every row a new position and have every till pull it again.
    `alter table ${table} add column feed_part text not null default '',
       add column range_bucket smallint not null default 0, add column range_hash bit(64) not null default 0::bit(64)`,
    `drop trigger feed_position on ${table}`,
    `update ${table} r set range_bucket = range_bucket(r.${key}::text), range_hash = range_hash(${text('r')})`,
    `alter table ${table} alter column range_bucket drop default, alter column range_hash drop default`,
    `insert into feed_range (collection, part, bucket, hash, count)
     select '${name}', feed_part, range_bucket, bit_xor(range_hash), count(*) from ${table} group by 2, 3`,
    `create index ${table}_range on ${table} (range_bucket, ${key === 'index' ? 'index collate "C"' : key})`,

    `create function ${table}_feed_row() returns trigger language plpgsql as $$
     begin
       new.xid := pg_current_xact_id();
       new.seq := nextval('feed_seq');
       new.range_bucket := range_bucket(new.${key}::text);
       new.range_hash := range_hash(${text('new')});
       return new;
     end $$`,
    `create trigger feed_position before insert or update on ${table}
     for each row execute function ${table}_feed_row()`,

    `create function ${table}_feed_inserted() returns trigger language plpgsql as $$
     begin
       insert into feed_range_delta (collection, part, bucket, hash, count)
       select '${name}', feed_part, range_bucket, bit_xor(range_hash), count(*) from new_rows group by 2, 3;
       return null;
     end $$`,
    `create trigger feed_inserted after insert on ${table} referencing new table as new_rows
     for each statement execute function ${table}_feed_inserted()`,

    `create function ${table}_feed_updated() returns trigger language plpgsql as $$
     begin
       insert into feed_range_delta (collection, part, bucket, hash, count)
       select '${name}', feed_part, range_bucket, bit_xor(range_hash), sum(n) from (
         select feed_part, range_bucket, range_hash, 1 as n from new_rows
         union all select feed_part, range_bucket, range_hash, -1 from old_rows) change
       group by 2, 3 having bit_xor(range_hash) <> 0::bit(64) or sum(n) <> 0;
       insert into feed_tombstone (collection, key, part)
       select '${name}', o.${key}::text, o.feed_part from old_rows o left join new_rows n on n.id = o.id
       where (n.${key}, n.feed_part) is distinct from (o.${key}, o.feed_part)
       on conflict (collection, key, part) do update set at = excluded.at;
       return null;
     end $$`,
    `create trigger feed_updated after update on ${table} referencing old table as old_rows new table as new_rows
     for each statement execute function ${table}_feed_updated()`,

    `create function ${table}_feed_deleted() returns trigger language plpgsql as $$
     begin
       insert into feed_range_delta (collection, part, bucket, hash, count)
       select '${name}', feed_part, range_bucket, bit_xor(range_hash), -count(*) from old_rows group by 2, 3;
       insert into feed_tombstone (collection, key, part)
       select '${name}', ${key}::text, feed_part from old_rows
       on conflict (collection, key, part) do update set at = excluded.at;
       return null;
     end $$`,
    `create trigger feed_deleted after delete on ${table} referencing old table as old_rows
     for each statement execute function ${table}_feed_deleted()`,
  ]),
];
