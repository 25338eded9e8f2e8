import { hash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { fillWithDefaultSettings } from 'rxdb';
import type { RxJsonSchema } from 'rxdb';
import { replicaSchemas } from '../../../../edge/replica/collections.ts';
import type { SeedStores } from '../../../../edge/replica/seeding/seed-replica.ts';
import type { SnapshotSource } from '../../../../edge/replica/seeding/snapshot-source.ts';
import type { SqliteStorageSettings } from '../../../../edge/replica/storage/settings.ts';
import { getRxStorageSqlite } from '../../../../edge/replica/storage/storage.ts';
import type { RxStorageSqlite } from '../../../../edge/replica/storage/storage.ts';
import type { SqliteStore } from '../../../../edge/replica/storage/store.ts';
import { StammkundeError } from '../../../../foundation/errors.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import { ChunkCutter } from '../../../../server/snapshots/chunk-cutter.ts';
import type { CutRule } from '../../../../server/snapshots/chunk-cutter.ts';
import { keyOf } from '../../../../sync/contract/range-hash.ts';
import type { CredentialDocument, CustomerDocument } from '../../../../sync/contract/replica-documents.ts';
import { snapshotCollections } from '../../../../sync/contract/snapshot.ts';
import type {
  SnapshotChunk,
  SnapshotCollection,
  SnapshotManifest,
  SnapshotOfferAnswer,
} from '../../../../sync/contract/snapshot.ts';

const key = new Uint8Array(32).fill(7);
/** The first name of every customer: nothing on the disk may show it. */
export const CANARY = 'Kanarienvogelbert';

/** What a server has. */
export type Base = {
  readonly credentials: ReadonlyMap<string, CredentialDocument>;
  readonly customers: ReadonlyMap<string, CustomerDocument>;
};

/** A customer base that the same numbers make again, in any process. */
export function madeBase(customers: number, seed = 1): Base {
  const random = new SeededRandom(seed);
  const base = {
    credentials: new Map<string, CredentialDocument>(),
    customers: new Map<string, CustomerDocument>(),
  };
  for (let n = 0; n < customers; n += 1) {
    const hex = Buffer.from(random.bytes(16)).toString('hex');
    const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
    base.customers.set(id, {
      id,
      status: 'active',
      tier: 'basic',
      points: n,
      pointsAt: 1_800_000_000_000,
      purposes: ['greeting'],
      greeting: CANARY,
    });
    for (let card = 0; card < (n % 5 === 0 ? 2 : 1); card += 1) {
      const index = Buffer.from(random.bytes(32)).toString('base64url');
      base.credentials.set(index, {
        index,
        kind: 'card',
        customerId: id,
        status: 'active',
        validUntil: null,
      });
    }
  }
  return base;
}

/** Some 50 documents a chunk. */
const CUTS: CutRule = { documentsMin: 20, documentsMean: 30, documentsMax: 200, textBytesMax: 1_000_000 };

/** A server that made a snapshot of what it has. */
export class SnapshotServer implements SnapshotSource {
  manifest: SnapshotManifest;
  /** What comes of the next questions; each is asked once before a chunk is told, and may throw. */
  beforeChunk: (chunk: Pick<SnapshotChunk, 'sha256'>, nth: number) => void | Promise<void> = () => {};
  answer: () => SnapshotOfferAnswer | Promise<SnapshotOfferAnswer> = () => this.ready();
  isOfferOld = false;
  readonly asked: (string | null)[] = [];
  readonly fetched: string[] = [];
  readonly #chunks = new Map<string, Buffer>();

  constructor(
    base: Base,
    options: { readonly id?: string; readonly seq?: number; readonly epoch?: string } = {},
  ) {
    this.manifest = this.make(base, options);
  }

  /** Makes another snapshot, and keeps the chunks of those before unless told to forget them. */
  make(
    base: Base,
    {
      id = '1',
      seq = 100,
      epoch = 'e1',
    }: { readonly id?: string; readonly seq?: number; readonly epoch?: string } = {},
  ): SnapshotManifest {
    const chunks = snapshotCollections.flatMap((collection) => this.#cut(collection, base[collection]));
    const position = { epoch, xid: '7', seq };
    this.manifest = {
      id,
      madeAt: 1_800_000_000_000,
      positions: { credentials: position, customers: position },
      documents: { credentials: base.credentials.size, customers: base.customers.size },
      chunks,
    };
    return this.manifest;
  }

  forget(sha256: string): void {
    this.#chunks.delete(sha256);
  }

  /** Puts other bytes in place of a chunk's and gives it the name of those, as a server with a fault would. */
  replace(nth: number, lines: readonly object[], claims: Partial<SnapshotChunk> = {}): void {
    const chunk = this.manifest.chunks[nth];
    if (chunk === undefined) throw new RangeError(`there is no chunk ${nth}`);
    const made = this.#store(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const chunks = this.manifest.chunks.with(nth, { ...chunk, ...made, ...claims });
    this.manifest = { ...this.manifest, chunks };
  }

  ready(): SnapshotOfferAnswer {
    return { kind: 'snapshot.offer', offer: 'ready', manifest: this.manifest, http: null };
  }

  async offer(have: string | null): Promise<SnapshotOfferAnswer> {
    this.asked.push(have);
    this.isOfferOld = false;
    return this.answer();
  }

  async chunk({ sha256 }: Pick<SnapshotChunk, 'sha256'>, signal: AbortSignal): Promise<Buffer> {
    await this.beforeChunk({ sha256 }, this.fetched.length);
    signal.throwIfAborted();
    const bytes = this.#chunks.get(sha256);
    if (bytes === undefined) throw new StammkundeError('REP_CHUNK_GONE', 'gone');
    this.fetched.push(sha256);
    return bytes;
  }

  #cut(
    collection: SnapshotCollection,
    documents: ReadonlyMap<string, CredentialDocument | CustomerDocument>,
  ): SnapshotChunk[] {
    const cutter = new ChunkCutter(CUTS);
    const sorted = [...documents.values()].toSorted((a, b) =>
      keyOf(collection, { ...a }) < keyOf(collection, { ...b }) ? -1 : 1,
    );
    const cuts = sorted.map((document) => cutter.add(keyOf(collection, { ...document }), document));
    return [...cuts, cutter.end()].flatMap((cut) => {
      if (cut === undefined) return [];
      const { text, ...named } = cut;
      return [{ collection, ...named, ...this.#store(text) }];
    });
  }

  #store(text: string): Pick<SnapshotChunk, 'sha256' | 'bytes' | 'unpackedBytes'> {
    const bytes = zstdCompressSync(text);
    const sha256 = hash('sha256', bytes);
    this.#chunks.set(sha256, bytes);
    return { sha256, bytes: bytes.length, unpackedBytes: Buffer.byteLength(text) };
  }
}

/** A generation's file, open. */
export interface SeedFile {
  readonly stores: SeedStores;
  readonly storage: RxStorageSqlite;
  close(): Promise<void>;
}

/** Opens the file as a replica does, without RxDB around it. */
export async function openSeedFile(
  file: string,
  settings: Partial<SqliteStorageSettings> = {},
): Promise<SeedFile> {
  const storage = getRxStorageSqlite({ file, key, ...settings });
  const open = async <T>(schema: RxJsonSchema<T>, collectionName: string) => {
    const instance = await storage.createStorageInstance<T>({
      databaseInstanceToken: 'token',
      databaseName: 'replica',
      collectionName,
      schema: fillWithDefaultSettings(schema),
      options: {},
      multiInstance: false,
      devMode: false,
    });
    // Of this very schema; the internals are typed once for all.
    return { instance, store: instance.internals.sqlite as unknown as SqliteStore<T> };
  };
  try {
    const credentials = await open(replicaSchemas.credentials, 'credentials');
    const customers = await open(replicaSchemas.customers, 'customers');
    return {
      stores: { credentials: credentials.store, customers: customers.store },
      storage,
      close: async () => {
        await credentials.instance.close();
        await customers.instance.close();
        storage.abandon();
      },
    };
  } catch (error) {
    storage.abandon();
    throw error;
  }
}

/** What a file lacks of a base, has beyond it, or has otherwise. */
export function differences({ stores }: SeedFile, base: Base): string[] {
  const found: string[] = [];
  for (const collection of snapshotCollections) {
    const expected = base[collection];
    if (stores[collection].liveCount() !== expected.size) {
      found.push(`${collection}: ${stores[collection].liveCount()} in place of ${expected.size}`);
    }
    for (const [id, document] of expected) {
      const stored = stores[collection].readById(id);
      const { _deleted, _attachments, _meta, _rev, ...own } = stored ?? { _deleted: true };
      if (_deleted || JSON.stringify(own) !== JSON.stringify(document)) found.push(`${collection}/${id}`);
    }
  }
  return found;
}
