import type { Clock } from '../../../foundation/clock.ts';
import type { Random } from '../../../foundation/random.ts';
import { BenchDocuments, benchDocument, keyOf } from './bench-documents.ts';
import type { BenchDocument } from './bench-documents.ts';
import type { Peer } from './peer.ts';

/** Documents of one transaction while loading. */
const LOAD_PAGE = 1_000;
/** Of each kind of operation, before it is measured. */
const WARM_UP = 2_000;
/** Every fifth operation of the mixed load is an update. */
const UPDATE_EVERY = 5;

export interface Operations {
  readonly documents: number;
  readonly lookups: number;
  readonly queries: number;
  readonly mixed: number;
}

/** Microseconds of single operations; `perSecond` is how many were done one after the other. */
export interface OperationFigures {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly perSecond: number;
}

export interface PeerFigures {
  readonly loadPerSecond: number;
  readonly lookup: OperationFigures;
  readonly query: OperationFigures | null;
  readonly mixed: OperationFigures;
  /** Resident memory of this process in MB of a million bytes: before the peer was opened, loaded, and at the end. */
  readonly rssMb: {
    readonly before: number;
    readonly loaded: number;
    readonly end: number;
    readonly peak: number;
  };
}

/** Loads a peer and asks it, one operation after the other, each measured by itself. */
export async function measurePeer(
  open: () => Promise<Peer>,
  operations: Operations,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<PeerFigures> {
  const documents = new BenchDocuments(operations.documents);
  const before = rssMb();
  const peer = await open();
  try {
    let loadingMs = 0;
    for (const page of documents.pages(LOAD_PAGE)) {
      const startedMs = clock.monotonicMs();
      await peer.bulkLoad(page);
      loadingMs += clock.monotonicMs() - startedMs;
    }
    const loaded = rssMb();
    const any = (): number => Math.floor(random.next() * operations.documents);

    const lookup = (): (() => unknown) => {
      const index = keyOf(any());
      return () => peer.lookup(index);
    };
    const cardsOf = peer.cardsOf?.bind(peer);
    const query = (find: NonNullable<typeof cardsOf>): (() => unknown) => {
      const { customerId } = benchDocument(any());
      return () => find(customerId);
    };
    const mixed = (n: number): (() => unknown) => {
      if (n % UPDATE_EVERY !== 0) return lookup();
      const document: BenchDocument = benchDocument(any(), n + 1);
      return () => peer.update(document);
    };
    const measure = async (count: number, make: (n: number) => () => unknown): Promise<OperationFigures> => {
      await timed(Math.min(WARM_UP, count), make, clock);
      return figures(await timed(count, make, clock));
    };
    await check(peer, operations.documents);
    return {
      loadPerSecond: Math.round((operations.documents / loadingMs) * 1000),
      lookup: await measure(operations.lookups, lookup),
      query: cardsOf === undefined ? null : await measure(operations.queries, () => query(cardsOf)),
      mixed: await measure(operations.mixed, mixed),
      rssMb: { before, loaded, end: rssMb(), peak: Math.round(process.resourceUsage().maxRSS / 976.5625) },
    };
  } finally {
    await peer.close();
  }
}

/** A peer that answers something else is not compared. */
async function check(peer: Peer, documents: number): Promise<void> {
  const expected = benchDocument(documents - 1);
  const found = await peer.lookup(expected.index);
  const cards = await peer.cardsOf?.(expected.customerId);
  const told = [found, ...(cards ?? [])].map((each) =>
    typeof each === 'object' && each !== null && 'customerId' in each ? each.customerId : undefined,
  );
  if (cards?.length === 0 || told.some((customerId) => customerId !== expected.customerId)) {
    throw new Error('the peer does not hold what it was given');
  }
}

async function timed(count: number, make: (n: number) => () => unknown, clock: Clock): Promise<Float64Array> {
  const durationsMs = new Float64Array(count);
  for (let n = 0; n < count; n += 1) {
    const operation = make(n);
    const startedMs = clock.monotonicMs();
    const answer = operation();
    // Awaiting what is no promise would add a turn of the microtask queue to what is synchronous.
    if (answer instanceof Promise) await answer;
    durationsMs[n] = clock.monotonicMs() - startedMs;
  }
  return durationsMs;
}

function figures(durationsMs: Float64Array): OperationFigures {
  const sorted = durationsMs.toSorted();
  const atUs = (share: number): number =>
    Math.round((sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN) * 10_000) / 10;
  const totalMs = durationsMs.reduce((sum, each) => sum + each, 0);
  return {
    p50Us: atUs(0.5),
    p99Us: atUs(0.99),
    perSecond: Math.round((durationsMs.length / totalMs) * 1000),
  };
}

function rssMb(): number {
  return Math.round(process.memoryUsage.rss() / 1e6);
}
