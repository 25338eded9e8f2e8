import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import { AuditWalk } from '../../sync/contract/audit.ts';
import type { AuditBlock, AuditEntry, Misfit } from '../../sync/contract/audit.ts';
import { genesisHash } from '../../sync/contract/journal-entry.ts';
import type { JournalOwner } from '../../sync/contract/journal-entry.ts';
import { REDACTED_INDEX } from '../customers/redact-indexes.ts';
import type { Queries } from '../database/database.ts';

/** Rows in memory at once; each may have a million characters. */
const PAGE = 100;

/** A stretch of a journal as the server holds it. */
export interface JournalAudit {
  readonly blocks: readonly AuditBlock[];
  /** The first entry that does not fit what stands before it, in this stretch. */
  readonly misfit: Misfit | null;
}

/** The text of an entry as its hash covers it; null where it is kept elsewhere, or a card in it was erased. */
export function sealedText(body: RawBuilder<unknown>): RawBuilder<string | null> {
  return sql`case when ${body} <> '' and position(${`"index":"${REDACTED_INDEX}"`} in ${body}) = 0 then ${body} end`;
}

/**
 * Recomputes what the server holds of a journal after `afterSeq`, up to `toSeq`. Where a text is kept elsewhere, or not
 * at all, its hash is taken as it stands.
 */
export async function auditJournal(
  db: Queries,
  owner: JournalOwner,
  stretch: { readonly afterSeq: number; readonly toSeq: number; readonly blockEntries: number },
): Promise<JournalAudit> {
  const walk = new AuditWalk(await startOf(db, owner, stretch.afterSeq), stretch.blockEntries);
  const blocks: AuditBlock[] = [];
  for (let after = stretch.afterSeq; ;) {
    const page = await readPage(db, owner, after, stretch.toSeq);
    for (const entry of page) {
      const block = walk.take(entry);
      if (block !== undefined) blocks.push(block);
    }
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.seq;
  }
  const block = walk.end();
  return { blocks: block === undefined ? blocks : [...blocks, block], misfit: walk.misfit ?? null };
}

async function startOf(
  db: Queries,
  owner: JournalOwner,
  seq: number,
): Promise<{ readonly seq: number; readonly hash: string }> {
  if (seq === 0) return { seq, hash: genesisHash(owner) };
  const { rows } = await sql<{ hash: string }>`
    select hash from till_journal
    where till = ${owner.till} and incarnation = ${owner.incarnation}::uuid and seq = ${seq}::bigint`.execute(
    db,
  );
  // Without the entry before it there is nothing the first could be held against but itself.
  return { seq, hash: rows[0]?.hash ?? '' };
}

async function readPage(
  db: Queries,
  owner: JournalOwner,
  afterSeq: number,
  toSeq: number,
): Promise<readonly AuditEntry[]> {
  const { rows } = await sql<AuditEntry>`
    select seq, id, at, prev_hash as "prevHash", hash, ${sealedText(sql`body`)} as body from till_journal
    where till = ${owner.till} and incarnation = ${owner.incarnation}::uuid
      and seq > ${afterSeq}::bigint and seq <= ${toSeq}::bigint
    order by seq limit ${PAGE}::bigint`.execute(db);
  return rows;
}
