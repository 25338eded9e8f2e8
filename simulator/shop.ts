import { rmSync } from 'node:fs';
import type { Clock } from '../foundation/clock.ts';
import { sleep } from '../foundation/clock.ts';
import { Opened } from '../foundation/lifecycle.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import { newSecret, readTokenFile, writeSecretFile } from '../foundation/secret-file.ts';
import type { Random } from '../foundation/random.ts';
import { ChildProgram } from './child-program.ts';
import { shopRuns } from './control-client.ts';
import type { ControlOrder, ShopAddress } from './control-contract.ts';
import { ControlServer } from './control-server.ts';
import { counterButtons } from './counter-buttons.ts';
import { CounterPage } from './counter-page/counter-page.ts';
import { importCustomerBase } from './customer-base.ts';
import { freePort } from './free-port.ts';
import { KeptProgram } from './kept-program.ts';
import { NetworkProxy } from './network-proxy.ts';
import type { NetworkState } from './network-proxy.ts';
import type { AppCodeForm } from '../sync/contract/app-code/forms.ts';
import { membersWithPhone, phoneOf } from './phone.ts';
import type { Population } from './population.ts';
import type { VirtualScanner } from './readers/virtual-scanner.ts';
import { Counter, READERS } from './readers/counter.ts';
import { ServerClient } from './server-client.ts';
import { configureTill, prepareShop, SHOP } from './shop-files.ts';
import { makeShopFolders, shopPaths } from './shop-folder.ts';
import type { ShopPaths } from './shop-folder.ts';
import { TillClient } from './till-client.ts';
import { TillEvents } from './till-events.ts';
import { waitUntil } from './wait-until.ts';

const SERVER_DEADLINE_MS = 60_000;
const TILL_DEADLINE_MS = 30_000;
const REPLICA_DEADLINE_MS = 120_000;
/** The till tries again after 30 s at the latest. */
const REOPEN_DEADLINE_MS = 40_000;
const LOOK_EVERY_MS = 50;
/** What a scanner puts before a QR code (ISO/IEC 15424). */
const QR_AIM = ']Q1';

/** Ports a shop would like to have; 0 takes any free one. */
export interface WishedPorts {
  readonly tillApi: number;
  readonly serverApi: number;
  readonly broker: number;
  readonly scanner: number;
}

export interface ShopOptions {
  /** The data folder; what is in it is taken up again. */
  readonly root: string;
  readonly population: Population;
  readonly wishedPorts: WishedPorts;
  /** Whether server and till are started again when they end by themselves. */
  readonly revive: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Tells a person how it goes. */
  readonly say: (line: string) => void;
  /** Aborted when the shop is to be given up, also while it is still opening. */
  readonly signal: AbortSignal;
}

/**
 * A whole shop on one machine: the real server and the real till as processes of their own, scanners without hardware,
 * and between till and server a network that can be broken.
 *
 * ```
 *   serial scanner ──pty──┐                       ┌── NetworkProxy ──┐
 *                         ├──► till (process) ◄───┤                  ├──► server (process): broker, API, database
 *   network scanner ─TCP──┘        │ local API    └──────────────────┘
 *                                  └──► display, POS, `npm run scan`
 * ```
 */
export class Shop implements Closable {
  readonly paths: ShopPaths;
  readonly population: Population;
  readonly serverUrl: string;
  readonly tillUrl: string;
  readonly server: ServerClient;
  readonly till: TillClient;
  readonly network: NetworkProxy;
  /** Every reader of the counter. */
  readonly counter: Counter;
  /** Where a person presses buttons to hold things before them. */
  readonly counterUrl: string;
  readonly scanners: Readonly<Record<'serial' | 'tcp', VirtualScanner>>;
  /** Settles with last words when server or till ended and will not be back. */
  readonly failed: Promise<string>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #opened: Opened;

  private constructor(parts: ShopParts, options: ShopOptions, opened: Opened) {
    this.paths = parts.paths;
    this.population = options.population;
    this.serverUrl = parts.serverUrl;
    this.tillUrl = parts.tillUrl;
    this.server = parts.server;
    this.till = new TillClient(parts.tillUrl, readTokenFile(parts.paths.tillTokenFile));
    this.network = parts.network;
    this.counter = parts.counter;
    this.counterUrl = parts.page.url;
    this.scanners = { serial: parts.counter.serial, tcp: parts.counter.tcp };
    this.failed = parts.failed;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#opened = opened;
  }

