import type { KeyObject } from 'node:crypto';
import type { Clock } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { DEVICE_SCHEME, deviceIdentifier } from '../../sync/contract/app-code/app-code.ts';
import type { AppCode } from '../../sync/contract/app-code/app-code.ts';
import { ageFault, defaultAppCodeRules, lastsMs } from '../../sync/contract/app-code/freshness.ts';
import type { AppCodeRules } from '../../sync/contract/app-code/freshness.ts';
import { isSignedBy, verifyingKey } from '../../sync/contract/app-code/signature.ts';
import { Credential } from '../../sync/contract/credential.ts';
import type { TrustLevel } from '../../sync/contract/credential.ts';
import type { CredentialDocument } from '../../sync/contract/replica-documents.ts';
import type { CodeBook } from './code-book.ts';
import type { Downgrade } from './downgrade.ts';
import type { TrustedTime } from './trusted-time.ts';

export type AppCodeVerdict =
  | { readonly kind: 'credential'; readonly credential: Credential; readonly downgrade: Downgrade | null }
  | {
      readonly kind: 'refused';
      readonly code: Extract<
        ErrorCode,
        'APP_CODE_SIGNATURE' | 'APP_CODE_EXPIRED' | 'APP_CODE_FUTURE' | 'APP_CODE_REVOKED' | 'REPLAY'
      >;
    };

/** Keys made ready for verifying; making one takes as long as using it. */
const KEYS_MAX = 256;

/**
 * Judges an app code on this machine alone, in this order:
 *
 *   key here? ─no─▶ L1, key-unknown
 *     ─▶ signed? ─no─▶ APP_CODE_SIGNATURE
 *     ─▶ clock good? ─no──────────────────────┐
 *     ─▶ fresh? ─no─▶ APP_CODE_EXPIRED/FUTURE │
 *     ─▶ shown before? ─yes─▶ REPLAY ◀────────┤
 *     ─▶ remembered? ─no─▶ L1, not-remembered ▼
 *     ─▶ L3                            L1, clock
 */
export class AppCodeVerifier {
  readonly #tenant: string;
  readonly #clock: Clock;
  readonly #time: Pick<TrustedTime, 'quality'>;
  readonly #book: Pick<CodeBook, 'note' | 'completeFrom'>;
  readonly #rules: AppCodeRules;
  readonly #keys = new Map<string, KeyObject>();

  constructor(options: {
    readonly tenant: string;
    readonly clock: Clock;
    readonly time: Pick<TrustedTime, 'quality'>;
    readonly book: Pick<CodeBook, 'note' | 'completeFrom'>;
    readonly rules?: AppCodeRules;
  }) {
    this.#tenant = options.tenant;
    this.#clock = options.clock;
    this.#time = options.time;
    this.#book = options.book;
    this.#rules = options.rules ?? defaultAppCodeRules;
  }

  /** @param held what the replica holds under the code's key id, if anything */
  verify(code: AppCode, held: CredentialDocument | undefined): AppCodeVerdict {
    // Nobody's, or enrolled so lately that the replica does not know: the sale is kept, the server settles it.
    if (held === undefined) return credential(code, 'L1', 'key-unknown');
    // Blocked or expired is told as such, whatever the signature says: nothing may be done in either case.
    if (held.status === 'blocked') return credential(code, 'L1', null);
    if (held.publicKey === undefined) return { kind: 'refused', code: 'APP_CODE_REVOKED' };
    if (!isSignedBy(code, this.#tenant, this.#key(held.publicKey))) {
      return { kind: 'refused', code: 'APP_CODE_SIGNATURE' };
    }
    const now = this.#clock.now();
    const isClockGood = this.#time.quality === 'good';
    const fault = isClockGood ? ageFault(code, now, this.#rules) : undefined;
    if (fault !== undefined) return { kind: 'refused', code: fault };
    // Twice as long as it could be taken, counted from the later of the two clocks.
    const noted = this.#book.note(code, Math.max(now, code.issuedAt) + 2 * lastsMs(code, this.#rules));
    if (noted === 'seen') return { kind: 'refused', code: 'REPLAY' };
    if (!isClockGood) return credential(code, 'L1', 'clock');
    // A phone whose clock is ahead may have shown a code before the book began that was issued after.
    if (noted === 'not-remembered' || code.issuedAt < this.#book.completeFrom + this.#rules.skewMs) {
      return credential(code, 'L1', 'not-remembered');
    }
    return credential(code, 'L3', null);
  }

  /** The least recently used key goes first. */
  #key(publicKey: string): KeyObject {
    const key = this.#keys.get(publicKey) ?? verifyingKey(publicKey);
    this.#keys.delete(publicKey);
    this.#keys.set(publicKey, key);
    if (this.#keys.size > KEYS_MAX) {
      const oldest = this.#keys.keys().next();
      if (oldest.done !== true) this.#keys.delete(oldest.value);
    }
    return key;
  }
}

function credential(code: AppCode, trust: TrustLevel, downgrade: Downgrade | null): AppCodeVerdict {
  return {
    kind: 'credential',
    credential: new Credential('app', DEVICE_SCHEME, trust, deviceIdentifier(code.keyId)),
    downgrade,
  };
}
