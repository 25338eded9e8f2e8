import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../foundation/clock.ts';
import { StammkundeError, asError } from '../foundation/errors.ts';
import { Opened } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import { readAuditBlocks } from '../sync/contract/audit.ts';
import type { AuditBlock, AuditComparison, AuditSums } from '../sync/contract/audit.ts';
import type { JournalOwner } from '../sync/contract/journal-entry.ts';
import type { EdgeConfig } from './config.ts';
import { auditAgainst, auditJournal } from './journal/journal-audit.ts';
import type { JournalAudit } from './journal/journal-audit.ts';
import { Journal } from './journal/journal.ts';
import { rejoin } from './journal/rejoin.ts';
import { readKeyRing } from './key-ring.ts';
import { lockUnlessWiped, wipePlacesOf } from './wipe/wipe.ts';

const FETCH_DEADLINE_MS = 60_000;

interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly credentialsFolder?: string | undefined;
}

/** Where a server's blocks come from: a file, or its API. */
export interface Against {
  readonly place: string;
  /** File with the token of the API. */
  readonly tokenFile: string | undefined;
}

/** What a command prints, and whether all is well. */
export interface Told {
  readonly text: string;
  readonly well: boolean;
}

/**
 * Walks a till's whole journal and, if asked, holds it against what the server has. The till must not run.
 * @throws StammkundeError DATA_IN_USE · JRN_WRONG_KEY · JRN_CORRUPT · BUS_UNREACHABLE · WIRE_MALFORMED · TILL_WIPED
 */
export async function tellAudit(
  config: EdgeConfig,
  ports: Ports,
  { against, asJson }: { readonly against?: Against | undefined; readonly asJson: boolean },
): Promise<Told> {
  const opened = new Opened();
  try {
    const place = await placeOf(config, ports, opened);
    const journal = opened.add(
      await Journal.open({ ...ports, ...place, till: null, unconfirmedMax: 0, checkTail: false }),
    );
    const audit = auditJournal(journal);
    const compared = against === undefined ? undefined : await compare(journal, against);
    const isSame =
      compared === undefined || (compared.kind === 'same' && compared.upToSeq >= audit.confirmedSeq);
    const text = asJson
      ? JSON.stringify({ ...audit, against: compared ?? null }, undefined, 2)
      : [auditText(audit), ...(compared === undefined ? [] : [comparisonText(audit, compared)])].join('\n');
    return { text: `${text}\n`, well: audit.misfit === null && isSame };
  } finally {
    await opened.close();
  }
}

/**
 * Begins a new incarnation of a till whose disk was copied or restored; without `really` only says what it would do.
 * The till must not run.
 * @throws StammkundeError DATA_IN_USE · DATA_UNWRITABLE · DATA_DISK_FULL · JRN_WRONG_KEY · JRN_CORRUPT · TILL_WIPED
 */
export async function tellRejoin(
  config: EdgeConfig,
  ports: Ports,
  { really, asJson }: { readonly really: boolean; readonly asJson: boolean },
): Promise<Told> {
  const opened = new Opened();
  try {
    const place = await placeOf(config, ports, opened);
    const done = await rejoin({ ...ports, ...place, till: config.till }, really);
    if (asJson) return { text: `${JSON.stringify({ really, ...done }, undefined, 2)}\n`, well: true };
    const { from, to, entries, openSales, kept } = done;
    return {
      text: [
        `journal of ${from.till}, incarnation ${from.incarnation}: ${entries} entries, ${openSales} open sales`,
        really
          ? `entered anew for ${to.till}, incarnation ${to.incarnation}; kept as it was in ${kept}`
          : `would be entered anew for ${to.till} and kept as it is in ${kept}; say --yes to do it`,
        '',
      ].join('\n'),
      well: true,
    };
  } finally {
    await opened.close();
  }
}

async function placeOf(
  config: EdgeConfig,
  { random, log, credentialsFolder }: Ports,
  opened: Opened,
): Promise<{ readonly file: string; readonly key: Buffer }> {
  const file = join(config.dataFolder, 'journal.db');
  opened.add(await lockUnlessWiped(wipePlacesOf(config), log));
  const { journal: key } = readKeyRing(config.keys, {
    credentialsFolder,
    dataFolder: config.dataFolder,
    random,
  });
  return { file, key };
}

