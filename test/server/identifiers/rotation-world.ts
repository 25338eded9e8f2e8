import { sql } from 'kysely';
import { findCredential } from '../../../edge/identification/find-credential.ts';
import { UrgentOverlay } from '../../../edge/replica/urgent-overlay.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { SchemeCardNumbers } from '../../../server/cards/card-numbers.ts';
import { Cards } from '../../../server/cards/cards.ts';
import type { Changes } from '../../../server/changes.ts';
import { Customers } from '../../../server/customers/customers.ts';
import type { Database } from '../../../server/database/database.ts';
import { answerFeedPage } from '../../../server/feed/feed-store.ts';
import { KeyRotation } from '../../../server/identifiers/key-rotation.ts';
import { commitBatches } from '../../../server/intake/commit-batches.ts';
import { verdictOf } from '../../../server/intake/judge.ts';
import { memberAccount } from '../../../server/ledger/accounts.ts';
import { readAccount } from '../../../server/ledger/ledger-store.ts';
import { BlindIndexer, identifierKeyName } from '../../../sync/contract/blind-index.ts';
import type { CardScheme } from '../../../sync/contract/card-scheme.ts';
import type { FeedPosition } from '../../../sync/contract/feed.ts';
import type { FeedUrgent } from '../../../sync/contract/messages.ts';
import { CredentialDocument } from '../../../sync/contract/replica-documents.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { TestTill } from '../test-till.ts';

export const TENANT = 'kaufhaus';
export const OLD_KEY = Buffer.alloc(32, 1);
export const NEW_KEY = Buffer.alloc(32, 2);
const SCHEME: CardScheme = {
  name: 'house',
  kind: 'card',
  prefix: '77',
  lengths: [8],
  checkDigit: 'none',
  symbologies: ['any'],
};

export function numberOf(n: number): string {
  return `77${String(n).padStart(6, '0')}`;
}

/** A till's replica of the cards and its keys, pulled page by page as the real one is. */
export class RotationTill {
  readonly journal: TestTill;
  readonly replica = new Map<string, CredentialDocument>();
  readonly #overlay = new UrgentOverlay();
  #indexer = new BlindIndexer(OLD_KEY, TENANT);
  #keys = [OLD_KEY];
  #after: FeedPosition | null = null;
  caughtUpAt: number | undefined;

  constructor(name: string, random: SeededRandom) {
    this.journal = new TestTill(name, random);
  }

  get keyNames(): readonly string[] {
    return this.#keys.map(identifierKeyName);
  }

  addKey(): void {
    this.#keys = [OLD_KEY, NEW_KEY];
    this.#indexer = new BlindIndexer(this.#keys, TENANT);
  }

  /** One page. @returns whether there is more */
  async pull(database: Database, limit: number, now: number): Promise<boolean> {
    const question = { kind: 'feed.page', collection: 'credentials', after: this.#after, limit } as const;
    const { page } = await answerFeedPage(database, question);
    for (const { _deleted: deleted, ...fields } of page.documents) {
      if (deleted) this.replica.delete(String(fields['index']));
      else this.#take(CredentialDocument.parse(fields));
    }
    this.#after = page.position;
    if (!page.more) {
      this.#overlay.passed('credentials', page.position);
      this.caughtUpAt = now;
    }
    return page.more;
  }

  async catchUp(database: Database, now: number): Promise<void> {
    while (await this.pull(database, 1_000, now));
  }

  hear(urgent: FeedUrgent): void {
    this.#overlay.apply(urgent);
  }

  find(number: string): ReturnType<typeof findCredential> {
    const view = {
      credential: (index: string) => this.#overlay.credential(index) ?? this.replica.get(index),
    };
    return findCredential(view, this.#indexer.forms('card', number));
  }

  #take(document: CredentialDocument): void {
    this.replica.set(document.index, document);
  }
}

/** A server whose identifier key is rotated, and tills that learn of it at their own pace. */
export class RotationWorld {
  readonly clock = new ManualClock();
  readonly tills: readonly RotationTill[];
  /** What nobody but this test knows: whose card a number is, and whether it is blocked. */
  readonly truth = new Map<string, { readonly id: string; readonly customerId: string; blocked: boolean }>();
  readonly database: Database;
  readonly #random: SeededRandom;
  readonly #urgent: FeedUrgent[] = [];
  rotation: KeyRotation | undefined;
  #customers: Customers;
  #cards: Cards;
  #indexer = new BlindIndexer(OLD_KEY, TENANT);

