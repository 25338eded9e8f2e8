import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DoubleReadRules } from '../drivers/double-read-gate.ts';
import type { ReaderStatus } from '../drivers/driver.ts';
import { DeviceArrivals } from '../drivers/device-arrivals.ts';
import { driverFor } from '../drivers/registry.ts';
import { ReaderSupervisor } from '../drivers/supervisor.ts';
import { sleep } from '../foundation/clock.ts';
import type { Clock } from '../foundation/clock.ts';
import { StammkundeError, asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import { Opened } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import { makeFolder } from '../foundation/folder.ts';
import { BlindIndexer } from '../sync/contract/blind-index.ts';
import { compileCardSchemes } from '../sync/contract/card-scheme.ts';
import { MqttBus } from '../sync/mqtt/mqtt-bus.ts';
import { TillLink } from '../sync/till-link.ts';
import { AppCodeVerifier } from './app-code/app-code-verifier.ts';
import { CodeBook } from './app-code/code-book.ts';
import { CodeDesk } from './app-code/code-desk.ts';
import { TrustedTime } from './app-code/trusted-time.ts';
import { ageOf } from './age.ts';
import type { ReaderView, SyncView, SeedingView } from './api/events.ts';
import { LocalApi } from './api/local-api.ts';
import type { TillPort } from './api/till-port.ts';
import type { EdgeConfig } from './config.ts';
import { FoundCards } from './identification/found-cards.ts';
import { Identifier } from './identification/identifier.ts';
import { OnlineLookup } from './identification/online-lookup.ts';
import { Journal } from './journal/journal.ts';
import { readKeyRing } from './key-ring.ts';
import { Linking } from './linking/linking.ts';
import { LookupDesk } from './lookup-desk.ts';
import { NewsBoard } from './news-board.ts';
import { PassThrough } from './pass-through/pass-through.ts';
import { CustomerReplica } from './replica/customer-replica.ts';
import type { OpenWriter, SeedingProgress } from './replica/replica-writer.ts';
import { writerInThread } from './replica/thread/thread-writer.ts';
import { ruleBookOf } from './rule-book-of.ts';
import { Redemptions } from './sale/redemptions.ts';
import { Returns } from './sale/returns.ts';
import { ReceiptClaims } from './sale/claims.ts';
import { Sales } from './sale/sales.ts';
import type { SalesOptions } from './sale/sales.ts';
import { readSecretText } from '../foundation/secret-file.ts';
import { makeReceiptCode, receiptKey } from '../sync/contract/receipt-code.ts';
import { ScanDesk } from './scan-desk.ts';
import { orderWipe } from './wipe/wipe-files.ts';
import { lockUnlessWiped, wipePlacesOf } from './wipe/wipe.ts';

/** Changes of the sync state within this time are told together. */
const SYNC_NEWS_MS = 100;
/** How often it is looked whether the server has all, while somebody waits for it. */
const SENT_LOOK_MS = 50;
/** How often codes that need not be remembered any more are forgotten. */
const CODES_EVERY_MS = 60_000;
/** How often entries past their retention are looked for. */
const RETENTION_EVERY_MS = 3_600_000;

export interface TillPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Version of the program, as the server is told. */
  readonly version: string;
  /** Where the replica is written: in a thread of its own unless told otherwise. */
  readonly openReplicaWriter?: OpenWriter;
  /** Where systemd put the credentials of the unit; absent when it did not start the program. */
  readonly credentialsFolder?: string;
  /** The server ordered a wipe, which is noted on the disk; what is to be done now is `obeyWipe`. */
  readonly onWipeOrdered?: () => void;
}

/**
 * A till: everything opened in order, each part given what it needs, and closed in reverse.
 *
 *   readers ──▶ scan desk ──▶ news ──▶ local API (POS, display)
 *                  │  └──▶ sales ──▶ journal ──▶ link ──▶ server
 *                  └──▶ identifier ──▶ replica ◀── link ◀── server
 */
export class Till implements Closable {
  /** Where the local API listens, without a slash at the end. */
  readonly apiUrl: string;
  readonly #opened: Opened;
  readonly #sent: (deadlineMs: number) => Promise<void>;

  private constructor(apiUrl: string, opened: Opened, sent: (deadlineMs: number) => Promise<void>) {
    this.apiUrl = apiUrl;
    this.#opened = opened;
    this.#sent = sent;
  }