/** With the API at hand the first entry is named, however many a block has. */
async function compare(journal: Journal, against: Against): Promise<AuditComparison> {
  const url = URL.canParse(against.place) ? new URL(against.place) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    return auditAgainst(journal, readAuditBlocks(readFileSync(against.place, 'utf8')));
  const token = against.tokenFile === undefined ? undefined : readFileSync(against.tokenFile, 'utf8').trim();
  const blocks: AuditBlock[] = [];
  for (let after = 0; ;) {
    const page = await fetchBlocks(url, journal.owner, token, { after });
    blocks.push(...page);
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.toSeq;
  }
  const compared = auditAgainst(journal, blocks);
  if (compared.kind !== 'differs' && compared.kind !== 'gap') return compared;
  const { afterSeq } = compared;
  const single = await fetchBlocks(url, journal.owner, token, { after: afterSeq, block: 1 });
  return auditAgainst(journal, single, afterSeq);
}

async function fetchBlocks(
  server: URL,
  { till, incarnation }: JournalOwner,
  token: string | undefined,
  query: { readonly after: number; readonly block?: number },
): Promise<readonly AuditBlock[]> {
  const url = new URL(`/v1/journal/${till}/${incarnation}/audit`, server);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(FETCH_DEADLINE_MS),
    });
    text = await response.text();
  } catch (error) {
    throw new StammkundeError('BUS_UNREACHABLE', `${server.origin}: ${asError(error).message}`, {
      cause: error,
    });
  }
  if (!response.ok)
    throw new StammkundeError('BUS_UNREACHABLE', `${server.origin} answers ${response.status}`);
  return readAuditBlocks(text);
}

function auditText({
  owner,
  anchorSeq,
  lastSeq,
  confirmedSeq,
  blocks,
  totals,
  misfit,
}: JournalAudit): string {
  const rows = blocks.map(({ fromSeq, toSeq, entries, hash, sums }) =>
    [
      `${fromSeq}–${toSeq}`.padEnd(20),
      String(entries).padStart(7),
      hash.slice(0, 16).padEnd(17),
      sumsText(sums),
    ].join(' '),
  );
  return [
    `journal of ${owner.till}, incarnation ${owner.incarnation}`,
    `entries ${anchorSeq + 1}–${lastSeq}, confirmed up to ${confirmedSeq}`,
    '',
    `${'entries'.padEnd(20)} ${'count'.padStart(7)} ${'hash'.padEnd(17)} sums`,
    ...rows,
    '',
    `in all: ${sumsText(totals)}`,
    misfit === null ? 'the chain is whole' : `entry ${misfit.seq} ${misfit.what} [JRN_CORRUPT]`,
  ].join('\n');
}

function sumsText(sums: AuditSums | undefined): string {
  if (sums === undefined) return '';
  const totals = Object.entries(sums.totals).map(([currency, minor]) => `${minor} ${currency} (minor units)`);
  return [`${sums.sales} sales`, `${sums.voids} voids`, `${sums.points} points`, ...totals].join(', ');
}

function comparisonText(
  { lastSeq, anchorSeq, confirmedSeq }: JournalAudit,
  compared: AuditComparison,
): string {
  switch (compared.kind) {
    case 'same': {
      const { upToSeq } = compared;
      const toSend = upToSeq < lastSeq ? `; ${lastSeq - upToSeq} are to be sent` : '';
      if (upToSeq >= confirmedSeq) return `the server has the same up to entry ${upToSeq}${toSend}`;
      const kept = upToSeq < anchorSeq ? `, of which those up to ${anchorSeq} are kept nowhere` : '';
      return `the server lacks what it had confirmed: entries ${upToSeq + 1}–${confirmedSeq}${kept}`;
    }
    case 'differs':
      return `the server has another entry: ${rangeText(compared)} [JRN_DIVERGED]`;
    case 'gap':
      return `the server lacks what it has later ones of: ${rangeText(compared)}`;
    case 'ahead':
      return `the server has entries up to ${compared.otherSeq}, this journal ends with ${compared.lastSeq} [JRN_DIVERGED]`;
  }
}

function rangeText({ afterSeq, bySeq }: { readonly afterSeq: number; readonly bySeq: number }): string {
  return bySeq === afterSeq + 1 ? `entry ${bySeq}` : `the first is one of ${afterSeq + 1}–${bySeq}`;
}
