import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Random } from '../../foundation/random.ts';
import {
  isSamePassword,
  oneTimePassword,
  totpAlgorithms,
} from '../../sync/contract/app-code/rotating-code.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import type { CodeVerdict, RotatingCodeVerify } from '../../sync/contract/code-requests.ts';
import type { Database } from '../database/database.ts';
import type { Rotation, RotationSettings } from './device.ts';
import { readOwned } from './owned-credential.ts';
import { Seal } from './seal.ts';

/** As long as the digest of HMAC-SHA-1, which RFC 4226, 4 (R6) recommends. */
const SECRET_BYTES = 20;
/** A phone's clock may be one period off, RFC 6238, 5.2. */
const STEPS_OFF_MAX = 1;

/** Passes whose code rotates (RFC 6238). The secrets are kept here, sealed, and nowhere else. */
export class RotatingCodes {
  readonly #database: Database;
  readonly #indexer: IndexForms;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #seal: Seal;

  constructor(ports: {
    readonly database: Database;
    readonly indexer: IndexForms;
    readonly serverSecret: Uint8Array;
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#database = ports.database;
    this.#indexer = ports.indexer;
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#seal = new Seal(ports.serverSecret, 'rotating-code', ports.random);
  }

  /**
   * Makes a new secret for a card's pass, in place of any before, and tells it this once.
   * @throws StammkundeError CARD_NOT_FOUND
   */
  async make(cardId: string, settings: RotationSettings): Promise<Rotation> {
    const secret = this.#random.bytes(SECRET_BYTES);
    const { periodSeconds, digits, algorithm } = settings;
    await this.#database.transaction(async (tx) => {
      const card = await tx
        .selectFrom('credential')
        .select('id')
        .where('id', '=', cardId)
        .where('public_key', 'is', null)
        .where('alias_of', 'is', null)
        .executeTakeFirst();
      if (card === undefined) throw new StammkundeError('CARD_NOT_FOUND', `there is no card ${cardId}`);
      const values = {
        sealed: this.#seal.close(secret, cardId),
        period_seconds: periodSeconds,
        digits,
        algorithm,
        last_step: -1,
        made_at: this.#clock.now(),
      };
      await tx
        .insertInto('rotating_secret')
        .values({ credential_id: cardId, ...values })
        .onConflict((conflict) => conflict.column('credential_id').doUpdateSet(values))
        .execute();
    });
    return { cardId, secret: Buffer.from(secret).toString('hex'), periodSeconds, digits, algorithm };
  }

  /** Says whether a one-time password is right, and takes each only once (RFC 6238, 5.2). */
  async verify({ index, at, password }: RotatingCodeVerify): Promise<CodeVerdict> {
    const now = this.#clock.now();
    return this.#database.transaction(async (tx) => {
      const owned = await readOwned(tx, this.#indexer.formsFrom(index), now);
      if (owned === undefined) return 'unknown';
      const row = await tx
        .selectFrom('rotating_secret')
        .selectAll()
        .where('credential_id', '=', owned.id)
        .forUpdate()
        .executeTakeFirst();
      if (row === undefined) return 'unknown';
      if (!owned.isActive) return 'refused';
      const algorithm = totpAlgorithms.find((each) => each === row.algorithm);
      const periodMs = row.period_seconds * 1_000;
      const step = Math.floor(at / periodMs);
      if (algorithm === undefined || Math.abs(Math.floor(now / periodMs) - step) > STEPS_OFF_MAX)
        return 'refused';
      const expected = oneTimePassword(this.#seal.open(row.sealed, owned.id), step, {
        digits: row.digits,
        algorithm,
      });
      if (!isSamePassword(password, expected)) return 'refused';
      if (step <= row.last_step) return 'replayed';
      await tx
        .updateTable('rotating_secret')
        .set({ last_step: step })
        .where('credential_id', '=', owned.id)
        .execute();
      return 'confirmed';
    });
  }
}
