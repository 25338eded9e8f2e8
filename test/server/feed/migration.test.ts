import { PGlite } from '@electric-sql/pglite';
import { Kysely, PGliteDialect, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import { expect, test } from 'vitest';
import { bucketOf, documentHash } from '../../../sync/contract/range-hash.ts';
import { migrations } from '../../../server/database/migrations.ts';
import { credentialDocument, customerDocument } from '../../../server/feed/documents.ts';
import type { CredentialRow, CustomerRow } from '../../../server/feed/documents.ts';

test('rows that stood before have their hashes afterwards, and no till has to pull them again', async () => {
  const db = new Kysely<unknown>({ dialect: new PGliteDialect({ pglite: await PGlite.create() }) });
  try {
    const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
    await migrator.migrateTo('0005-consent-events');
    await sql`insert into customer (id, status, tier, points_at, created_at, purposes, greeting)
              select gen_random_uuid(), 'active', 'Gönner', 5, 0, '{profiling,greeting}', 'Zoë' from generate_series(1, 300)`.execute(
      db,
    );
    await sql`insert into credential (id, index, kind, scheme, customer_id, status, issued_at)
              select gen_random_uuid(), md5(id::text), 'card', 'house', id, 'active', 0 from customer`.execute(
      db,
    );
    const positions = async (): Promise<unknown> =>
      (
        await sql`select id, xid::text, seq from customer union all select id, xid::text, seq from credential order by id`.execute(
          db,
        )
      ).rows;
    const before = await positions();
    await migrator.migrateTo('0006-range-hashes');
    expect(await positions()).toEqual(before);

    type Hashed = { range_hash: string; range_bucket: number };
    const { rows: customers } = await sql<CustomerRow & Hashed>`
      select c.*, points::integer, points_at::integer from customer c`.execute(db);
    const { rows: credentials } = await sql<CredentialRow & Hashed>`select * from credential`.execute(db);
    for (const row of customers) {
      expect(BigInt(`0b${row.range_hash}`)).toBe(documentHash('customers', { ...customerDocument(row) }));
      expect(row.range_bucket).toBe(bucketOf(row.id));
    }
    for (const row of credentials) {
      expect(BigInt(`0b${row.range_hash}`)).toBe(documentHash('credentials', { ...credentialDocument(row) }));
    }
    const { rows: kept } =
      await sql`select collection, sum(count)::integer as count from feed_range group by 1 order by 1`.execute(
        db,
      );
    expect(kept).toEqual([
      { collection: 'credentials', count: 300 },
      { collection: 'customers', count: 300 },
    ]);
    expect(
      (await sql`select from feed_range_delta union all select from feed_tombstone`.execute(db)).rows,
    ).toEqual([]);
  } finally {
    await db.destroy();
  }
});
