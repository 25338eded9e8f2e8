import { sql } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import { DEVICE_SCHEME, deviceIdentifier, keyIdOf } from '../../sync/contract/app-code/app-code.ts';
import { isSoundPublicKey } from '../../sync/contract/app-code/device-key.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { adoptCards, insertCards, readCardOwners } from '../cards/insert-cards.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../database/database.ts';
import { readForms } from '../identifiers/credential-forms.ts';
import { changeOwnership, claimPoints } from '../ledger/claim.ts';
import type { Device, NewDevice } from './device.ts';

/** Phones of one customer that may sign at one time. */
const DEVICES_MAX = 10;

export interface DevicesPorts {
  readonly database: Database;
  readonly indexer: BlindIndexer;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly random: Random;
}

interface DeviceRow {
  readonly id: string;
  readonly customer_id: string | null;
  readonly public_key: string | null;
  readonly status: Device['status'];
  readonly issued_at: number;
}

/** The phones of customers. A phone is a credential like a card, with a key in place of a number. */
export class Devices {
  readonly #ports: DevicesPorts;

  constructor(ports: DevicesPorts) {
    this.#ports = ports;
  }

  /**
   * Takes a phone's public key; the tills have it with the feed. The same key again changes nothing.
   * @throws StammkundeError DEVICE_KEY_UNSOUND · DEVICE_LIMIT · CARD_TAKEN (the key is someone else's, or was revoked) ·
   *   CUSTOMER_NOT_FOUND
   */
  async enrol(customerId: string, { publicKey }: NewDevice): Promise<Device> {
    const { database, indexer, changes, clock, random } = this.#ports;
    const key = Buffer.from(publicKey, 'base64url');
    if (!isSoundPublicKey(key)) {
      throw new StammkundeError('DEVICE_KEY_UNSOUND', 'the public key cannot be taken');
    }
    const olderForms = indexer.forms('app', deviceIdentifier(keyIdOf(key))).slice(0, -1);
    const index = indexer.index('app', deviceIdentifier(keyIdOf(key)));
    const own = {
      index,
      keyVersion: indexer.version,
      olderForms,
      kind: 'app',
      scheme: DEVICE_SCHEME,
      validUntil: null,
    } as const;
    const row = await database.transaction(async (tx) => {
      await changeOwnership(tx);
      const customer = await tx
        .selectFrom('customer')
        .select('id')
        .where('id', '=', customerId)
        .where('status', '<>', 'closed')
        .executeTakeFirst();
      if (customer === undefined) {
        throw new StammkundeError('CUSTOMER_NOT_FOUND', `there is no customer ${customerId}`);
      }
      const id = uuidV7(clock.now(), random);
      await adoptCards(tx, [{ ...own, id }]);
      const owner = (await readCardOwners(tx, [index])).get(index) ?? null;
      if (owner === null) {
        const { n } = await tx
          .selectFrom('credential')
          .select(sql<number>`count(*)::int`.as('n'))
          .where('customer_id', '=', customer.id)
          .where('public_key', 'is not', null)
          .where('alias_of', 'is', null)
          .executeTakeFirstOrThrow();
        if (n >= DEVICES_MAX) {
          throw new StammkundeError('DEVICE_LIMIT', `a customer has ${DEVICES_MAX} devices at most`);
        }
        await insertCards(tx, [{ ...own, id, customerId: customer.id }], clock.now());
        await tx
          .updateTable('credential')
          .set({ public_key: publicKey })
          .where('index', '=', index)
          .execute();
        await claimPoints(tx, [{ index, customerId: customer.id }], { clock, random });
      }
      const found = await tx
        .selectFrom('credential')
        .select(['id', 'customer_id', 'public_key', 'status', 'issued_at'])
        .where('index', '=', index)
        .executeTakeFirstOrThrow();
      if (found.customer_id !== customer.id || found.public_key !== publicKey) {
        throw new StammkundeError('CARD_TAKEN', 'the key belongs to another customer, or was revoked');
      }
      return found;
    });
    changes.changed();
    return deviceOf(row, customerId);
  }

  /** @throws StammkundeError CUSTOMER_NOT_FOUND */
  async list(customerId: string): Promise<readonly Device[]> {
    const { db } = this.#ports.database;
    const customer = await db
      .selectFrom('customer')
      .select('id')
      .where('id', '=', customerId)
      .executeTakeFirst();
    if (customer === undefined) {
      throw new StammkundeError('CUSTOMER_NOT_FOUND', `there is no customer ${customerId}`);
    }
    const rows = await db
      .selectFrom('credential')
      .select(['id', 'customer_id', 'public_key', 'status', 'issued_at'])
      .where('customer_id', '=', customerId)
      .where('scheme', '=', DEVICE_SCHEME)
      .where('alias_of', 'is', null)
      .orderBy('issued_at')
      .orderBy('id')
      .execute();
    return rows.map((row) => deviceOf(row, customerId));
  }

  /**
   * Takes a phone's right to sign away for good and tells all tills at once. Its key is deleted; the blind index stays,
   * so that the key is never taken again. Repeated, it changes nothing.
   * @throws StammkundeError DEVICE_NOT_FOUND
   */
  async revoke(customerId: string, deviceId: string): Promise<Device> {
    const { database, changes } = this.#ports;
    const changed = await database.transaction(async (tx) => {
      const row = await tx
        .updateTable('credential')
        .set({ status: 'blocked', public_key: null })
        .where('id', '=', deviceId)
        .where('customer_id', '=', customerId)
        .where('scheme', '=', DEVICE_SCHEME)
        .where('alias_of', 'is', null)
        .returning(['id', 'customer_id', 'public_key', 'status', 'issued_at'])
        .executeTakeFirst();
      return row === undefined ? undefined : { row, forms: await readForms(tx, deviceId) };
    });
    if (changed === undefined) {
      throw new StammkundeError('DEVICE_NOT_FOUND', `customer ${customerId} has no device ${deviceId}`);
    }
    const { xid, seq, documents } = changed.forms;
    changes.urgent({
      position: { epoch: database.epoch, xid, seq },
      credentials: [...documents],
      customers: [],
    });
    changes.changed();
    return deviceOf(changed.row, customerId);
  }
}

function deviceOf(row: DeviceRow, customerId: string): Device {
  return {
    id: row.id,
    customerId: row.customer_id ?? customerId,
    keyId: row.public_key === null ? null : keyIdOf(Buffer.from(row.public_key, 'base64url')),
    status: row.status,
    enrolledAt: row.issued_at,
  };
}