  /**
   * Ready to identify when it resolves; readers and server are connected in the background.
   * @throws StammkundeError TILL_WIPED · KEY_UNREADABLE · KEY_EXPOSED · CFG_INVALID · DATA_IN_USE · DATA_UNWRITABLE · DATA_DISK_FULL ·
   *   JRN_WRONG_KEY · JRN_CORRUPT · REP_WRONG_KEY · PORT_IN_USE
   */
  static async open(config: EdgeConfig, ports: TillPorts): Promise<Till> {
    const { clock, random, log } = ports;
    const opened = new Opened();
    try {
      const rules = { schemes: compileCardSchemes(config.cardSchemes) };
      makeFolder(config.dataFolder);
      opened.add(await lockUnlessWiped(wipePlacesOf(config), log));
      const keys = readKeyRing(config.keys, {
        credentialsFolder: ports.credentialsFolder,
        dataFolder: config.dataFolder,
        random,
      });
      const isFirstStart = !existsSync(join(config.dataFolder, 'journal.db'));
      const journal = opened.add(
        await Journal.open({
          file: join(config.dataFolder, 'journal.db'),
          key: keys.journal,
          till: config.till,
          clock,
          random,
          log,
          unconfirmedMax: config.journal.unconfirmedMax,
        }),
      );
      const news = new NewsBoard(log);
      const told = new SyncNews(clock, log);
      opened.defer(() => told.close());
      const replica = opened.add(
        await CustomerReplica.open(
          {
            folder: join(config.dataFolder, 'replica'),
            key: keys.replica,
            owner: `${config.tenant}/${config.till}`,
            openWriter: ports.openReplicaWriter ?? writerInThread(),
          },
          { clock, random, log, onChange: () => told.changed() },
        ),
      );
      const ruleBook = ruleBookOf(replica, clock);
      const indexer = new BlindIndexer(keys.identifier, config.tenant);
      const found = new FoundCards(clock);
      const identifier = new Identifier({
        indexer,
        replica,
        rules: ruleBook,
        clock,
        found,
      });
      const sales = new Sales({
        store: journal.openSales,
        rules: ruleBook,
        clock,
        random,
        log,
        storeId: config.store,
        currency: config.currency,
        allowances: journal.allowances,
        receiptCode: receiptCodeOf(config),
      });
      const receiptClaims = new ReceiptClaims({
        journal,
        store: journal.openSales,
        identified: (id) => sales.identified(id),
        storeId: config.store,
        clock,
        random,
      });
      const returns = new Returns({
        journal,
        store: journal.openSales,
        storeId: config.store,
        clock,
        random,
      });
      sales.onChange((sale) => news.tell({ event: 'sale', sale }));
      const book = opened.add(
        CodeBook.open({
          file: join(config.dataFolder, 'app-codes.db'),
          key: keys.appCodes,
          now: clock.now(),
          isFirstStart,
          log,
        }),
      );
      const trustedTime = new TrustedTime(clock, book);
      // Known once the link is opened: until then nobody can be asked.
      let server: TillLink | undefined;
      const isOnline = (): boolean => server?.status.connected === true;
      let wasOnline = false;
      const unlinked = (): StammkundeError =>
        new StammkundeError('BUS_UNREACHABLE', 'the link is not open yet');
      const redemptions = opened.add(
        new Redemptions({
          sales,
          allowances: journal.allowances,
          desk: {
            reserve: (question, signal) => server?.reserve(question, signal) ?? Promise.reject(unlinked()),
            release: (redemptionId) => server?.release(redemptionId) ?? Promise.reject(unlinked()),
            allowance: () => server?.allowance() ?? Promise.reject(unlinked()),
          },
          rules: ruleBook,
          isOnline,
          clockQuality: () => trustedTime.quality,
          clock,
          random,
          log,
        }),
      );
      const codes = opened.add(
        new CodeDesk({
          verifier: new AppCodeVerifier({ tenant: config.tenant, clock, time: trustedTime, book }),
          indexer,
          replica: {
            // The key of a phone that is not on this till comes with the server's answer.
            credential: (index) => replica.credential(index) ?? found.find(index)?.credential,
          },
          ask: (question) =>
            server?.judgeCode(question) ??
            Promise.reject(new StammkundeError('BUS_UNREACHABLE', 'the link is not open yet')),
          isOnline,
          clock,
          log,
        }),
      );
      const linking = opened.add(
        new Linking({
          journal,
          rules: ruleBook,
          identified: (id) => sales.identified(id),
          clockQuality: () => trustedTime.quality,
          storeId: config.store,
          clock,
          random,
          log,
          tell: (view) => news.tell({ event: 'linking', linking: view }),
        }),
      );
      sales.onChange(() => {
        const { inSale, customer } = sales.customerNow();
        linking.saleChanged(inSale ? (customer ?? null) : undefined);
      });
      const passThrough = opened.add(
        await PassThrough.open({
          config: config.passThrough,
          readerIds: config.readers.map(({ id }) => id),
          rules,
          clock,
          random,
          log,
        }),
      );
      const lookup = new OnlineLookup({
        ask: (index, signal) =>
          server?.lookUp(index, signal) ??
          Promise.reject(new StammkundeError('BUS_UNREACHABLE', 'the link is not open yet')),
        isOnline,
        clock,
        log,
      });
      const lookups = opened.add(
        new LookupDesk({ lookup, identifier, codes, isOnline, sales, linking, news, clock, log }),
      );
      opened.add(lookup);
      const desk = opened.add(
        new ScanDesk({
          passThrough,
          linking,
          lookups,
          clock,
          random,
          log,
          rules,
          identifier,
          codes,
          isOnline,
          whenServing: (ms) => replica.whenServing(ms),
          sales,
          news,
        }),
      );
      // Known once the readers are opened, which is last: until then there is nothing to tell of them.
      let readers = (): readonly ReaderStatus[] => [];
      const ageMs = (): number | null => ageOf(replica.caughtUpAt, clock.now());
      const kinds = new Map(config.readers.map((reader) => [reader.id, reader.kind]));
      const readerView = (status: ReaderStatus): ReaderView => ({
        id: status.readerId,
        kind: kinds.get(status.readerId) ?? 'unknown',
        status: status.kind,
        code: status.kind === 'waiting' ? status.code : null,
        scans: status.counters.scans,
        repeats: status.counters.repeats,
      });
      const link: TillLink = opened.add(
        await TillLink.open(
          {
            tenant: config.tenant,
            publicKey: keys.server,
            version: ports.version,
            journal,
            versions: journal,
            sessions: { next: () => journal.nextSession() },
            noticeJitterMs: config.replica.noticeJitterMs,
            store: config.store,
            openBus: (opening) => MqttBus.open(brokerOf(config), { ...opening, clock, random, log }),
            clock,
            random,
            log,
          },
          {
            health: () => ({
              unconfirmed: journal.unconfirmed,
              diverged: link.status.upload.state === 'diverged',
              replicaAgeMs: ageMs(),
              readers: readers().map(({ readerId, kind }) => ({ id: readerId, status: kind })),
              keyProtection: keys.protection,
              identifierKeys: [...keys.identifierNames],
            }),
            onBehind: (collection) => replica.resync([collection]),
            onUrgent: (urgent) => {
              replica.applyUrgent(urgent);
              found.heard(urgent);
              lookup.heard(urgent);
            },
            onReseed: () => replica.reseed(),
            onWipe: () => {
              try {
                orderWipe(config.dataFolder);
              } catch (error) {
                // A disk that takes no note is no reason to keep the keys on it: what cannot be noted is done all the same.
                log.error({ event: 'till.wipe.not-noted', error: asError(error) });
              }
              log.warn({ event: 'till.wipe.ordered', unconfirmed: journal.unconfirmed });
              ports.onWipeOrdered?.();
            },
            onServerTime: (at) => trustedTime.told(at),
            onVerdict: (verdict) => linking.verdict(verdict),
            onChange: () => {
              // Whoever was told of before may have become somebody else while nothing was heard.
              if (!wasOnline && isOnline()) {
                found.clear();
                // It never rejects.
                void redemptions.renew();
              }
              wasOnline = isOnline();
              told.changed();
            },
          },
        ),
      );
      server = link;
      const syncView = (): SyncView => {
        const { caughtUpAt, verifiedAt, proven, seeding } = replica.status;
        return {
          server: link.status.connected ? 'connected' : 'disconnected',
          unconfirmed: journal.unconfirmed,
          diverged: link.status.upload.state === 'diverged',
          unanswered: link.status.upload.unanswered,
          replica: {
            ready: caughtUpAt !== null,
            customers: replica.count('customers'),
            credentials: replica.count('credentials'),
            caughtUpAt,
            ageMs: ageMs(),
            verifiedAt,
            proven,
            seeding: seeding === null ? null : seedingView(seeding),
          },
        };
      };
      const supervisor = opened.add(
        await ReaderSupervisor.open({
          readers: config.readers.map((reader) => ({ id: reader.id, driver: driverFor(reader) })),
          clock,
          random,
          log,
          doubleReads: doubleReadRules(config),
          onScan: (scan) => desk.take(scan),
          onStatus: (status) => {
            news.tell({ event: 'reader', reader: readerView(status) });
            link.healthChanged();
          },
        }),
      );
      opened.add(await DeviceArrivals.open({ clock, log, onChange: () => supervisor.devicesChanged() }));
      opened.defer(
        journal.onAppended(() => {
          link.journalGrew();
          told.changed();
        }),
      );
      readers = () => supervisor.statuses();
      told.begin(() => news.tell({ event: 'sync', sync: syncView() }));
      replica.follow(link);
      opened.defer(every(clock, config.replica.pollSeconds * 1_000, () => replica.resync()));
      opened.defer(
        every(clock, CODES_EVERY_MS, () => {
          trustedTime.tick();
          if (trustedTime.quality === 'good') book.prune(clock.now());
        }),
      );
      opened.defer(every(clock, RETENTION_EVERY_MS, () => removeOldEntries(journal, log)));

      const till: TillPort = {
        till: config.till,
        store: config.store,
        sales,
        redemptions,
        receiptClaims,
        returns,
        claims: passThrough.claims,
        requestRead: (readerId) => requestRead(supervisor, readerId),
        linking,
        status: () => ({
          sync: syncView(),
          readers: readers().map(readerView),
          keyProtection: keys.protection,
          passThrough: { outputs: passThrough.statuses(), claims: passThrough.claims.views() },
        }),
        identifyTyped: (number) => desk.takeTyped(number),
        onEvent: (listener) => news.onNews(listener),
      };
      const api = opened.add(await LocalApi.open({ config: config.api, till, clock, log }));
      log.info({
        event: 'till.ready',
        till: config.till,
        store: config.store,
        api: api.url,
        version: ports.version,
        keyProtection: keys.protection,
        identifierKeys: keys.identifierNames,
      });
      const sent = async (deadlineMs: number): Promise<void> => {
        const untilMs = clock.monotonicMs() + deadlineMs;
        while (journal.unconfirmed > 0 && link.status.connected && clock.monotonicMs() < untilMs) {
          await sleep(clock, SENT_LOOK_MS);
        }
      };
      return new Till(api.url, opened, sent);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Resolves when the server has confirmed all there is, cannot be reached, or `deadlineMs` are over. */
  sent(deadlineMs: number): Promise<void> {
    return this.#sent(deadlineMs);
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}

function seedingView({ phase, documents, documentsTotal, ratePerSecond }: SeedingProgress): SeedingView {
  const percent =
    documentsTotal === null || documentsTotal === 0
      ? null
      : Math.min(100, Math.floor((100 * documents) / documentsTotal));
  return { phase, percent, ratePerSecond };
}

function doubleReadRules({ doubleReads }: EdgeConfig): DoubleReadRules {
  return {
    sameTriggerMs: doubleReads.sameTriggerMs,
    devices: doubleReads.devices.map(({ readers, sameTriggerMs }) =>
      sameTriggerMs === undefined ? { readers } : { readers, sameTriggerMs },
    ),
  };
}

/** The broker with a client id that stays: it throws out a half-open session of this till, will and all. */
/** Receipts are sealed with what follows from the till's own token. */
function receiptCodeOf({ broker, till }: EdgeConfig): SalesOptions['receiptCode'] {
  if (broker.passwordFile === undefined) return undefined;
  const key = receiptKey(readSecretText(broker.passwordFile, 'owner'));
  return ({ saleId, at }) => makeReceiptCode(key, { saleId, till, at });
}

function brokerOf(config: EdgeConfig): EdgeConfig['broker'] {
  return {
    ...config.broker,
    clientId: config.broker.clientId ?? `stammkunde-${config.tenant}-${config.till}`,
  };
}

/** Tells of many changes in one piece of news. */
class SyncNews {
  readonly #clock: Clock;
  readonly #log: Log;
  #tell: (() => void) | undefined;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** From now on changes are told. */
  begin(tell: () => void): void {
    this.#tell = tell;
  }

  changed(): void {
    if (this.#tell === undefined) return;
    this.#cancel ??= this.#clock.schedule(SYNC_NEWS_MS, () => {
      this.#cancel = undefined;
      try {
        this.#tell?.();
      } catch (error) {
        this.#log.error({ event: 'till.sync-news.failed', error: asError(error) });
      }
    });
  }

  close(): void {
    this.#tell = undefined;
    this.#cancel?.();
  }
}

/** Calls `work` again and again; the returned function ends it. */
function every(clock: Clock, intervalMs: number, work: () => void): () => void {
  let cancel: () => void = () => {};
  const next = (): void => {
    cancel = clock.schedule(intervalMs, () => {
      next();
      work();
    });
  };
  next();
  return () => cancel();
}

function requestRead(readers: ReaderSupervisor, readerId: string): void {
  switch (readers.request(readerId)) {
    case 'asked':
      return;
    case undefined:
      throw new StammkundeError('READER_NOT_FOUND', 'there is no such reader');
    case 'not-ready':
      throw new StammkundeError('READER_NOT_READY', `reader ${readerId} is not ready`);
    case 'reads-by-itself':
      throw new StammkundeError('READER_NOT_READY', `reader ${readerId} reads by itself`);
  }
}

function removeOldEntries(journal: Journal, log: Log): void {
  try {
    const removed = journal.removeOld();
    if (removed > 0) log.info({ event: 'journal.retention', removed });
  } catch (error) {
    log.error({ event: 'journal.retention.failed', error: asError(error) });
  }
}
