import type { MemoryEngine } from '../../server/database/memory-engine.ts';

/** What keeps an entry from being taken twice, when all who looked before saw nothing of it. */
const GUARDED = ['till_journal', 'ledger_transaction'];

/** Takes their keys away from journal and ledger. @returns what puts them back, once the tables are empty */
export async function dropUniqueKeys(engine: MemoryEngine): Promise<() => Promise<void>> {
  const tables = GUARDED.map((name) => `'${name}'::regclass`).join(', ');
  const keys = await engine.query<{ owner: string; name: string; definition: string; type: string }>(`
    select conrelid::regclass::text as owner, conname as name, pg_get_constraintdef(oid) as definition, contype as type
    from pg_constraint where (conrelid in (${tables}) and contype in ('p', 'u')) or confrelid in (${tables})
    order by contype = 'f' desc, conname`);
  for (const { owner, name } of keys) await engine.query(`alter table ${owner} drop constraint ${name}`);
  return async () => {
    // A journal that is append-only lets itself be emptied by nobody else.
    await engine.query('set session_replication_role = replica');
    await engine.query(`truncate ${GUARDED.join(', ')} cascade`);
    await engine.query('set session_replication_role = origin');
    for (const { owner, name, definition } of keys.toReversed()) {
      await engine.query(`alter table ${owner} add constraint ${name} ${definition}`);
    }
  };
}
