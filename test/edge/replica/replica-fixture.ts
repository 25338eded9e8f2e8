import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, onTestFinished, vi } from 'vitest';
import { Replica } from '../../../edge/replica/replica.ts';
import type { ReplicaOptions } from '../../../edge/replica/replica.ts';
import { CustomerReplica } from '../../../edge/replica/customer-replica.ts';
import { ReplicaKeeper } from '../../../edge/replica/replica-keeper.ts';
import { ReplicaReader } from '../../../edge/replica/replica-reader.ts';
import type { OpenWriter } from '../../../edge/replica/replica-writer.ts';
import type { Clock } from '../../../foundation/clock.ts';
import { SystemClock } from '../../../foundation/clock.ts';
import type { Log, LogFields } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import type { ReplicaCollection } from '../../../sync/contract/replica-documents.ts';
import type { FeedPosition } from '../../../sync/contract/feed.ts';
import { replicaCollectionNames } from '../../../sync/contract/replica-documents.ts';
import type { FeedServer } from './feed-server.ts';

const key = new Uint8Array(32).fill(7);
const owner = 'shop/till-1';

/** A folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'replica-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Keeps what is logged. */
export class HeardLog implements Log {
  readonly lines: LogFields[] = [];
  error(fields: LogFields): void {
    this.lines.push(fields);
  }
  warn(fields: LogFields): void {
    this.lines.push(fields);
  }
  info(fields: LogFields): void {
    this.lines.push(fields);
  }
  debug(fields: LogFields): void {
    this.lines.push(fields);
  }
  count(event: string): number {
    return this.lines.filter((line) => line.event === event).length;
  }
}

export interface OpenReplica {
  readonly replica: Replica;
  /** What a till looks up in it, on a connection of its own. */
  readonly reader: ReplicaReader;
  readonly file: string;
  readonly poisoned: Error[];
  readonly caughtUp: { readonly collection: ReplicaCollection; readonly position: FeedPosition }[];
  readonly log: HeardLog;
}

/** Closed when the test ends, if not before. */
export async function openReplica(
  options: Partial<ReplicaOptions> & { readonly clock?: Clock } = {},
): Promise<OpenReplica> {
  const file = options.file ?? join(temporaryFolder(), 'replica.db');
  const poisoned: Error[] = [];
  const caughtUp: { collection: ReplicaCollection; position: FeedPosition }[] = [];
  const log = new HeardLog();
  const replica = await Replica.open(
    { key, owner, generation: 1, loading: 'fast', ...options, file },
    {
      clock: options.clock ?? new SystemClock(),
      random: new SeededRandom(1),
      log,
      onPoisoned: (error) => poisoned.push(error),
      onCutOff: () => {},
      onCaughtUp: (collection, position) => caughtUp.push({ collection, position }),
    },
  );
  const reader = new ReplicaReader({ file, key });
  onTestFinished(async () => {
    reader.close();
    await replica.close().catch(() => {});
  });
  return { replica, reader, file, poisoned, caughtUp, log };
}

export interface OpenKeeper {
  readonly keeper: CustomerReplica;
  readonly folder: string;
  readonly log: HeardLog;
}

/** A replica whose writer works in this thread. Closed when the test ends, if not before. */
export async function openKeeper(
  options: {
    readonly folder?: string;
    readonly key?: Uint8Array;
    readonly owner?: string;
    readonly clock?: Clock;
    readonly beforeStatement?: (operation: string) => void;
    readonly openWriter?: OpenWriter;
  } = {},
): Promise<OpenKeeper> {
  const folder = options.folder ?? temporaryFolder();
  const log = new HeardLog();
  const { beforeStatement } = options;
  const keeper = await CustomerReplica.open(
    {
      folder,
      key: options.key ?? key,
      owner: options.owner ?? owner,
      openWriter:
        options.openWriter ??
        ((start, ports) =>
          ReplicaKeeper.open(
            { ...start, sliceMs: 2, ...(beforeStatement === undefined ? {} : { beforeStatement }) },
            ports,
          )),
    },
    {
      clock: options.clock ?? new SystemClock(),
      random: new SeededRandom(1),
      log,
      onChange: () => {},
    },
  );
  onTestFinished(() => keeper.close());
  await keeper.idle();
  return { keeper, folder, log };
}

/** Waits, on the real clock, until the claim holds. */
export async function eventually(claim: () => void): Promise<void> {
  await vi.waitFor(claim, { timeout: 10_000, interval: 5 });
}

/** Every document of the server is in the replica, and no other. */
export function expectSame(
  replica: Pick<CustomerReplica, 'count' | 'customer' | 'credential'> &
    (Pick<CustomerReplica, 'offers' | 'programme'> | Pick<ReplicaReader, 'offers' | 'programme'>),
  server: FeedServer,
): void {
  for (const name of replicaCollectionNames) expect(replica.count(name)).toBe(server.live(name).length);
  const missing = [
    ...server
      .live('customers')
      .filter((document) => !isDeepStrictEqual(replica.customer(String(document['id'])), document)),
    ...server
      .live('credentials')
      .filter((document) => !isDeepStrictEqual(replica.credential(String(document['index'])), document)),
  ];
  expect(missing).toEqual([]);
  const { offers, programme } = replica;
  expect(typeof offers === 'function' ? offers.call(replica) : offers).toEqual(server.live('offers'));
  expect(typeof programme === 'function' ? programme.call(replica) : programme).toEqual(
    server.live('programme')[0],
  );
}

/** Rejections nobody handled while the test ran: there must be none by its end. */
export function watchUnhandled(): readonly unknown[] {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listener);
  onTestFinished(() => void process.off('unhandledRejection', listener));
  return unhandled;
}
