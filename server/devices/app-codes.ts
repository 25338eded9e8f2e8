import { createHmac, hkdfSync } from 'node:crypto';
import type { Clock } from '../../foundation/clock.ts';
import { deviceIdentifier, readAppCode } from '../../sync/contract/app-code/app-code.ts';
import { ageFault, defaultAppCodeRules } from '../../sync/contract/app-code/freshness.ts';
import { isSignedBy, verifyingKey } from '../../sync/contract/app-code/signature.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { AppCodeConfirm, CodeVerdict } from '../../sync/contract/code-requests.ts';
import type { TenantId, TillId } from '../../sync/contract/ids.ts';
import type { Database } from '../database/database.ts';
import { readOwned } from './owned-credential.ts';

/** Longer than any code is taken, clocks that differ included. */
const REMEMBERED_MS = 15 * 60_000;

/**
 * Says whether an app code is good everywhere: signed by a phone that is enrolled at this moment, fresh by the server's
 * clock, and not shown at another till.
 */
export class AppCodes {
  readonly #database: Database;
  readonly #indexer: BlindIndexer;
  readonly #tenant: TenantId;
  readonly #clock: Clock;
  readonly #digestKey: Buffer;

  constructor(ports: {
    readonly database: Database;
    readonly indexer: BlindIndexer;
    readonly tenant: TenantId;
    readonly serverSecret: Uint8Array;
    readonly clock: Clock;
  }) {
    this.#database = ports.database;
    this.#indexer = ports.indexer;
    this.#tenant = ports.tenant;
    this.#clock = ports.clock;
    this.#digestKey = Buffer.from(
      hkdfSync('sha256', ports.serverSecret, 'stammkunde', 'app-code-digest/v1', 32),
    );
  }

  /** The same code from the same till is confirmed again: its first answer may have been lost. */
  async confirm(till: TillId, { code: hex }: AppCodeConfirm): Promise<CodeVerdict> {
    const read = readAppCode(Buffer.from(hex, 'hex'));
    if (!read.ok) return 'refused';
    const { code } = read;
    const now = this.#clock.now();
    const forms = this.#indexer.forms('app', deviceIdentifier(code.keyId));
    return this.#database.transaction(async (tx) => {
      const owned = await readOwned(tx, forms, now);
      if (owned === undefined) return 'unknown';
      if (!owned.isActive || owned.publicKey === null) return 'refused';
      if (!isSignedBy(code, this.#tenant, verifyingKey(owned.publicKey))) return 'refused';
      if (ageFault(code, now, defaultAppCodeRules) !== undefined) return 'refused';
      await tx
        .deleteFrom('app_code_use')
        .where('at', '<', now - REMEMBERED_MS)
        .execute();
      const digest = createHmac('sha256', this.#digestKey).update(code.head).digest('base64url');
      await tx
        .insertInto('app_code_use')
        .values({ digest, till, at: now })
        .onConflict((conflict) => conflict.column('digest').doNothing())
        .execute();
      const first = await tx
        .selectFrom('app_code_use')
        .select('till')
        .where('digest', '=', digest)
        .executeTakeFirstOrThrow();
      return first.till === till ? 'confirmed' : 'replayed';
    });
  }
}
