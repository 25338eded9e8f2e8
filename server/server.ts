import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../foundation/clock.ts';
import { withDeadline } from '../foundation/deadline.ts';
import { StammkundeError } from '../foundation/errors.ts';
import { Opened } from '../foundation/lifecycle.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import { writeSecretFile } from '../foundation/secret-file.ts';
import { makeFolder } from '../foundation/folder.ts';
import type { Bus, BusOpening, PublishOptions, PublishOutcome } from '../sync/bus.ts';
import { BlindIndexer, identifierKeyName } from '../sync/contract/blind-index.ts';
import type { TillId } from '../sync/contract/ids.ts';
import type { Question } from '../sync/contract/messages.ts';
import { receiptKey } from '../sync/contract/receipt-code.ts';
import { ANY_TILL, sharedFilter, topicsOf } from '../sync/contract/topics.ts';
import { MqttConfig } from '../sync/mqtt/config.ts';
import { MqttBus } from '../sync/mqtt/mqtt-bus.ts';
import { Api } from './api/api.ts';
import { bankCardRoutes } from './api/bank-card-routes.ts';
import { correctionRoutes } from './api/correction-routes.ts';
import { customerRoutes } from './api/customer-routes.ts';
import { erasureRoutes } from './api/erasure-routes.ts';
import { deviceRoutes } from './api/device-routes.ts';
import { quarantineRoutes } from './api/quarantine-routes.ts';
import { tillStoreRoutes } from './api/till-store-routes.ts';
import { wipeRoutes } from './api/wipe-routes.ts';
import { healthRoutes } from './api/health-routes.ts';
import type { Health } from './api/health-routes.ts';
import { identifierKeyRoutes } from './api/identifier-key-routes.ts';
import { ledgerRoutes } from './api/ledger-routes.ts';
import { reportRoutes } from './api/report-routes.ts';
import { programmeRoutes } from './api/programme-routes.ts';
import { BrokerAccess } from './broker/access.ts';
import { EmbeddedBroker } from './broker/embedded-broker.ts';
import { SchemeCardNumbers } from './cards/card-numbers.ts';
import { BankCards } from './cards/bank-cards.ts';
import { Cards } from './cards/cards.ts';
import type { TakenCard } from './cards/take-bank-card.ts';
import type { Changes } from './changes.ts';
import type { ServerConfig } from './config.ts';
import { Customers } from './customers/customers.ts';
import { Erasures } from './customers/erasures.ts';
import { CardLookup } from './customers/lookup.ts';
import { Database } from './database/database.ts';
import { EpochWatch } from './database/epoch-watch.ts';
import { AppCodes } from './devices/app-codes.ts';
import { Devices } from './devices/devices.ts';
import { RotatingCodes } from './devices/rotating-codes.ts';
import { FeedKeeper } from './feed/feed-keeper.ts';
import { FeedPublisher } from './feed/feed-publisher.ts';
import { answerBucket } from './feed/bucket.ts';
import { answerFeedPage } from './feed/feed-store.ts';
import { answerRanges } from './feed/ranges.ts';
import { LedgerKeeper } from './ledger/ledger-keeper.ts';
import { KeyRotation } from './identifiers/key-rotation.ts';
import type { FeedScope } from './feed/scope.ts';
import { isRowCollection } from './feed/row-collections.ts';
import { EVERYTHING } from './feed/scope.ts';
import { snapshotRoutes } from './snapshots/snapshot-routes.ts';
import { Snapshots } from './snapshots/snapshots.ts';
import { Tickets } from './snapshots/ticket.ts';
import { Allowances } from './redemption/allowances.ts';
import { Reservations } from './redemption/reservations.ts';
import { ReportQueries } from './reports/report-queries.ts';
import { RequestResponder } from './requests/request-responder.ts';
import { Intake } from './intake/intake.ts';
import { OfficeClaims } from './intake/office-claims.ts';
import { Quarantine } from './intake/quarantine.ts';
import { TillStates } from './intake/till-states.ts';
import { loadApiToken, loadKeys, SERVER_USER, serverToken, shareGroup, tillToken } from './keys.ts';
import type { ServerKeys } from './keys.ts';
import { Statements } from './statements.ts';
import { TillStores } from './tills/till-stores.ts';
import { WipeOrders } from './tills/wipe-orders.ts';

