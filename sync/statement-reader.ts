import type { KeyObject } from 'node:crypto';
import type { Clock } from '../foundation/clock.ts';
import { isFault } from '../foundation/errors.ts';
import type { ErrorCode } from '../foundation/error-codes.ts';
import type { Log } from '../foundation/log.ts';
import type { TillId } from './contract/ids.ts';
import type { ServerBodyKind } from './contract/messages.ts';
import { verifyStatement } from './contract/server-signature.ts';
import type { ServerStatement } from './contract/server-signature.ts';

/** Between two log lines about messages refused for the same reason, ms. */
const LOG_EVERY_MS = 60_000;

/** Opens what the server signed for this till. What cannot be believed is counted, logged sparingly, and left. */
export class StatementReader {
  readonly #till: TillId;
  readonly #publicKey: KeyObject;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rejected = new Map<ErrorCode, { count: number; loggedAtMs: number }>();

  constructor(options: {
    readonly till: TillId;
    readonly publicKey: KeyObject;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#till = options.till;
    this.#publicKey = options.publicKey;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Messages refused so far, by code. */
  get rejected(): Readonly<Partial<Record<ErrorCode, number>>> {
    return Object.fromEntries([...this.#rejected].map(([code, { count }]) => [code, count]));
  }

  read<K extends ServerBodyKind>(kind: K, payload: Uint8Array): ServerStatement<K> | undefined {
    try {
      return verifyStatement(payload, {
        kind,
        till: this.#till,
        publicKey: this.#publicKey,
        now: this.#clock.now(),
      });
    } catch (error) {
      if (!isFault(error)) throw error;
      this.reject(error.code, kind, error.message);
      return undefined;
    }
  }

  /** Counts a message that was opened and still cannot be obeyed. */
  reject(code: ErrorCode, kind: ServerBodyKind, reason: string): void {
    const nowMs = this.#clock.monotonicMs();
    const entry = this.#rejected.get(code) ?? { count: 0, loggedAtMs: -Infinity };
    entry.count += 1;
    if (nowMs - entry.loggedAtMs >= LOG_EVERY_MS) {
      entry.loggedAtMs = nowMs;
      this.#log.warn({ event: 'wire.rejected', code, kind, reason, count: entry.count });
    }
    this.#rejected.set(code, entry);
  }
}
