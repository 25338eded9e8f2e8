import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { fillJournal } from '../edge/journal/fill-journal.ts';
import { machineState } from './machine-state.ts';
import { table } from './table.ts';

export const BENCH_JOURNAL_KEY: Buffer = Buffer.alloc(32, 7);
export const BENCH_TILL = 'till-1';
/** What the long journal is held against when it is opened. */
const SHORT_ENTRIES = 1_000;
/** Entries uploaded of each journal, as far as it has so many; the shortest that has is the measure for uploading. */
const UPLOADED = 20_000;
const DEADLINE_MS = 1_800_000;

/** A journal of so many unconfirmed entries, measured in a process of its own. */
export interface JournalSample {
  readonly entries: number;
  readonly openMs: number;
  /** What opening added to the memory of the process, MB of a million bytes, after a full collection. */
  readonly openRssMb: number;
  readonly rssMb: number;
  readonly uploaded: number;
  readonly uploadPerSecond: number;
}

/** Whether a till that was alone for long starts, and catches up, as one that was not: a short journal and a long one. */
export async function journalBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { entries: { type: 'string', default: '1000000' }, json: { type: 'boolean', default: false } },
  });
  const machine = machineState();
  const folder = mkdtempSync(join(tmpdir(), 'stammkunde-bench-journal-'));
  try {
    const [short, middle, long] = [
      await sampleOf(folder, SHORT_ENTRIES),
      await sampleOf(folder, UPLOADED),
      await sampleOf(folder, Number(values.entries)),
    ];
    const samples = [short, middle, long];
    const ratio = (of: number, to: number): number => Math.round((100 * of) / to) / 100;
    const ratios = {
      openMs: ratio(long.openMs, short.openMs),
      openRssMb: ratio(long.openRssMb, short.openRssMb),
      rssMb: ratio(long.rssMb, middle.rssMb),
      uploadPerSecond: ratio(long.uploadPerSecond, middle.uploadPerSecond),
    };
    if (values.json) {
      process.stdout.write(`${JSON.stringify({ machine, samples, ratios }, undefined, 2)}\n`);
      return;
    }
    const rows = samples.map((sample) => [
      String(sample.entries),
      `${(sample.bytes / 1e6).toFixed(0)}`,
      sample.openMs.toFixed(1),
      sample.openRssMb.toFixed(1),
      sample.rssMb.toFixed(1),
      String(sample.uploaded),
      String(sample.uploadPerSecond),
    ]);
    const head = ['entries', 'file MB', 'open ms', 'opening RSS MB', 'RSS MB', 'uploaded', 'uploaded/s'];
    process.stdout.write(`${table([head, ...rows]).join('\n')}\n\nratios ${JSON.stringify(ratios)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function sampleOf(
  folder: string,
  entries: number,
): Promise<JournalSample & { readonly bytes: number }> {
  const file = join(folder, `journal-${entries}.db`);
  process.stderr.write(`writing ${entries} entries …\n`);
  fillJournal(file, BENCH_JOURNAL_KEY, { till: BENCH_TILL, entries, confirmed: 0 });
  const bytes = statSync(file).size;
  const program = fileURLToPath(new URL('./journal-main.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', program, file, String(UPLOADED)],
    { timeout: DEADLINE_MS },
  );
  // The line was written by journal-main.ts of this same checkout.
  return { ...(JSON.parse(stdout.trimEnd()) as JournalSample), bytes };
}
