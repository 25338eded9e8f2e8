import type { Clock } from '../../../foundation/clock.ts';
import { StammkundeError } from '../../../foundation/errors.ts';
import type { Closable } from '../../../foundation/lifecycle.ts';
import type { RetrySchedule } from '../../../foundation/retry-schedule.ts';
import { retryDelayMs } from '../../../foundation/retry-schedule.ts';
import type { ReaderPorts } from '../../driver.ts';
import type { TerminalReading } from '../payment-terminal/card-identity.ts';
import type { TerminalScans } from '../payment-terminal/terminal-scans.ts';
import type { Apdu } from './apdu.ts';
import { commands, encodeApdu, isAnswer, isRefusal } from './apdu.ts';
import { readCardCommand, registrationCommand } from './commands.ts';
import type { ZvtReadCardMode } from './config.ts';
import type { OpenZvtLink, ZvtLink } from './link.ts';
import type { ZvtTokenKind } from './status-information.ts';
import { readStatusInformation } from './status-information.ts';

/** Command sent → 80 00 or 84 xx, ms (PA00P016, T3). */
const T3_MS = 5_000;
/** 80 00 → end of what was asked, ms; begins again with 04 FF and 04 0F (PA00P016, T4). */
const T4_MS = 180_000;
/** How long closing waits for the terminal to stop reading, ms. */
const ABORT_WAIT_MS = 1_000;
/** Opening fails when the terminal has not registered us by then, ms: before a supervisor gives up. */
const REGISTRATION_MS = 25_000;
/** Waits after the terminal refused to read or was stopped at its keys in a way it does not stop by itself. */
const refusalWaits: RetrySchedule = { firstMs: 1_000, maxMs: 30_000 };
/** No card came, or somebody pressed the stop key (PA00P015, error messages). */
const TIMEOUT_OR_ABORT_KEY = 0x6c;

type State =
  | { readonly kind: 'new' }
  /** 06 00 is sent. */
  | { readonly kind: 'registering'; readonly done: PromiseWithResolvers<void> }
  /** Nothing is asked; in `always` a timer asks again. */
  | { readonly kind: 'resting' }
  /** 06 C0 is sent and not answered. */
  | { readonly kind: 'asked' }
  | { readonly kind: 'reading' }
  /** 06 B0 is sent. */
  | { readonly kind: 'aborting'; readonly stopped: PromiseWithResolvers<void> }
  | { readonly kind: 'over' };

/**
 * The till as the cash register of a terminal that has no other: it asks for a card, again and again.
 *
 * ```
 *   open ─► registering ─ 06 0F ─► resting ─ pause, request ─► asked ─ 80 00 ─► reading
 *              └─ 84, 06 1E: refused      ▲                      │               │ │
 *                                         ├── 84 xx (longer) ────┘               │ └─ 04 FF: T4 begins again
 *                                         └── 04 0F (scan), 06 1E (no card) ─────┘
 *   close, from anywhere ─► aborting (06 B0) ─► over            T3, T4, line lost ─► over, DRV_TERMINAL_SILENT
 * ```
 */
export class ReadCardSession implements Closable {
  readonly #ports: ReaderPorts;
  readonly #mode: ZvtReadCardMode;
  readonly #accepts: readonly ZvtTokenKind[];
  readonly #scans: TerminalScans;
  readonly #clock: Clock;
  readonly #readCard: Uint8Array;
  #link: ZvtLink | undefined;
  #state: State = { kind: 'new' };
  #refusals = 0;
  #reportedRefusal: number | undefined;
  #lastCard: { readonly payload: Uint8Array; seenMonotonicMs: number } | undefined;
  #cancelTimer: () => void = () => {};
  #closing: Promise<void> | undefined;

