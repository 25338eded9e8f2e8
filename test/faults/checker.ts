import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { z } from 'zod';
import { runProgram } from '../support/run-program.ts';
import type { SeenReceipt } from './bus-capture.ts';
import type { FaultShop } from './fault-shop.ts';
import type { Witnessed } from './oracle.ts';

const WRONG_MAX = 50;

const EntryRow = z.object({
  till: z.string(),
  incarnation: z.string(),
  seq: z.coerce.number(),
  id: z.string(),
  at: z.coerce.number(),
  prevHash: z.string(),
  hash: z.string(),
  body: z.string(),
  verdict: z.enum(['created', 'refused']),
  code: z.string().nullable(),
  sale: z.string().nullable(),
  total: z.coerce.number().nullable(),
  posted: z.coerce.number(),
});
const Progress = z.object({
  till: z.string(),
  incarnation: z.string(),
  contiguous: z.coerce.number(),
  highest: z.coerce.number(),
  entries: z.coerce.number(),
});
const Audit = z.object({
  sound: z.boolean(),
  entries: z.int(),
  first: z.unknown(),
  sums: z.object({ debits: z.int(), credits: z.int() }).nullable(),
});
const Points = z.object({ id: z.string(), points: z.coerce.number() });

/** What the database came to hold. */
export interface Found {
  readonly sales: number;
  readonly entries: number;
  readonly points: number;
  /** First what is wrong with the sales. */
  readonly wrong: readonly string[];
}

/** Holds what an onlooker wrote down against journal and ledger. Everything is mended by then. */
export async function checkSales(
  pool: Pool,
  witnessed: ReadonlyMap<string, Witnessed>,
  receipts: Iterable<SeenReceipt>,
): Promise<Found> {
  const wrong: string[] = [];
  const complain = (what: string): void => void (wrong.length < WRONG_MAX && wrong.push(what));
  const { rows } = await pool.query(
    `select j.till, j.incarnation, j.seq, j.id, j.at, j.prev_hash as "prevHash", j.hash, j.body, j.verdict, j.code,
       case when j.body::jsonb->>'kind' = 'sale.completed' then j.body::jsonb->>'saleId' end as sale,
       j.body::jsonb->'basket'->>'totalMinor' as total,
       (select count(*) from ledger_transaction t
        where t.id = j.id and t.kind = 'sale' and t.idempotency_key = 'sale:' || (j.body::jsonb->>'saleId')) as posted
     from till_journal j order by j.till, j.incarnation, j.seq`,
  );
  const bySale = new Map<string, z.infer<typeof EntryRow>[]>();
  let before: z.infer<typeof EntryRow> | undefined;
  for (const row of rows) {
    const entry = EntryRow.parse(row);
    checkLink(entry, before?.incarnation === entry.incarnation ? before : undefined, complain);
    before = entry;
    const { till, seq, sale } = entry;
    if (entry.verdict === 'refused')
      complain(`entry ${seq} of ${till} was refused: ${entry.code ?? 'without a code'}`);
    if (sale === null) complain(`entry ${seq} of ${till} is no sale, and only sales were made`);
    else bySale.set(sale, [...(bySale.get(sale) ?? []), entry]);
  }
  for (const { saleId, round, till, totalMinor, entry, refused } of witnessed.values()) {
    const found = bySale.get(saleId) ?? [];
    const name = `sale ${saleId} of ${till} in round ${round}`;
    const [one] = found;
    if (found.length > 1) complain(`${name} is ${found.length} times in the journal`);
    if (entry !== undefined && one === undefined) complain(`${name} got an OK and is lost`);
    if (refused === 'DATA_DISK_FULL' && one !== undefined)
      complain(`${name} was refused for the full disk and is in the ledger`);
    if (one === undefined) continue;
    if (one.posted !== 1) complain(`${name} is ${one.posted} times in the ledger`);
    if (one.till !== till) complain(`${name} is in the journal of ${one.till}`);
    if (one.total !== totalMinor)
      complain(`${name} has the total ${one.total ?? '?'} instead of ${totalMinor}`);
    if (entry !== undefined && (entry.hash !== one.hash || entry.seq !== one.seq || entry.id !== one.id))
      complain(`${name} is another entry than the one that got the OK`);
  }
  for (const sale of bySale.keys())
    if (!witnessed.has(sale)) complain(`sale ${sale} is in the ledger and nobody made it`);
  const { rows: posted } = await pool.query<{ n: string }>(
    `select count(*) as n from ledger_transaction where kind = 'sale'`,
  );
  if (Number(posted[0]?.n) !== bySale.size)
    complain(`the ledger has ${posted[0]?.n ?? '?'} sales, the journals ${bySale.size}`);
  const held = await checkHoles(pool, complain);
  await checkReceipts(pool, receipts, complain);
  const { rows: issued } = await pool.query<{ points: string }>(
    `select coalesce(-sum(points), 0) as points from ledger_posting where account_id = 'issued'`,
  );
  const points = Number(issued[0]?.points);
  return { sales: bySale.size, entries: held, points, wrong };
}

