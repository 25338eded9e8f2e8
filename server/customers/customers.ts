import { sql } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import { CARD_COLUMNS, cardOf } from '../cards/cards.ts';
import type { CardNumbers } from '../cards/card-numbers.ts';
import type { Changes } from '../changes.ts';
import type { Database, DatabaseTransaction, Queries } from '../database/database.ts';
import { customerDocument } from '../feed/documents.ts';
import type { CustomerPatch, CustomerView, NewCustomer } from './customer.ts';
import { insertCustomers } from './insert-customers.ts';
import type { CustomerOutcome, PreparedCustomer } from './insert-customers.ts';

export interface CustomersPorts {
  readonly database: Database;
  readonly cardNumbers: CardNumbers;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly random: Random;
}

/** The customers of the programme. */
export class Customers {
  readonly #ports: CustomersPorts;

  constructor(ports: CustomersPorts) {
    this.#ports = ports;
  }

  /** Stores many at once; the outcomes come in their order. */
  async create(customers: readonly NewCustomer[]): Promise<readonly CustomerOutcome[]> {
    const { database, changes, clock, random } = this.#ports;
    const prepared = customers.map((customer) => this.#prepare(customer));
    const sound = prepared.flatMap((each) => ('code' in each ? [] : [each]));
    const stored = await database.transaction((tx) => insertCustomers(tx, sound, { clock, random }));
    if (stored.some(({ verdict }) => verdict === 'created')) changes.changed();
    const remaining = stored.values();
    return prepared.map((each): CustomerOutcome => {
      if ('code' in each) return { id: each.id, verdict: 'refused', code: each.code };
      const next = remaining.next();
      return next.done === true ? { id: each.id, verdict: 'refused', code: 'API_INTERNAL' } : next.value;
    });
  }

  /** @throws StammkundeError CUSTOMER_NOT_FOUND */
  async get(id: string): Promise<CustomerView> {
    return readCustomer(this.#ports.database.db, id);
  }

  /**
   * Changes settings. What takes something away from the customer is told to all tills at once.
   * @throws StammkundeError CUSTOMER_NOT_FOUND · API_INVALID for a greeting without its purpose
   */
  async patch(id: string, patch: CustomerPatch): Promise<CustomerView> {
    const { database, changes } = this.#ports;
    const { view, urgent } = await database.transaction((tx) => patchCustomer(tx, id, patch));
    if (urgent !== undefined) {
      const { at_xid: xid, at_seq: seq, document } = urgent;
      changes.urgent({
        position: { epoch: database.epoch, xid, seq },
        credentials: [],
        customers: [document],
      });
    }
    changes.changed();
    return view;
  }

  #prepare(
    customer: NewCustomer,
  ): PreparedCustomer | { readonly id: string; readonly code: 'PAN_REJECTED' | 'CARD_NUMBER_INVALID' } {
    const { clock, random, cardNumbers } = this.#ports;
    const id = customer.id ?? uuidV7(clock.now(), random);
    const cards: PreparedCustomer['cards'][number][] = [];
    for (const number of customer.cards) {
      const read = cardNumbers.read(number);
      if (read.kind === 'refused') return { id, code: read.code };
      cards.push(read.card);
    }
    return { id, customer, cards };
  }
}

interface Changed {
  readonly view: CustomerView;
  readonly urgent:
    | {
        readonly at_xid: string;
        readonly at_seq: number;
        readonly document: ReturnType<typeof customerDocument>;
      }
    | undefined;
}

async function patchCustomer(tx: DatabaseTransaction, id: string, patch: CustomerPatch): Promise<Changed> {
  const before = await tx
    .selectFrom('customer')
    .select(['status', 'tier', 'purposes', 'greeting'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
  if (before === undefined) throw new StammkundeError('CUSTOMER_NOT_FOUND', `there is no customer ${id}`);
  const purposes = patch.purposes ?? before.purposes;
  const mayGreet = purposes.includes('greeting');
  if (patch.greeting !== undefined && patch.greeting !== null && !mayGreet) {
    throw new StammkundeError('API_INVALID', 'a greeting needs the purpose greeting');
  }
  const row = await tx
    .updateTable('customer')
    .set({
      status: patch.status ?? before.status,
      tier: patch.tier ?? before.tier,
      purposes,
      // Without the consent to it the first name is not kept either.
      greeting: mayGreet ? (patch.greeting === undefined ? before.greeting : patch.greeting) : null,
    })
    .where('id', '=', id)
    .returning(['id', 'status', 'tier', 'points', 'points_at', 'purposes', 'greeting'])
    .returning([sql<string>`xid::text`.as('at_xid'), 'seq as at_seq'])
    .executeTakeFirstOrThrow();
  const takesAway =
    (row.status !== before.status && row.status !== 'active') ||
    before.purposes.some((purpose) => !purposes.includes(purpose));
  const { at_xid, at_seq } = row;
  return {
    view: await readCustomer(tx, id),
    urgent: takesAway ? { at_xid, at_seq, document: customerDocument(row) } : undefined,
  };
}

async function readCustomer(db: Queries, id: string): Promise<CustomerView> {
  const row = await db.selectFrom('customer').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new StammkundeError('CUSTOMER_NOT_FOUND', `there is no customer ${id}`);
  const profile = await db
    .selectFrom('customer_profile')
    .selectAll()
    .where('customer_id', '=', id)
    .executeTakeFirst();
  const cards = await db
    .selectFrom('credential')
    .select(CARD_COLUMNS)
    .where('customer_id', '=', id)
    .where('alias_of', 'is', null)
    .orderBy('issued_at')
    .orderBy('id')
    .execute();
  return {
    id: row.id,
    status: row.status,
    tier: row.tier,
    points: row.points,
    pointsAt: row.points_at,
    purposes: row.purposes,
    greeting: row.greeting,
    createdAt: row.created_at,
    profile:
      profile === undefined
        ? null
        : {
            givenName: profile.given_name,
            familyName: profile.family_name,
            birthDate: profile.birth_date,
            email: profile.email,
            phone: profile.phone,
            street: profile.street,
            postalCode: profile.postal_code,
            city: profile.city,
            country: profile.country,
          },
    cards: cards.map(cardOf),
  };
}