  private constructor(
    ports: ReaderPorts,
    mode: ZvtReadCardMode,
    accepts: readonly ZvtTokenKind[],
    scans: TerminalScans,
  ) {
    this.#ports = ports;
    this.#mode = mode;
    this.#accepts = accepts;
    this.#scans = scans;
    this.#clock = ports.clock;
    this.#readCard = readCardCommand({
      timeoutSeconds: mode.readTimeoutSeconds,
      cardItem: accepts.includes('1f14') ? mode.cardItem : 'none',
      walletPass: mode.walletPass,
    });
  }

  /**
   * Connects and, where configured, registers.
   * @throws StammkundeError DRV_TERMINAL_SILENT or DRV_TERMINAL_REFUSED, and what the transport throws
   */
  static async open(options: {
    readonly ports: ReaderPorts;
    readonly mode: ZvtReadCardMode;
    readonly accepts: readonly ZvtTokenKind[];
    readonly scans: TerminalScans;
    readonly link: OpenZvtLink;
  }): Promise<ReadCardSession> {
    const { ports, mode, accepts, scans } = options;
    const session = new ReadCardSession(ports, mode, accepts, scans);
    session.#link = await options.link({
      clock: ports.clock,
      signal: ports.signal,
      onApdu: (apdu, at) => session.#take(apdu, at),
      onNoise: (noise) => ports.onNoise(noise),
      onLost: (error) => session.#lose(error),
    });
    try {
      if (mode.register) await session.#register();
      session.#rest(0);
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  }

  /** Asks for one card now; nothing when a reading is under way. */
  request(): void {
    if (this.#state.kind === 'resting') this.#ask();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const link = this.#link;
    if (this.#state.kind === 'asked' || this.#state.kind === 'reading') {
      const stopped = Promise.withResolvers<void>();
      this.#become({ kind: 'aborting', stopped });
      this.#arm(ABORT_WAIT_MS, () => stopped.resolve());
      link?.send(encodeApdu(commands.abort));
      await stopped.promise;
    }
    this.#end();
    await link?.close();
  }

  async #register(): Promise<void> {
    const done = Promise.withResolvers<void>();
    const giveUp = (): void => done.reject(silent('did not register us in time'));
    const cancel = this.#clock.schedule(REGISTRATION_MS, giveUp);
    const onAbort = (): void =>
      done.reject(new StammkundeError('DRV_PORT_LOST', 'given up while registering'));
    this.#ports.signal.addEventListener('abort', onAbort, { once: true });
    if (this.#state.kind === 'over') onAbort();
    else {
      this.#become({ kind: 'registering', done });
      this.#cancelTimer();
      this.#link?.send(registrationCommand(this.#mode), () =>
        this.#arm(T3_MS, () => done.reject(silent('does not answer'))),
      );
    }
    try {
      await done.promise;
    } finally {
      cancel();
      this.#ports.signal.removeEventListener('abort', onAbort);
    }
  }

  #ask(): void {
    this.#become({ kind: 'asked' });
    this.#cancelTimer();
    this.#link?.send(this.#readCard.slice(), () => {
      if (this.#state.kind === 'asked') this.#arm(T3_MS, () => this.#lose(silent('does not answer')));
    });
  }

  #rest(waitMs: number): void {
    this.#become({ kind: 'resting' });
    if (this.#mode.when === 'always') this.#arm(waitMs, () => this.#ask());
    else this.#cancelTimer();
  }

  #take({ command, data }: Apdu, at: number): void {
    try {
      if (this.#state.kind === 'over') return;
      this.#ports.onFrame();
      if (command === commands.acknowledged) this.#acknowledged();
      else if (isRefusal(command)) this.#refused(command & 0xff);
      else if (!isAnswer(command)) this.#command(command, data, at);
    } finally {
      // Whatever it was, it may have held a card number.
      data.fill(0);
    }
  }

  #acknowledged(): void {
    switch (this.#state.kind) {
      case 'registering':
        this.#armT4();
        break;
      case 'asked':
        this.#become({ kind: 'reading' });
        this.#armT4();
        break;
      case 'aborting':
        this.#state.stopped.resolve();
        break;
      case 'new':
      case 'resting':
      case 'reading':
      case 'over':
        break;
    }
  }

  #refused(code: number): void {
    switch (this.#state.kind) {
      case 'registering':
        this.#state.done.reject(refused('refuses to register us', code));
        break;
      case 'asked':
        this.#notRead(code);
        break;
      case 'aborting':
        this.#state.stopped.resolve();
        break;
      case 'new':
      case 'resting':
      case 'reading':
      case 'over':
        break;
    }
  }

  /** Whatever the terminal asks or tells, it waits for the answer before it goes on. */
  #command(command: number, data: Uint8Array, at: number): void {
    const known = command >> 8 === 0x04 || command >> 8 === 0x06;
    this.#link?.send(encodeApdu(known ? commands.acknowledged : commands.unknownCommand));
    if (command === commands.intermediateStatus) {
      if (this.#state.kind === 'reading' || this.#state.kind === 'registering') this.#armT4();
    } else if (command === commands.statusInformation) {
      this.#statusInformation(data, at);
    } else if (command === commands.completion) {
      if (this.#state.kind === 'registering') this.#state.done.resolve();
      else if (this.#state.kind === 'reading') this.#rest(this.#mode.pauseMs);
    } else if (command === commands.abortByTerminal) {
      this.#aborted(data[0] ?? 0);
    }
  }

  #statusInformation(data: Uint8Array, at: number): void {
    if (this.#state.kind !== 'asked' && this.#state.kind !== 'reading') return; // repeated: our answer was lost
    const reading = readStatusInformation(data, this.#accepts);
    this.#refusals = 0;
    this.#reportedRefusal = undefined;
    if (reading.outcome === 'failed' || this.#isCardLeftInside(reading)) this.#scans.refuse(reading);
    else this.#scans.take(reading, at);
    this.#rest(this.#mode.pauseMs);
  }

  #aborted(code: number): void {
    switch (this.#state.kind) {
      case 'registering':
        this.#state.done.reject(refused('refuses to register us', code));
        break;
      case 'asked':
      case 'reading':
        if (code === TIMEOUT_OR_ABORT_KEY) this.#rest(this.#mode.pauseMs);
        else this.#notRead(code);
        break;
      case 'aborting':
        this.#state.stopped.resolve();
        break;
      case 'new':
      case 'resting':
      case 'over':
        break;
    }
  }

  #notRead(code: number): void {
    const level = this.#reportedRefusal === code ? 'debug' : 'warn';
    this.#reportedRefusal = code;
    this.#ports.log[level]({
      event: 'terminal.refused',
      code: 'DRV_TERMINAL_REFUSED',
      readerId: this.#ports.readerId,
      terminalCode: code.toString(16).padStart(2, '0'),
    });
    const waitMs = retryDelayMs(refusalWaits, this.#refusals, this.#ports.random);
    this.#refusals += 1;
    this.#rest(Math.max(waitMs, this.#mode.pauseMs));
  }

  /** A card that stays in the slot is read each time it is asked for; it was presented once. */
  #isCardLeftInside(reading: TerminalReading): boolean {
    const payload = reading.walletId ?? bytesOf(reading);
    const nowMs = this.#clock.monotonicMs();
    const last = this.#lastCard;
    if (payload === undefined) return false;
    const isSame =
      last !== undefined &&
      nowMs - last.seenMonotonicMs < this.#mode.sameCardMs &&
      Buffer.compare(last.payload, payload) === 0;
    if (isSame) last.seenMonotonicMs = nowMs;
    else this.#lastCard = { payload: payload.slice(), seenMonotonicMs: nowMs };
    return isSame;
  }

  #armT4(): void {
    this.#arm(T4_MS, () => {
      const state = this.#state;
      if (state.kind === 'registering') state.done.reject(silent('did not finish registering'));
      else this.#lose(silent('began to read and never ended'));
    });
  }

  #arm(delayMs: number, callback: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.schedule(delayMs, callback);
  }

  #become(state: State): void {
    this.#state = state;
  }

  #lose(error: StammkundeError): void {
    const state = this.#state;
    if (state.kind === 'over') return;
    if (state.kind === 'aborting') {
      state.stopped.resolve();
      return;
    }
    this.#end();
    // While opening, the loss is what opening throws.
    if (state.kind === 'registering') state.done.reject(error);
    else if (state.kind !== 'new') this.#ports.onLost(error);
  }

  #end(): void {
    this.#cancelTimer();
    this.#lastCard?.payload.fill(0);
    this.#lastCard = undefined;
    this.#become({ kind: 'over' });
  }
}

function bytesOf(reading: TerminalReading): Uint8Array | undefined {
  switch (reading.identity?.kind) {
    case undefined:
      return undefined;
    case 'par':
      return reading.identity.par;
    case 'token':
      return reading.identity.token;
  }
}

function silent(what: string): StammkundeError {
  return new StammkundeError('DRV_TERMINAL_SILENT', `the terminal ${what}`);
}

function refused(what: string, code: number): StammkundeError {
  return new StammkundeError(
    'DRV_TERMINAL_REFUSED',
    `the terminal ${what} (${code.toString(16).padStart(2, '0')})`,
  );
}
