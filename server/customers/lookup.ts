import { sql } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { BlindIndex, IndexForms } from '../../sync/contract/blind-index.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import type { LookupAnswer, LookupRequest } from '../../sync/contract/lookup.ts';
import type { Queries } from '../database/database.ts';
import { credentialDocument, customerDocument } from '../feed/documents.ts';
import type { CredentialRow, CustomerRow } from '../feed/documents.ts';
import { RateLimit } from '../requests/rate-limit.ts';
import type { Rate } from '../requests/rate-limit.ts';

/** More than hands can present, in a moment and in a day: a stolen till must not walk through the numbers. */
const RATES: readonly Rate[] = [
  { burst: 20, perSecond: 5 },
  { burst: 1_000, perSecond: 0.1 },
];
/** An alarm for one till is given at most this often. */
const ALARM: Rate = { burst: 1, perSecond: 1 / 60 };

/** Tells a till whose card it is that the till does not hold, whatever the scope of its replica. */
export class CardLookup {
  readonly #db: Queries;
  readonly #indexer: IndexForms;
  readonly #log: Log;
  readonly #limits: readonly RateLimit[];
  readonly #alarm: RateLimit;

  constructor(ports: {
    readonly database: Queries;
    readonly indexer: IndexForms;
    readonly clock: Clock;
    readonly log: Log;
    /** Every one of them must allow a question. */
    readonly rates?: readonly Rate[];
  }) {
    this.#db = ports.database;
    this.#indexer = ports.indexer;
    this.#log = ports.log;
    this.#limits = (ports.rates ?? RATES).map((rate) => new RateLimit(rate, ports.clock));
    this.#alarm = new RateLimit(ALARM, ports.clock);
  }

  /** @throws StammkundeError REQ_LIMITED when the till asks more than customers can present to it */
  async answer(till: TillId, { kind, index }: LookupRequest): Promise<LookupAnswer> {
    if (!this.#limits.every((limit) => limit.take(till))) {
      const error = new StammkundeError(
        'REQ_LIMITED',
        `${till} looks up more cards than are presented to it`,
      );
      if (this.#alarm.take(till)) this.#log.error({ event: 'lookup.limited', till, error });
      throw error;
    }
    return { kind, ...(await readCard(this.#db, this.#indexer.formsFrom(index))) };
  }
}

interface CardRow extends CredentialRow {
  readonly owner: CustomerRow | null;
}

/** A card and its owner as they stand together, by any of the number's indexes; the newest one counts. */
async function readCard(
  db: Queries,
  forms: readonly BlindIndex[],
): Promise<Pick<LookupAnswer, 'credential' | 'customer'>> {
  const { rows } = await sql<CardRow>`
    select k.index, k.kind, k.customer_id, k.status, k.valid_until, k.public_key,
      case when c.id is null then null else jsonb_build_object(
        'id', c.id, 'status', c.status, 'tier', c.tier, 'points', c.points, 'points_at', c.points_at,
        'purposes', c.purposes, 'greeting', c.greeting) end as owner
    from credential k left join customer c on c.id = k.customer_id and k.status <> 'blocked'
    where k.index = any(${[...forms]}::text[])`.execute(db);
  const row = forms
    .toReversed()
    .map((form) => rows.find((each) => each.index === form))
    .find((each) => each !== undefined);
  return {
    credential: row === undefined ? null : credentialDocument(row),
    customer: row === undefined || row.owner === null ? null : customerDocument(row.owner),
  };
}
