import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { EventMessage } from '../edge/api/events.ts';
import type { TillEvent } from '../edge/api/events.ts';
import type { Clock } from '../foundation/clock.ts';
import { asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';

type EventName = TillEvent['event'];
type EventOf<E extends EventName> = Extract<TillEvent, { event: E }>;

/** An event, and when its last byte was here, in the monotonic time of this process. */
interface Arrival {
  readonly payload: TillEvent;
  readonly arrivedAtMonotonicMs: number;
}

const CONNECT_DEADLINE_MS = 5_000;

/** A till's events as a POS hears them: over the WebSocket, checked against the published schema. */
export class TillEvents implements Closable {
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #listeners = new Set<(arrival: Arrival) => void>();
  readonly #waiting = new Set<(reason: Error) => void>();
  #hello: EventOf<'hello'> | undefined;
  #gone: Error | undefined;

  private constructor(socket: WebSocket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    socket.on('message', (frame) => this.#take(frame, clock.monotonicMs()));
    socket.on('close', (code) => this.#lost(new Error(`the till hung up (${code})`)));
    socket.on('error', (error) => this.#lost(error));
  }

  /**
   * Resolves once the till has said hello.
   * @param url of the till's API, such as http://127.0.0.1:4180
   * @throws Error when it does not within five seconds
   */
  static async open(url: string, token: string, clock: Clock): Promise<TillEvents> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/events`, {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
      handshakeTimeout: CONNECT_DEADLINE_MS,
    });
    const events = new TillEvents(socket, clock);
    try {
      await events.next('hello', () => true, CONNECT_DEADLINE_MS);
      return events;
    } catch (error) {
      socket.terminate();
      throw error;
    }
  }

  /** What the till said first. */
  get hello(): EventOf<'hello'> {
    if (this.#hello === undefined) throw new Error('the till has not said hello');
    return this.#hello;
  }

  /** Calls back with every event from now on; the returned function ends that. */
  listen(listener: (arrival: Arrival) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * The next event of a kind that fits. Ask before causing it.
   * @throws Error when it does not come in time or the connection breaks
   */
  next<E extends EventName>(
    name: E,
    fits: (event: EventOf<E>) => boolean,
    deadlineMs: number,
  ): Promise<EventOf<E> & { readonly arrivedAtMonotonicMs: number }> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) {
        reject(this.#gone);
        return;
      }
      const finish = (): void => {
        cancel();
        unlisten();
        this.#waiting.delete(fail);
      };
      const fail = (reason: Error): void => {
        finish();
        reject(reason);
      };
      const cancel = this.#clock.schedule(deadlineMs, () =>
        fail(new Error(`the till sent no ${name} event within ${deadlineMs} ms`)),
      );
      const unlisten = this.listen(({ payload, arrivedAtMonotonicMs }) => {
        if (payload.event !== name) return;
        // Its name was compared just above, which TypeScript does not carry over to the generic type.
        const event = payload as EventOf<E>;
        if (!fits(event)) return;
        finish();
        resolve({ ...event, arrivedAtMonotonicMs });
      });
      this.#waiting.add(fail);
    });
  }

  async close(): Promise<void> {
    this.#socket.terminate();
    this.#lost(new Error('closed'));
  }

  #take(frame: RawData, arrivedAtMonotonicMs: number): void {
    try {
      const { payload } = EventMessage.parse(JSON.parse(textOf(frame)));
      if (payload.event === 'hello') this.#hello = payload;
      for (const listener of this.#listeners) listener({ payload, arrivedAtMonotonicMs });
    } catch (error) {
      this.#lost(new Error('the till sent an event that does not fit its schema', { cause: asError(error) }));
      this.#socket.terminate();
    }
  }

  #lost(reason: Error): void {
    this.#gone ??= reason;
    for (const fail of this.#waiting) fail(this.#gone);
  }
}

function textOf(frame: RawData): string {
  if (Array.isArray(frame)) return Buffer.concat(frame).toString();
  return frame instanceof ArrayBuffer ? Buffer.from(frame).toString() : frame.toString();
}