/** How long the database may take to say that it is there. */
const PING_DEADLINE_MS = 2_000;

export interface ServerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** In place of the configured broker, for tests and simulations. */
  readonly openBus?: (opening: BusOpening) => Promise<Bus>;
}

/** The centre: takes journals in, keeps the ledger, tells tills what they replicate, answers the HTTP API. */
export class Server implements Closable {
  /** Where the HTTP API is. */
  readonly apiUrl: string;
  /** Where tills connect; undefined with a broker handed in. */
  readonly brokerUrl: string | undefined;
  readonly #opened: Opened;

  private constructor(apiUrl: string, brokerUrl: string | undefined, opened: Opened) {
    this.apiUrl = apiUrl;
    this.brokerUrl = brokerUrl;
    this.#opened = opened;
  }

  /**
   * @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED · DATA_UNWRITABLE · DATA_IN_USE · DB_UNREACHABLE · DB_MIGRATION
   *   · PORT_IN_USE; nothing is left behind then
   */
  static async open(config: ServerConfig, ports: ServerPorts): Promise<Server> {
    const opened = new Opened();
    try {
      return await compose(config, ports, opened, (apiUrl, brokerUrl) => {
        return new Server(apiUrl, brokerUrl, opened);
      });
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Stops taking things in, finishes what was begun, then lets go of broker and database. */
  close(): Promise<void> {
    return this.#opened.close();
  }
}

async function compose(
  config: ServerConfig,
  ports: ServerPorts,
  opened: Opened,
  make: (apiUrl: string, brokerUrl: string | undefined) => Server,
): Promise<Server> {
  const { clock, random, log } = ports;
  const keys = loadKeys(config.keys);
  const token = loadApiToken(config.http.tokenFile);
  makeFolder(config.dataFolder);
  const topics = topicsOf(config.tenant);
  const database = opened.add(await Database.open(config.database, ports));
  const reports = opened.add(ReportQueries.open(config.database, database, ports));
  const statements = new Statements(database, { clock, signingKey: keys.signingKey });

  // Handlers must stand before the bus opens, and what they need publishes on it.
  let bus: Bus | undefined;
  let publisher: FeedPublisher | undefined;
  const outbox = {
    publish: (topic: string, payload: Uint8Array, options: PublishOptions): Promise<PublishOutcome> =>
      bus?.publish(topic, payload, options) ?? Promise.resolve('offline'),
  };
  const shared = { database, topics, statements, clock, log };
  const indexer = new BlindIndexer(keys.identifierKeys, config.tenant);
  const committing = {
    indexer,
    receiptKeyOf: (till: TillId) => receiptKey(tillToken(keys.secret, config.tenant, till)),
    controller: config.tenant,
    onCommitted: () => publisher?.changed(),
    onTaken: (cards: readonly TakenCard[]) => {
      for (const { xid, seq, documents } of cards) {
        const position = { epoch: database.epoch, xid, seq };
        publisher?.urgent({ position, credentials: [...documents], customers: [] });
      }
    },
  };
  const intake = new Intake({ ...shared, ...committing, bus: outbox, random });
  const codes = { database, indexer, tenant: config.tenant, serverSecret: keys.secret, clock, random };
  const appCodes = new AppCodes(codes);
  const rotatingCodes = new RotatingCodes(codes);
  const lookup = new CardLookup({ database: database.db, indexer, clock, log });
  const reservations = new Reservations({ ...committing, database, clock });
  const allowances = new Allowances({ database, clock });
  const tickets = new Tickets(keys.secret, config.tenant);
  const stores = new TillStores({ database, clock, log });
  // Rules and offers are the same in every store; a till that was moved goes on with them.
  const scopeOf = (
    till: TillId,
    { collection, store }: Question<'feed.page' | 'feed.ranges' | 'feed.bucket'>,
  ): Promise<FeedScope> =>
    isRowCollection(collection) ? stores.scopeOf(till, store) : Promise.resolve(EVERYTHING);
  const snapshots = opened.add(
    new Snapshots({
      database,
      settings: {
        maxAgeMs: config.snapshots.maxAgeHours * 3_600_000,
        documentsMin: config.snapshots.fromDocuments,
        url: config.http.publicUrl,
      },
      tickets,
      scopeOf: (till, store) => stores.scopeOf(till, store),
      clock,
      random,
      log,
    }),
  );
  const responder = new RequestResponder({
    ...shared,
    bus: outbox,
    handlers: {
      'feed.page': async (till, question) =>
        answerFeedPage(database, question, await scopeOf(till, question), publisher?.heldBackMs),
      'feed.ranges': async (till, question) =>
        answerRanges(database, question, await scopeOf(till, question)),
      'feed.bucket': async (till, question) =>
        answerBucket(database, question, await scopeOf(till, question)),
      'snapshot.offer': (till, question) => snapshots.offer(till, question),
      'snapshot.chunk': (_till, question) => snapshots.chunk(question),
      'app-code.confirm': async (till, question) => ({
        kind: question.kind,
        verdict: await appCodes.confirm(till, question),
      }),
      'rotating-code.verify': async (_till, question) => ({
        kind: question.kind,
        verdict: await rotatingCodes.verify(question),
      }),
      'credential.lookup': (till, question) => lookup.answer(till, question),
      'points.reserve': (till, question) => reservations.reserve(till, question),
      'points.release': (till, question) => reservations.release(till, question),
      'points.allowance': (till) => allowances.answer(till),
    },
  });
  const wipes = new WipeOrders({ ...shared, bus: outbox, random });
  const states = new TillStates({ ...shared, random, onStored: (stored) => wipes.reported(stored) });

  const { openBus, url: brokerUrl, shared: isShared } = await prepareBroker(config, keys, ports, opened);
  const group = shareGroup(keys.secret, config.tenant);
  const one = (filter: string): string => (isShared ? sharedFilter(group, filter) : filter);
  bus = opened.add(
    await openBus({
      subscriptions: [
        {
          filter: one(topics.journal(ANY_TILL)),
          onMessage: (topic, payload) => intake.offer(topic, payload),
        },
        {
          filter: one(topics.request(ANY_TILL)),
          onMessage: (topic, payload) => responder.offer(topic, payload),
        },
        // Each server hears them: a shared subscription is not given what a broker retained, nor a last will that came
        // while no server was there.
        { filter: topics.state(ANY_TILL), onMessage: (topic, payload) => states.offer(topic, payload) },
        ...(isShared
          ? [
              {
                filter: topics.feedHead,
                onMessage: (_topic: string, payload: Uint8Array) => publisher?.heard(payload),
              },
            ]
          : []),
      ],
    }),
  );
  publisher = opened.add(new FeedPublisher({ ...shared, bus }));
  const epochWatch = opened.add(
    new EpochWatch({ database, clock, log, onNewEpoch: () => publisher?.changed() }),
  );
  opened.add(new FeedKeeper({ database, clock, log, indexer, tombstoneDays: config.replica.tombstoneDays }));
  opened.add(
    new LedgerKeeper({
      database,
      clock,
      log,
      reservations,
      claims: committing,
      onCommitted: committing.onCommitted,
    }),
  );
  for (const consumer of [wipes, states, responder, intake]) opened.add(consumer);

  const rotation = opened.add(
    await KeyRotation.open({
      database,
      indexer,
      keyNames: keys.identifierKeys.map(identifierKeyName),
      changes: publisher,
      clock,
      log,
    }),
  );
  const cardNumbers = new SchemeCardNumbers(
    config.cardSchemes.map(({ symbologies, lengths, ...scheme }) => ({
      ...scheme,
      symbologies: [...symbologies],
      lengths: [...lengths],
    })),
    indexer,
    ports,
  );
  const services = { database, cardNumbers, changes: publisher satisfies Changes, clock, random };
  const customers = new Customers(services);
  const worker = config.worker ?? `${hostname()}-${process.pid}`;
  const health = healthOf({ worker, database, epochWatch, bus, intake, responder, publisher, clock });
  const api = opened.add(
    await Api.open(
      { host: config.http.host, port: config.http.port, token },
      {
        log,
        routes: [
          healthRoutes(health),
          customerRoutes(customers, new Cards(services)),
          erasureRoutes(new Erasures({ ...services, log, indexer })),
          bankCardRoutes(new BankCards({ ...services, indexer, controller: config.tenant })),
          deviceRoutes(new Devices({ ...services, indexer }), rotatingCodes),
          ledgerRoutes(database, customers, reports),
          correctionRoutes(database, customers, {
            claims: new OfficeClaims({ database, clock, ...committing }),
            clock,
            onCommitted: committing.onCommitted,
          }),
          reportRoutes(reports, clock),
          programmeRoutes(database, publisher, clock),
          snapshotRoutes({ database, tickets, clock }),
          identifierKeyRoutes(rotation),
          wipeRoutes(wipes),
          tillStoreRoutes(stores),
          quarantineRoutes(new Quarantine({ ...shared, ...committing }), database),
        ],
      },
    ),
  );
  // Before the API, which finishes what it was asked.
  opened.defer(() => reports.end());
  log.info({ event: 'server.ready', worker, api: api.url, broker: brokerUrl, epoch: database.epoch });
  return make(api.url, brokerUrl);
}

interface PreparedBroker {
  readonly openBus: (opening: BusOpening) => Promise<Bus>;
  readonly url: string | undefined;
  /** Whether other servers may be at the same broker. */
  readonly shared: boolean;
}

/** How to open the bus: on a broker handed in, a configured one, or our own, which is started first. */
async function prepareBroker(
  config: ServerConfig,
  keys: ServerKeys,
  ports: ServerPorts,
  opened: Opened,
): Promise<PreparedBroker> {
  if (ports.openBus !== undefined) return { openBus: ports.openBus, url: undefined, shared: false };
  const { broker } = config;
  if (!('embedded' in broker)) {
    return {
      openBus: (opening) => MqttBus.open(broker, { ...ports, ...opening }),
      url: broker.url,
      shared: broker.shared,
    };
  }
  const { host, port } = broker.embedded;
  const embedded = opened.add(
    await EmbeddedBroker.open(
      { host, port },
      { access: new BrokerAccess(keys.secret, config.tenant), log: ports.log },
    ),
  );
  const mqtt = MqttConfig.parse({
    url: `mqtt://${reachable(host)}:${embedded.port}`,
    username: SERVER_USER,
    passwordFile: writeOwnToken(config, keys),
  });
  return {
    openBus: (opening) => MqttBus.open(mqtt, { ...ports, ...opening }),
    url: mqtt.url,
    shared: false,
  };
}

/** The server's token for its own broker, in a file as any client has it. */
function writeOwnToken(config: ServerConfig, keys: ServerKeys): string {
  const path = join(config.dataFolder, 'broker-token');
  try {
    rmSync(path, { force: true });
    writeSecretFile(path, serverToken(keys.secret, config.tenant), 'owner');
  } catch (error) {
    throw new StammkundeError('DATA_UNWRITABLE', `${path} cannot be written`, { cause: error });
  }
  return path;
}

/** An address to connect to, for one to listen on. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function healthOf(parts: {
  readonly worker: string;
  readonly database: Database;
  readonly epochWatch: EpochWatch;
  readonly bus: Bus;
  readonly intake: Intake;
  readonly responder: RequestResponder;
  readonly publisher: FeedPublisher;
  readonly clock: Clock;
}): () => Promise<Health> {
  const { worker, database, epochWatch, bus, intake, responder, publisher, clock } = parts;
  return async () => {
    const ping = withDeadline(database.ping(), {
      clock,
      deadlineMs: PING_DEADLINE_MS,
      code: 'DB_UNREACHABLE',
      what: 'the database',
    });
    const databaseWell = await ping.then(
      () => true,
      () => false,
    );
    const { waiting, stalled, counts } = intake.status;
    const heads = publisher.heads?.heads;
    return {
      well: databaseWell && epochWatch.well && bus.connected && !stalled,
      worker,
      database: databaseWell,
      history: epochWatch.well,
      broker: bus.connected,
      intake: { waiting, stalled, counts: { ...counts } },
      requests: { ...responder.status },
      heldBackMs: Math.round(publisher.heldBackMs),
      feed:
        heads === undefined
          ? null
          : Object.fromEntries(
              Object.entries(heads).map(([name, head]) => [name, `${head.xid}/${head.seq}`]),
            ),
    };
  };
}
