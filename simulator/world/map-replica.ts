import type { Clock, Instant } from '../../foundation/clock.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import { ruleBookOf } from '../../edge/rule-book-of.ts';
import type { ReplicaView } from '../../edge/identification/replica-view.ts';
import type { RuleBook } from '../../edge/sale/rule-book.ts';
import type { FeedPage, FeedPosition } from '../../sync/contract/feed.ts';
import {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  replicaCollectionNames,
  replicaCollections,
} from '../../sync/contract/replica-documents.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';

const PAGE = 50;
/** How often is pulled although nobody told of anything, as a till's configuration says. */
const POLL_MS = 300_000;
const RETRY_MS = 5_000;

/** What lies on the till's disk of its replica: documents by key, and up to where. */
export class ReplicaDocuments {
  readonly held: Record<ReplicaCollection, Map<string, Readonly<Record<string, unknown>>>> = {
    credentials: new Map(),
    customers: new Map(),
    offers: new Map(),
    programme: new Map(),
  };
  readonly positions: Partial<Record<ReplicaCollection, FeedPosition>> = {};
  caughtUpAt: Instant | null = null;

  clear(): void {
    for (const name of replicaCollectionNames) {
      this.held[name].clear();
      delete this.positions[name];
    }
    this.caughtUpAt = null;
  }
}

/** Where pages come from. */
interface PageSource {
  pull(collection: ReplicaCollection, after: FeedPosition | null, limit: number): Promise<FeedPage>;
}

/**
 * A till's replica without RxDB, for worlds of many tills: the feed, its positions and its rules are the real ones, the
 * documents lie in maps. One page is taken in at once, or not at all.
 */
export class MapReplica implements ReplicaView {
  readonly #documents: ReplicaDocuments;
  readonly #ports: { readonly clock: Clock; readonly log: Log };
  readonly #behind = new Set<ReplicaCollection>(replicaCollectionNames);
  #pulling = false;
  #source: PageSource | undefined;

  constructor(documents: ReplicaDocuments, ports: { readonly clock: Clock; readonly log: Log }) {
    this.#documents = documents;
    this.#ports = ports;
  }

  get caughtUpAt(): Instant | null {
    return this.#documents.caughtUpAt;
  }

  get rules(): () => RuleBook {
    const { held } = this.#documents;
    const documents = this.#documents;
    return ruleBookOf(
      {
        get programme() {
          const document = held.programme.get('programme');
          return document === undefined ? undefined : ProgrammeDocument.parse(document);
        },
        get offers() {
          return [...held.offers.values()].map((each) => OfferDocument.parse(each));
        },
        get caughtUpAt() {
          return documents.caughtUpAt;
        },
      },
      this.#ports.clock,
    );
  }

  credential(index: string): CredentialDocument | undefined {
    const document = this.#documents.held.credentials.get(index);
    return document === undefined ? undefined : CredentialDocument.parse(document);
  }

  customer(id: string): CustomerDocument | undefined {
    const document = this.#documents.held.customers.get(id);
    return document === undefined ? undefined : CustomerDocument.parse(document);
  }

  follow(source: PageSource): void {
    this.#source = source;
    this.resync();
    this.#poll();
  }

  resync(collections: readonly ReplicaCollection[] = replicaCollectionNames): void {
    for (const each of collections) this.#behind.add(each);
    if (this.#pulling || this.#source === undefined) return;
    this.#pulling = true;
    void this.#pullAll(this.#source);
  }

  #poll(): void {
    this.#ports.clock.schedule(POLL_MS, () => {
      this.resync();
      this.#poll();
    });
  }

  async #pullAll(source: PageSource): Promise<void> {
    const { clock, log } = this.#ports;
    try {
      for (;;) {
        const [collection] = this.#behind;
        if (collection === undefined) break;
        this.#behind.delete(collection);
        await this.#pull(source, collection);
      }
      this.#documents.caughtUpAt = clock.now();
    } catch (error) {
      if (isFault(error, 'REP_EPOCH_CHANGED') || isFault(error, 'REP_SNAPSHOT_REQUIRED')) {
        this.#documents.clear();
      }
      for (const each of replicaCollectionNames) this.#behind.add(each);
      log.debug({ event: 'replica.pull-failed', error: asError(error) });
      clock.schedule(RETRY_MS, () => this.resync());
    } finally {
      this.#pulling = false;
    }
  }

  async #pull(source: PageSource, collection: ReplicaCollection): Promise<void> {
    const { held, positions } = this.#documents;
    for (;;) {
      const page = await source.pull(collection, positions[collection] ?? null, PAGE);
      for (const { _deleted, ...document } of page.documents) {
        const key = String(document[replicaCollections[collection].primaryKey]);
        if (_deleted === true) held[collection].delete(key);
        else held[collection].set(key, document);
      }
      positions[collection] = page.position;
      if (!page.more) return;
    }
  }
}