/**
 * The hash of each entry, and that it names the one before, by what docs/journal.md and sync/contract say of the format
 * and none of their code.
 */
function checkLink(
  { till, incarnation, seq, id, at, prevHash, hash, body }: z.infer<typeof EntryRow>,
  before: { readonly seq: number; readonly hash: string } | undefined,
  complain: (what: string) => void,
): void {
  const of = (parts: readonly (string | number)[]): string =>
    createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  const previous = before?.hash ?? of(['stammkunde journal v1', till, incarnation]);
  if (of([seq, id, at, prevHash, body]) !== hash)
    complain(`entry ${seq} of ${till} is not what its hash says`);
  if (seq === (before?.seq ?? 0) + 1 && prevHash !== previous)
    complain(`entry ${seq} of ${till} does not follow the one before`);
}

async function checkHoles(pool: Pool, complain: (what: string) => void): Promise<number> {
  const { rows } = await pool.query(
    `select p.till, p.incarnation, p.contiguous, p.highest,
       (select count(*) from till_journal j where j.till = p.till and j.incarnation = p.incarnation) as entries
     from till_progress p`,
  );
  let held = 0;
  for (const row of rows) {
    const { till, contiguous, highest, entries } = Progress.parse(row);
    held += entries;
    if (contiguous !== highest || entries !== highest)
      complain(
        `the journal of ${till} has ${entries} entries, none missing up to ${contiguous} of ${highest}`,
      );
  }
  if (new Set(rows.map((row) => Progress.parse(row).till)).size !== rows.length)
    complain('a till has more than one journal');
  const { rows: quarantined } = await pool.query<{ n: string }>(
    'select count(*) as n from journal_quarantine',
  );
  if (Number(quarantined[0]?.n) !== 0) complain(`${quarantined[0]?.n ?? '?'} entries are in quarantine`);
  return held;
}

/** Whatever a receipt once said is there still. */
async function checkReceipts(
  pool: Pool,
  receipts: Iterable<SeenReceipt>,
  complain: (what: string) => void,
): Promise<void> {
  const seen = [...receipts];
  const { rows } = await pool.query<{ till: string; seq: string }>(
    `select r.till, r.seq from unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[]) as r(till, incarnation, seq, hash)
     left join till_journal j on j.till = r.till and j.incarnation = r.incarnation and j.seq = r.seq
     where j.hash is distinct from r.hash`,
    [
      seen.map(({ till }) => till),
      seen.map(({ incarnation }) => incarnation),
      seen.map(({ contiguous }) => contiguous),
      seen.map(({ hash }) => hash),
    ],
  );
  for (const { till, seq } of rows)
    complain(`a receipt named entry ${seq} of ${till}, which the database has not, or has otherwise`);
}

/** Each till shows of each customer what the server's tables say. */
export async function checkReplicas(shop: FaultShop, pool: Pool): Promise<readonly string[]> {
  const wrong: string[] = [];
  const { rows } = await pool.query('select id, points from customer');
  const pointsOf = new Map(rows.map((row) => Points.parse(row)).map(({ id, points }) => [id, points]));
  for (const { name, api } of shop.tills) {
    for (const { id, card } of shop.customers) {
      const { identification } = await api.identify(card);
      const shown = identification.verdict === 'known' ? identification.customer : undefined;
      if (shown?.id !== id || shown.points !== pointsOf.get(id))
        wrong.push(
          `${name} shows ${shown?.points ?? identification.verdict} of customer ${id}, the server has ${pointsOf.get(id) ?? 'nobody'}`,
        );
    }
  }
  return wrong;
}

/** The programs' own audits: the server's of its database, and each till's against the server. No till may run. */
export async function runAudits(shop: FaultShop): Promise<readonly string[]> {
  const wrong: string[] = [];
  const [worker] = shop.workers;
  if (worker === undefined) return ['no server'];
  const server = await runProgram('bin/stammkunde-server.js', [
    'audit',
    '--json',
    '--config',
    worker.configFile,
  ]);
  const told = server.code === 2 ? undefined : Audit.safeParse(JSON.parse(server.stdout)).data;
  if (server.code !== 0 || told?.sound !== true || told.sums?.debits !== told.sums?.credits)
    wrong.push(
      `stammkunde-server audit: ${JSON.stringify(told?.first ?? null)} ${server.stderr.slice(0, 500)}`,
    );
  for (const { name, configFile } of shop.tills) {
    const against = ['--against', worker.url, '--token-file', shop.serverTokenFile];
    const till = await runProgram('bin/stammkunde-edge.js', ['audit', '--config', configFile, ...against]);
    if (till.code !== 0)
      wrong.push(`stammkunde-edge audit of ${name}: ${till.stdout.slice(-500)} ${till.stderr.slice(0, 500)}`);
  }
  return wrong;
}