  constructor(database: Database, seed: number, tills = 3) {
    this.database = database;
    this.#random = new SeededRandom(seed);
    this.tills = Array.from(
      { length: tills },
      (_, i) => new RotationTill(`r${seed}-${i}`, new SeededRandom(seed * 100 + i)),
    );
    ({ customers: this.#customers, cards: this.#cards } = this.services());
  }

  static async fresh(database: Database, seed: number): Promise<RotationWorld> {
    await sql`delete from credential`.execute(database.db);
    await sql`delete from feed_tombstone`.execute(database.db);
    await sql`delete from till_state`.execute(database.db);
    await sql`delete from till_identifier_key`.execute(database.db);
    await sql`delete from server_meta where name like 'identifier%'`.execute(database.db);
    return new RotationWorld(database, seed);
  }

  /** The server is started with another key behind the first. */
  async addKey(sliceRows = 2): Promise<void> {
    if (this.rotation !== undefined) return;
    this.#indexer = new BlindIndexer([OLD_KEY, NEW_KEY], TENANT);
    ({ customers: this.#customers, cards: this.#cards } = this.services());
    const { clock, database } = this;
    const ports = { clock, database, changes: { changed: () => {} }, log: silentLog };
    // Before the first start with two keys there was one with one.
    const keyNames = [identifierKeyName(OLD_KEY)];
    const single = new BlindIndexer(OLD_KEY, TENANT);
    await (await KeyRotation.open({ ...ports, indexer: single, keyNames })).close();
    this.rotation = await KeyRotation.open({
      ...ports,
      indexer: this.#indexer,
      keyNames: [...keyNames, identifierKeyName(NEW_KEY)],
      sliceRows,
    });
  }

  /** @returns false for a number that was given out already */
  async register(number: string): Promise<boolean> {
    const id = uuidV7(this.clock.now(), this.#random);
    const [outcome] = await this.#customers.create([
      {
        id,
        tier: 'basic',
        purposes: [],
        greeting: null,
        cards: [{ scheme: 'house', number, validUntil: null }],
      },
    ]);
    if (outcome?.verdict !== 'created') return false;
    const view = await this.#customers.get(id);
    this.truth.set(number, { id: view.cards[0]?.id ?? '', customerId: id, blocked: false });
    return true;
  }

  async cardsOf(number: string): Promise<number> {
    const card = this.truth.get(number);
    return card === undefined ? 0 : (await this.#customers.get(card.customerId)).cards.length;
  }

  /** Blocks or unblocks a card; the tills named hear the urgent message. */
  async setBlocked(number: string, blocked: boolean, hearing: readonly RotationTill[]): Promise<void> {
    const card = this.truth.get(number);
    if (card === undefined) return;
    await this.#cards.setStatus(card.id, blocked ? 'blocked' : 'active');
    card.blocked = blocked;
    for (const urgent of this.#urgent.splice(0)) for (const till of hearing) till.hear(urgent);
  }

  /** A till sells to a number; its journal is taken in. @returns the member's balance before and after */
  async sell(till: RotationTill, number: string): Promise<{ before: number; after: number } | undefined> {
    const { index } = till.find(number);
    const entry = till.journal.sell(index, 1_000);
    return this.arrive(till, number, entry.seq);
  }

  /** An entry of a till's journal arrives, whenever it was made. */
  async arrive(
    till: RotationTill,
    number: string,
    seq: number,
  ): Promise<{ before: number; after: number } | undefined> {
    const customerId = this.truth.get(number)?.customerId;
    const balance = async (): Promise<number> => {
      const page = { before: undefined, limit: 1 };
      return customerId === undefined
        ? 0
        : (await readAccount(this.database.db, memberAccount(customerId), page)).balance;
    };
    const before = await balance();
    const judged = await commitBatches(
      this.database,
      [till.journal.batch(seq, seq)],
      this.clock,
      undefined,
      TENANT,
      this.#indexer,
    );
    if (judged.flat().some((judgement) => verdictOf(judgement).verdict !== 'created'))
      throw new Error('not taken');
    return customerId === undefined ? undefined : { before, after: await balance() };
  }

  /** A till tells its state, as the server keeps it. */
  async report(till: RotationTill, online = true): Promise<void> {
    const now = this.clock.now();
    const replicaAgeMs = till.caughtUpAt === undefined ? null : now - till.caughtUpAt;
    const health = JSON.stringify({ identifierKeys: till.keyNames, replicaAgeMs });
    await sql`
      insert into till_state (till, incarnation, session, online, at, version, health, received_at)
      values (${till.journal.till}, ${till.journal.incarnation}::uuid, 1, ${online}, ${now}::bigint, 'test',
              ${health}::jsonb, ${now}::bigint)
      on conflict (till) do update set online = excluded.online, health = excluded.health,
        received_at = excluded.received_at`.execute(this.database.db);
  }

  /** A server process with the keys known by now. */
  services(): { customers: Customers; cards: Cards } {
    const { clock, database } = this;
    const random = this.#random;
    const changes: Changes = { changed: () => {}, urgent: (change) => void this.#urgent.push(change) };
    const cardNumbers = new SchemeCardNumbers([SCHEME], this.#indexer, { clock, random });
    const services = { database, cardNumbers, changes, clock, random };
    return { customers: new Customers(services), cards: new Cards(services) };
  }
}
