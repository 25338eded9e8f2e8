import type { Selectable } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Random } from '../../foundation/random.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../database/database.ts';
import type { CredentialTable } from '../database/tables.ts';
import { readForms } from '../identifiers/credential-forms.ts';
import { changeOwnership, claimPoints } from '../ledger/claim.ts';
import type { Card, CardNumber } from './card.ts';
import type { CardNumbers } from './card-numbers.ts';
import { adoptCards, insertCards, readCardOwners } from './insert-cards.ts';

export interface CardsPorts {
  readonly database: Database;
  readonly cardNumbers: CardNumbers;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly random: Random;
}

/** What {@link cardOf} needs of a row. */
export const CARD_COLUMNS = [
  'id',
  'kind',
  'scheme',
  'customer_id',
  'status',
  'valid_until',
  'issued_at',
] as const;

export function cardOf(row: Pick<Selectable<CredentialTable>, (typeof CARD_COLUMNS)[number]>): Card {
  return {
    id: row.id,
    kind: row.kind,
    scheme: row.scheme,
    customerId: row.customer_id,
    status: row.status,
    validUntil: row.valid_until,
    issuedAt: row.issued_at,
  };
}

/** The cards of the programme, by id; their numbers are known to nobody. */
export class Cards {
  readonly #ports: CardsPorts;

  constructor(ports: CardsPorts) {
    this.#ports = ports;
  }

  /**
   * Gives a card to a customer, with the points earned with it so far. Giving it to the same customer again changes
   * nothing.
   * @throws StammkundeError PAN_REJECTED · CARD_NUMBER_INVALID · CARD_TAKEN · CUSTOMER_NOT_FOUND
   */
  async issue(customerId: string, number: CardNumber): Promise<Card> {
    const { database, cardNumbers, changes, clock, random } = this.#ports;
    const read = cardNumbers.read(number);
    if (read.kind === 'refused') throw new StammkundeError(read.code, 'the card cannot be given out');
    const issued = read.card;
    const card = await database.transaction(async (tx) => {
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
      await adoptCards(tx, [issued]);
      const owner = (await readCardOwners(tx, [issued.index])).get(issued.index) ?? null;
      if (owner !== null && owner !== customer.id) {
        throw new StammkundeError('CARD_TAKEN', 'the card belongs to another customer');
      }
      const own = { ...issued, customerId: customer.id };
      if (owner === null) {
        await insertCards(tx, [own], clock.now());
        await claimPoints(tx, [own], { clock, random });
      }
      return tx
        .selectFrom('credential')
        .select(CARD_COLUMNS)
        .where('index', '=', issued.index)
        .executeTakeFirstOrThrow();
    });
    changes.changed();
    return cardOf(card);
  }

  /**
   * Blocks or unblocks a card, and tells all tills at once.
   * @throws StammkundeError CARD_NOT_FOUND
   */
  async setStatus(id: string, status: Card['status']): Promise<Card> {
    const { database, changes } = this.#ports;
    const changed = await database.transaction(async (tx) => {
      const row = await tx
        .updateTable('credential')
        .set({ status })
        .where('id', '=', id)
        .where('alias_of', 'is', null)
        .returning(CARD_COLUMNS)
        .executeTakeFirst();
      return row === undefined ? undefined : { row, forms: await readForms(tx, id) };
    });
    if (changed === undefined) throw new StammkundeError('CARD_NOT_FOUND', `there is no card ${id}`);
    const { xid, seq, documents } = changed.forms;
    changes.urgent({
      position: { epoch: database.epoch, xid, seq },
      credentials: [...documents],
      customers: [],
    });
    changes.changed();
    return cardOf(changed.row);
  }
}