  /**
   * Resolves when the till holds every customer, and leaves nothing behind when it cannot come to that.
   * @throws Error in words for a person
   */
  static async open(options: ShopOptions): Promise<Shop> {
    const opened = new Opened();
    try {
      return await open(options, opened, (parts) => new Shop(parts, options, opened));
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  get displayUrl(): string {
    return `${this.tillUrl}/display/#token=${readTokenFile(this.paths.displayTokenFile)}`;
  }

  /** The till's events, as its POS hears them. */
  events(): Promise<TillEvents> {
    return TillEvents.open(this.tillUrl, readTokenFile(this.paths.tillTokenFile), this.#clock);
  }

  /** A fresh code of a customer's phone. @param n which of those who have one. @throws Error when there are not as many */
  appCode(form: AppCodeForm, n: number): string {
    const member = membersWithPhone(this.population)[n];
    if (member === undefined) throw new Error(`no customer has phone ${n}`);
    const ports = { tenant: SHOP.tenant, clock: this.#clock, random: this.#random };
    return phoneOf(member.ordinal, ports).code(form);
  }

  setNetwork(state: NetworkState): void {
    setNetwork(this.network, state);
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}

interface ShopParts {
  readonly paths: ShopPaths;
  readonly serverUrl: string;
  readonly tillUrl: string;
  readonly server: ServerClient;
  readonly network: NetworkProxy;
  readonly counter: Counter;
  readonly page: CounterPage;
  readonly failed: Promise<string>;
}

async function open(options: ShopOptions, opened: Opened, make: (parts: ShopParts) => Shop): Promise<Shop> {
  const { clock, random, population, say } = options;
  const paths = shopPaths(options.root);
  makeShopFolders(paths);
  if (await shopRuns(paths.root, clock)) throw new Error(`a shop runs in ${paths.root} already`);
  const ports = await choosePorts(options.wishedPorts, say);
  prepareShop(paths, ports, random);
  const counter = opened.add(
    await Counter.open({
      serialLink: paths.scannerLink,
      stxLink: paths.stxScannerLink,
      tcpPort: ports.scanner,
      clock,
    }),
  );
  const network = opened.add(await NetworkProxy.open({ target: { host: '127.0.0.1', port: ports.broker } }));

  const keep = (name: string, program: string, config: string): KeptProgram =>
    opened.add(
      new KeptProgram(
        () =>
          ChildProgram.start({
            name,
            program,
            args: ['--config', config],
            logPath: paths.logFile(name),
            clock,
          }),
        { revive: options.revive, clock, say },
      ),
    );

  say('starting the server …');
  const serverProgram = keep('server', 'bin/stammkunde-server.js', paths.serverConfig);
  const serverUrl = `http://127.0.0.1:${ports.serverApi}`;
  const server = new ServerClient(serverUrl, readTokenFile(paths.serverTokenFile));
  const serverGone = endOf(serverProgram.failed, options.signal);
  await waitUntil(async () => ((await server.isWell()) ? true : undefined), {
    clock,
    deadlineMs: SERVER_DEADLINE_MS,
    everyMs: LOOK_EVERY_MS,
    what: 'the server',
    signal: serverGone,
  });
  await importCustomerBase(server, population, paths.baseMark, { clock, random, say });

  configureTill(paths, {
    apiPort: ports.tillApi,
    brokerPort: network.port,
    scannerPort: counter.tcp.port,
    counter: counter.addresses,
  });

  say('starting the till …');
  const tillProgram = keep('till', 'bin/stammkunde-edge.js', paths.tillConfig);
  const failed = Promise.race([serverProgram.failed, tillProgram.failed]);
  const tillUrl = `http://127.0.0.1:${ports.tillApi}`;
  // Nobody knows the page's address, and so nobody presses anything, before the shop there is to obey.
  const obey = (order: ControlOrder): Promise<void> => carryOut(order, shop, clock);
  const buttons = counterButtons(population);
  const page = opened.add(await CounterPage.open({ token: newSecret(random), buttons, obey }));
  const shop = make({ paths, serverUrl, tillUrl, server, network, counter, page, failed });
  await waitForReplica(shop, population, clock, endOf(failed, options.signal), say);

  const token = newSecret(random);
  const control = opened.add(await ControlServer.open(token, obey));
  const address: ShopAddress = {
    controlPort: control.port,
    controlToken: token,
    tillUrl,
    tillTokenFile: paths.tillTokenFile,
  };
  rmSync(paths.addressFile, { force: true });
  writeSecretFile(paths.addressFile, JSON.stringify(address), 'owner');
  opened.defer(() => rmSync(paths.addressFile, { force: true }));
  return shop;
}

async function choosePorts(wished: WishedPorts, say: (line: string) => void): Promise<WishedPorts> {
  const taken = new Set<number>();
  const choose = async (name: string, wish: number): Promise<number> => {
    let port = await freePort(wish);
    while (taken.has(port)) port = await freePort(0);
    taken.add(port);
    if (wish !== 0 && port !== wish) say(`port ${wish} for the ${name} is taken, ${port} is used instead`);
    return port;
  };
  return {
    tillApi: await choose('till', wished.tillApi),
    serverApi: await choose('server', wished.serverApi),
    broker: await choose('broker', wished.broker),
    scanner: await choose('network scanner', wished.scanner),
  };
}

async function waitForReplica(
  shop: Shop,
  population: Population,
  clock: Clock,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  const credentials = population.cardCount + membersWithPhone(population).length;
  const common = { clock, everyMs: LOOK_EVERY_MS, signal };
  await waitUntil(() => shop.till.status(), { ...common, deadlineMs: TILL_DEADLINE_MS, what: 'the till' });
  say(`waiting until the till holds ${population.size} customers …`);
  await waitUntil(
    async () => {
      const { sync, readers } = await shop.till.status();
      const complete =
        sync.server === 'connected' &&
        sync.replica.ready &&
        sync.replica.customers === population.size &&
        sync.replica.credentials === credentials;
      return complete && readers.every((reader) => reader.status === 'ready') ? true : undefined;
    },
    { ...common, deadlineMs: REPLICA_DEADLINE_MS, what: 'a complete replica and readers that are ready' },
  );
}

async function carryOut(order: ControlOrder, shop: Shop, clock: Clock): Promise<void> {
  switch (order.order) {
    case 'send':
      return shop.scanners[order.reader].send(Buffer.from(order.hex, 'hex'));
    case 'show':
      return shop.counter.show(order.as, order);
    case 'app-code':
      return shop.counter.show('serial', { aim: QR_AIM, text: shop.appCode(order.form, order.phone) });
    case 'replay':
      for (const { afterMs, as, hex } of order.steps) {
        await sleep(clock, afterMs);
        await shop.counter.send(as, Buffer.from(hex, 'hex'));
      }
      return undefined;
    case 'unplug': {
      const scanner = shop.scanners[order.reader];
      await scanner.unplug();
      await sleep(clock, order.seconds * 1_000);
      await scanner.plugIn();
      return readerReady(shop, READERS[order.reader], clock);
    }
    case 'network':
      return setNetwork(shop.network, order.state);
  }
}

/** Resolves when the till has a reader open again: what is scanned before that is lost, as with a real one. */
async function readerReady(shop: Shop, readerId: string, clock: Clock): Promise<void> {
  await waitUntil(
    async () => {
      const { readers } = await shop.till.status();
      return readers.some(({ id, status }) => id === readerId && status === 'ready') ? true : undefined;
    },
    { clock, deadlineMs: REOPEN_DEADLINE_MS, everyMs: LOOK_EVERY_MS, what: `the till to reopen ${readerId}` },
  );
}

function setNetwork(network: NetworkProxy, state: NetworkState): void {
  switch (state) {
    case 'up':
      return network.restore();
    case 'cut':
      return network.cut();
    case 'black-hole':
      return network.blackHole();
  }
}

/** Aborted with last words when a program has ended, and when `signal` is. */
function endOf(failed: Promise<string>, signal: AbortSignal): AbortSignal {
  const ended = new AbortController();
  void failed.then((lastWords) => ended.abort(new Error(lastWords)));
  return AbortSignal.any([ended.signal, signal]);
}
