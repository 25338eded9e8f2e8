import { join } from 'node:path';
import { Scan } from '../../drivers/driver.ts';
import { AppCodeVerifier } from '../../edge/app-code/app-code-verifier.ts';
import { CodeDesk } from '../../edge/app-code/code-desk.ts';
import type { TillNews } from '../../edge/api/till-port.ts';
import { FoundCards } from '../../edge/identification/found-cards.ts';
import { Identifier } from '../../edge/identification/identifier.ts';
import { OnlineLookup } from '../../edge/identification/online-lookup.ts';
import { LookupDesk } from '../../edge/lookup-desk.ts';
import { NewsBoard } from '../../edge/news-board.ts';
import { ruleBookOf } from '../../edge/rule-book-of.ts';
import type { Identified } from '../../edge/sale/identified.ts';
import { Sales } from '../../edge/sale/sales.ts';
import { ScanDesk } from '../../edge/scan-desk.ts';
import { gs1CheckDigit } from '../../foundation/check-digit.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import { silentLog } from '../../foundation/log.ts';
import type { LogFields } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { deviceIdentifier } from '../../sync/contract/app-code/app-code.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { compileCardSchemes } from '../../sync/contract/card-scheme.ts';
import type { LookupAnswer } from '../../sync/contract/lookup.ts';
import type { CredentialDocument, ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import { Transaction } from '../../sync/contract/transaction.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { offerOf, programme } from '../sync/contract/offers.ts';
import { openJournal, temporaryFolder } from './journal/journal-fixture.ts';
import { card, customer, CUSTOMER_ID, NOW } from './identification/documents.ts';

const TENANT = 'kaufhaus';
const indexer = new BlindIndexer(new Uint8Array(32).fill(7), TENANT);
const schemes = compileCardSchemes([
  {
    name: 'house',
    kind: 'card',
    symbologies: ['ean-13', 'typed'],
    prefix: '29',
    lengths: [13],
    checkDigit: 'gs1',
  },
]);

/** The number of a house card. */
export function numberOf(serial: number): string {
  const digits = `29${String(serial).padStart(10, '0')}`;
  return digits + gs1CheckDigit(digits);
}

export function indexOf(number: string): string {
  return indexer.index('card', number);
}

/** The owner of a card by the word of the server. */
export function owned(number: string, more: Partial<CredentialDocument> = {}): LookupAnswer {
  return {
    kind: 'credential.lookup',
    credential: card({ index: indexOf(number), ...more }),
    customer: customer(),
  };
}
export const nobodys: LookupAnswer = { kind: 'credential.lookup', credential: null, customer: null };

/** The same for a phone. */
export function ownedPhone(keyId: string, publicKey: string): LookupAnswer {
  const index = indexer.index('app', deviceIdentifier(keyId));
  return {
    kind: 'credential.lookup',
    credential: card({ index, kind: 'app', publicKey, customerId: CUSTOMER_ID }),
    customer: customer(),
  };
}

interface Question {
  readonly index: string;
  resolve(answer: LookupAnswer): void;
}

/** A till of a region, with real desk, sales and journal; its server answers when the test says so. */
export async function openCounter(onEnd: (end: () => Promise<void> | void) => void) {
  const clock = new ManualClock(NOW);
  const folder = temporaryFolder(onEnd);
  const journal = await openJournal(folder, { clock, file: join(folder, 'journal.db') });
  onEnd(() => journal.close());
  const state = { online: true, caughtUpAt: NOW as number | null, diskFull: false };
  const held = new Map<string, CredentialDocument>();
  const regional: ProgrammeDocument = { ...programme, replica: { scope: { by: 'store' } } };
  const replica = {
    credential: (index: string) => held.get(index),
    customer: (id: string) => (id === CUSTOMER_ID && held.size > 0 ? customer() : undefined),
    get caughtUpAt() {
      return state.caughtUpAt;
    },
    programme: regional as ProgrammeDocument | undefined,
    offers: [
      offerOf({ id: 'personal', purpose: 'personal_offers', validUntil: NOW + 86_400_000 * 30 }),
      offerOf({ id: 'for-all', validUntil: NOW + 86_400_000 * 30 }),
    ],
  };
  const rules = ruleBookOf(replica, clock);
  const logged: LogFields[] = [];
  const note = (fields: LogFields): void => void logged.push(fields);
  const log = { ...silentLog, error: note, warn: note };
  const random = new SeededRandom(5);
  const { openSales } = journal;
  const sales = new Sales({
    store: {
      all: () => openSales.all(),
      completed: () => undefined,
      claimed: () => undefined,
      paidWith: () => undefined,
      returnsOf: () => [],
      returned: () => undefined,
      closed: (saleId) => openSales.closed(saleId),
      close: (transaction, view) => openSales.close(transaction, view),
      save: (sale) => {
        if (state.diskFull) throw new StammkundeError('DATA_DISK_FULL', 'no space is left');
        openSales.save(sale);
      },
    },
    rules,
    clock,
    random,
    log,
    storeId: 's1',
    currency: 'EUR',
  });
  const news = new NewsBoard(log);
  const told: TillNews[] = [];
  news.onNews((each) => told.push(each));
  sales.onChange((sale) => news.tell({ event: 'sale', sale }));
  const questions: Question[] = [];
  const isOnline = (): boolean => state.online;
  const found = new FoundCards(clock);
  const lookup = new OnlineLookup({
    ask: (index) => {
      const { promise, resolve } = Promise.withResolvers<LookupAnswer>();
      questions.push({ index, resolve });
      return promise;
    },
    isOnline,
    clock,
    log,
  });
  const identifier = new Identifier({ indexer, replica, rules, clock, found });
  const confirmations: unknown[] = [];
  const codes = new CodeDesk({
    verifier: new AppCodeVerifier({
      tenant: TENANT,
      clock,
      time: { quality: 'good' },
      book: { note: () => 'fresh', completeFrom: 0 },
    }),
    indexer,
    replica: { credential: (index) => replica.credential(index) ?? found.find(index)?.credential },
    ask: (question) => {
      confirmations.push(question);
      return Promise.resolve('confirmed');
    },
    isOnline,
    clock,
    log,
  });
  const pairs: [before: Identified | undefined, presented: Identified][] = [];
  const linking = {
    presented: (before: Identified | undefined, presented: Identified) => {
      pairs.push([before, presented]);
    },
  };
  const lookups = new LookupDesk({ lookup, identifier, codes, isOnline, sales, linking, news, clock, log });
  const desk = new ScanDesk({
    passThrough: { offer: () => undefined },
    linking,
    lookups,
    clock,
    random,
    log,
    rules: { schemes },
    identifier,
    codes,
    isOnline,
    whenServing: () => Promise.resolve(),
    sales,
    news,
  });
  onEnd(async () => {
    await desk.close();
    await lookup.close();
    await lookups.close();
    await codes.close();
  });
  const scan = (text: string, symbology: Scan['symbology'] = 'ean-13'): void =>
    desk.take(
      new Scan({
        readerId: 'counter',
        symbology,
        payload: Buffer.from(text),
        receivedAt: clock.now(),
        receivedAtMonotonicMs: clock.monotonicMs(),
      }),
    );
  /** What the journal says of whose the sales are. */
  const journaled = () =>
    journal.read(0, 100).flatMap(({ body }) => {
      const entry = Transaction.parse(JSON.parse(body));
      return entry.kind === 'sale.completed' ? [entry.customer] : [];
    });
  return {
    clock,
    state,
    held,
    replica,
    sales,
    told,
    questions,
    confirmations,
    found,
    lookup,
    lookups,
    desk,
    pairs,
    logged,
    journal,
    scan,
    journaled,
    /** The events of a kind, in order. */
    heard: <E extends TillNews['event']>(event: E) =>
      told.filter((each): each is Extract<TillNews, { readonly event: E }> => each.event === event),
  };
}
