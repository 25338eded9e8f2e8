import { readFileSync } from 'node:fs';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError, asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { retryDelayMs } from '../../foundation/retry-schedule.ts';
import { readSecretText } from '../../foundation/secret-file.ts';
import type { Bus, BusOpening, PublishOptions, PublishOutcome } from '../bus.ts';
import type { MqttConfig } from './config.ts';
import { MqttConnection } from './mqtt-connection.ts';
import type { EndReason } from './mqtt-connection.ts';
import { Subscribers } from './subscribers.ts';
import { assertTopic } from './topic-filter.ts';

/** How long a goodbye to the broker may take. */
const LEAVE_DEADLINE_MS = 2_000;

export interface MqttBusDependencies extends BusOpening {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Closes the bus when aborted. */
  readonly signal?: AbortSignal;
}

/**
 * The bus over MQTT 3.1.1 or 5. Each connection is made anew, with a clean session: nothing rests on what a broker
 * remembers, and nothing is queued while it is away.
 */
export class MqttBus implements Bus {
  readonly #config: MqttConfig;
  readonly #clientId: string;
  readonly #password: string | undefined;
  readonly #ca: Buffer | undefined;
  readonly #dependencies: MqttBusDependencies;
  readonly #subscribers: Subscribers;
  #connection: MqttConnection | undefined;
  #connected = false;
  #attempt = 0;
  #lastProblem: string | undefined;
  #cancelRetry: () => void = () => {};
  readonly #onAbort = (): void => void this.close();
  #closing: Promise<void> | undefined;

  private constructor(config: MqttConfig, dependencies: MqttBusDependencies) {
    this.#config = config;
    this.#dependencies = dependencies;
    this.#subscribers = new Subscribers(dependencies.subscriptions, dependencies.log);
    this.#clientId =
      config.clientId ?? `stammkunde-${Buffer.from(dependencies.random.bytes(6)).toString('hex')}`;
    this.#password =
      config.passwordFile === undefined ? undefined : readSecretText(config.passwordFile, 'owner');
    this.#ca = config.caFile === undefined ? undefined : readAuthorities(config.caFile);
  }

  /**
   * Resolves at once; the connection is made in the background and made again for ever.
   * @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED for the password file, CFG_UNREADABLE for the CA file
   */
  // oxlint-disable-next-line require-await -- the shape of every open; faults must reject, not throw
  static async open(config: MqttConfig, dependencies: MqttBusDependencies): Promise<MqttBus> {
    dependencies.signal?.throwIfAborted();
    const bus = new MqttBus(config, dependencies);
    dependencies.signal?.addEventListener('abort', bus.#onAbort, { once: true });
    bus.#connect();
    return bus;
  }

  get connected(): boolean {
    return this.#connected;
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    return this.#subscribers.onConnection(listener);
  }

  async publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<PublishOutcome> {
    assertTopic(topic);
    if (!this.#connected || this.#connection === undefined) return 'offline';
    return this.#connection.publish(topic, payload, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelRetry();
    this.#dependencies.signal?.removeEventListener('abort', this.#onAbort);
    const connection = this.#connection;
    this.#connection = undefined;
    this.#becomeConnected(false);
    await connection?.leave(LEAVE_DEADLINE_MS);
  }

  #connect(): void {
    try {
      this.#connection = this.#newConnection();
    } catch (error) {
      // The will could not be made, or the client not be set up: to everyone else that is no connection, either.
      this.#dependencies.log.error({ event: 'bus.attempt-failed', error: asError(error) });
      this.#onEnded({ kind: 'lost', message: asError(error).message });
    }
  }

  #newConnection(): MqttConnection {
    return new MqttConnection(
      {
        url: this.#config.url,
        clientId: this.#clientId,
        protocolVersion: this.#config.protocolVersion,
        keepaliveSeconds: this.#config.keepaliveSeconds,
        connectTimeoutMs: this.#config.connectTimeoutMs,
        publishTimeoutMs: this.#config.publishTimeoutMs,
        filters: this.#subscribers.filters,
        will: this.#dependencies.will?.(),
        ...(this.#config.username === undefined ? {} : { username: this.#config.username }),
        ...(this.#password === undefined ? {} : { password: this.#password }),
        ...(this.#ca === undefined ? {} : { ca: this.#ca }),
      },
      this.#dependencies.clock,
      {
        onJoined: () => {
          this.#attempt = 0;
          this.#lastProblem = undefined;
          this.#dependencies.log.info({ event: 'bus.connected', url: this.#config.url });
          this.#becomeConnected(true);
        },
        onMessage: (topic, payload) => this.#subscribers.deliver(topic, payload),
        onEnded: (reason) => this.#onEnded(reason),
      },
    );
  }

  #onEnded(reason: EndReason): void {
    if (this.#closing !== undefined) return;
    const wasConnected = this.#connected;
    this.#connection = undefined;
    const delayMs = retryDelayMs(this.#config.reconnect, this.#attempt, this.#dependencies.random);
    this.#attempt += 1;
    this.#report(reason, wasConnected, delayMs);
    // The wait is asked for before anyone is told, for a listener may close the bus.
    this.#cancelRetry = this.#dependencies.clock.schedule(delayMs, () => this.#connect());
    this.#becomeConnected(false);
  }

  /** Says what is wrong once, not with every attempt of a long outage. */
  #report(reason: EndReason, wasConnected: boolean, delayMs: number): void {
    const { log } = this.#dependencies;
    const code = reason.kind === 'refused' ? 'BUS_REFUSED' : 'BUS_UNREACHABLE';
    const fields = {
      event: wasConnected ? 'bus.lost' : 'bus.unreachable',
      code,
      url: this.#config.url,
      reason: reason.message,
      retryMs: Math.round(delayMs),
    };
    const repeated = this.#lastProblem === `${code} ${reason.message}`;
    this.#lastProblem = `${code} ${reason.message}`;
    if (repeated && !wasConnected) log.debug(fields);
    else if (reason.kind === 'refused') log.error(fields);
    else log.warn(fields);
  }

  #becomeConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.#subscribers.tellConnection(connected);
  }
}

function readAuthorities(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new StammkundeError('CFG_UNREADABLE', `${path} cannot be read`, { cause: error });
  }
}
