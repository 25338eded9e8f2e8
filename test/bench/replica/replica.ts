import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { asError } from '../../../foundation/errors.ts';
import { machineState } from '../machine-state.ts';
import { table } from '../table.ts';
import type { OperationFigures, PeerFigures } from './measure-peer.ts';
import { peerNames } from './peers.ts';
import type { PeerName } from './peers.ts';

/** Operations of each kind, whatever the number of documents. */
const LOOKUPS = 50_000;
const QUERIES = 10_000;
const MIXED = 20_000;
/** One peer may take as long as this: loading is the longest. */
const PEER_DEADLINE_MS = 1_200_000;
/** Characters of what a peer that failed said last. */
const FAILURE_MAX = 300;

/** What all others are compared with: the same driver, cipher and settings, and nothing before it. */
const COMPARED_WITH: PeerName = 'raw-encrypted';

type PeerReport = {
  readonly peer: PeerName;
  readonly label: string;
  readonly survives: string;
  readonly documents: number;
} & (PeerFigures | { readonly missing: string });

type MeasuredPeer = Extract<PeerReport, PeerFigures>;

/**
 * The replica's storage beside its peers: the same documents, the same operations, one peer after the other, each in a
 * process of its own. `lookup`, `query` and `mixed` are single operations, one after the other; mixed is four lookups and
 * one update, each committed on its own.
 */
export async function replicaBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      documents: { type: 'string', default: '100000' },
      peers: { type: 'string', default: peerNames.join(',') },
      json: { type: 'boolean', default: false },
    },
  });
  const documents = Number(values.documents);
  if (!Number.isInteger(documents) || documents < 1)
    throw new Error('--documents is a whole number from 1 on');
  const wanted = values.peers.split(',');
  const machine = machineState();
  const reports: PeerReport[] = [];
  for (const name of peerNames.filter((each) => wanted.includes(each))) {
    process.stderr.write(`${name} …\n`);
    const report = await reportOf(name, documents).catch(
      // One peer that fails does not take the others' figures along.
      (error: unknown): PeerReport => ({
        peer: name,
        label: name,
        survives: 'n/a',
        documents,
        missing: `failed: ${asError(error).message.slice(-FAILURE_MAX)}`,
      }),
    );
    process.stderr.write(`${JSON.stringify(report)}\n`);
    reports.push(report);
  }
  const measured = reports.filter((report): report is MeasuredPeer => 'lookup' in report);
  const base = measured.find(({ peer }) => peer === COMPARED_WITH);
  process.stdout.write(`${lines(documents, reports, measured, base).join('\n')}\n`);
  if (!values.json) return;
  for (const report of reports) {
    const ratio = base !== undefined && 'lookup' in report ? { ratio: ratiosOf(report, base) } : {};
    const line = { bench: 'replica', ...report, comparedWith: COMPARED_WITH, ...ratio, machine };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

async function reportOf(name: PeerName, documents: number): Promise<PeerReport> {
  const program = fileURLToPath(new URL('./peer-main.ts', import.meta.url));
  const counts = [documents, LOOKUPS, QUERIES, MIXED].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, [program, name, ...counts], {
    timeout: PEER_DEADLINE_MS,
  });
  // The line was written by peer-main.ts of this same checkout.
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as PeerReport;
}

/** How many times as long, or as slow, as the one compared with: 1 is equal, 2 is half as fast. */
function ratiosOf(of: PeerFigures, base: PeerFigures): Record<string, number | null> {
  const times = (a: number, b: number): number => Math.round((a / b) * 100) / 100;
  return {
    load: times(base.loadPerSecond, of.loadPerSecond),
    lookupP50: times(of.lookup.p50Us, base.lookup.p50Us),
    lookupP99: times(of.lookup.p99Us, base.lookup.p99Us),
    queryP50: of.query === null || base.query === null ? null : times(of.query.p50Us, base.query.p50Us),
    mixed: times(base.mixed.perSecond, of.mixed.perSecond),
    rss: times(of.rssMb.end, base.rssMb.end),
  };
}

function lines(
  documents: number,
  reports: readonly PeerReport[],
  measured: readonly MeasuredPeer[],
  base: MeasuredPeer | undefined,
): string[] {
  const us = (figures: OperationFigures | null): string[] =>
    figures === null ? ['n/a', 'n/a'] : [figures.p50Us.toFixed(1), figures.p99Us.toFixed(1)];
  const rows = reports.map((report) =>
    'missing' in report
      ? [report.label, report.missing]
      : [
          report.documents === documents ? report.label : `${report.label} (${report.documents})`,
          report.survives,
          String(report.loadPerSecond),
          ...us(report.lookup),
          ...us(report.query),
          String(report.mixed.perSecond),
          String(report.rssMb.end),
          String(report.rssMb.peak),
        ],
  );
  const head = ['load/s', 'lookup p50', 'p99 µs', 'query p50', 'p99 µs', 'mixed/s', 'RSS MB', 'at most'];
  const ratioRows =
    base === undefined
      ? []
      : measured.map((report) => [
          report.label,
          ...Object.values(ratiosOf(report, base)).map((ratio) =>
            ratio === null ? 'n/a' : `${ratio.toFixed(2)}×`,
          ),
        ]);
  return [
    ...table([[`${documents} documents`, 'survives', ...head], ...rows]),
    '',
    ...table([
      [
        `times ${base?.label ?? COMPARED_WITH}; less is better`,
        'load',
        'lookup p50',
        'p99',
        'query p50',
        'mixed',
        'RSS',
      ],
      ...ratioRows,
    ]),
    '',
    'RSS is of the whole process, generator of the documents included; PostgreSQL’s own processes are not counted.',
    '',
  ];
}
