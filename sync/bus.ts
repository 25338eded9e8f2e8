import type { Closable } from '../foundation/lifecycle.ts';

/**
 * What became of a publish. Only `sent` says more than "perhaps": the broker has it (QoS 1) or the socket took it
 * (QoS 0). Even that is no proof that anyone received it, let alone stored it: brokers acknowledge before they route.
 */
export type PublishOutcome =
  /** Taken over by the broker (QoS 1) or written to the socket (QoS 0). */
  | 'sent'
  /** There was no connection, or it broke before the broker answered. */
  | 'offline'
  /** The deadline passed; it may arrive nevertheless. */
  | 'timeout'
  /** Too much is under way already; nothing was sent. */
  | 'full'
  /** The broker says that it does not take this, over MQTT 5 alone: MQTT 3.1.1 has no word for it. */
  | 'refused';

export interface PublishOptions {
  /** 0: at most once · 1: at least once, as far as the broker. */
  readonly qos: 0 | 1;
  /** The broker keeps the last such message of a topic and hands it to every later subscriber. */
  readonly retain?: boolean;
}

/** A wish to hear of topics. Handlers only take note and return: they run in the bus's own callback. */
export interface Subscription {
  /** MQTT 3.1.1, 4.7: `+` for one level, `#` for the rest; `$share/{group}/…` where the broker offers it. */
  readonly filter: string;
  /** Must expect duplicates, any order, and garbage. What it throws is logged and goes no further. */
  onMessage(topic: string, payload: Uint8Array): void;
}

/** What the broker publishes, retained, when the connection ends without a goodbye. */
export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** Said once at opening, so that handlers stand before the first byte arrives and after every reconnect. */
export interface BusOpening {
  readonly subscriptions: readonly Subscription[];
  /** Asked before every attempt to connect, so that a will can name its session. */
  readonly will?: () => Will;
}

/**
 * A message bus that may be there or not. It connects and reconnects by itself and can be used at once after opening:
 * while there is no connection everything published is `offline`, and nothing is kept for later.
 */
export interface Bus extends Closable {
  /** True from the moment all subscriptions are in force until the connection is gone. */
  readonly connected: boolean;
  /**
   * Settles within the implementation's deadline and never rejects for anything the network does.
   * @throws ProgrammerError for a topic that is empty or holds a wildcard
   */
  publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<PublishOutcome>;
  /** Calls back on every change of `connected`, not for the state at hand; the returned function ends that. */
  onConnection(listener: (connected: boolean) => void): () => void;
}
