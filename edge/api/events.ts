import { z } from 'zod';
import { identifierKinds, trustLevels } from '../../sync/contract/credential.ts';
import { Basket } from '../../sync/contract/basket.ts';
import { InstantMs, Uuid } from '../../sync/contract/ids.ts';
import { Currency } from '../../sync/contract/money.ts';
import { OfferView } from '../../sync/contract/offer.ts';
import { trustActions } from '../../sync/contract/trust-policy.ts';
import { downgrades } from '../app-code/downgrade.ts';
import { Text } from '../../sync/contract/replica-documents.ts';
import { SaleRedemption } from '../sale/redemption.ts';
import { reversedFields } from '../sale/reversal.ts';
import { LinkingView } from '../linking/linking-view.ts';

/** A customer as the till may show them. */
export const CustomerView = z.strictObject({
  id: Uuid,
  greeting: z.string().nullable(),
  tier: z.string(),
  tierName: Text.nullable(),
  points: z.int(),
  pointsAt: InstantMs.describe('When the server’s ledger had that balance'),
});

/** The outcome of one identification. */
export const Identification = z.discriminatedUnion('verdict', [
  z.strictObject({ verdict: z.literal('known'), customer: CustomerView }),
  z.strictObject({ verdict: z.literal('blocked') }),
  z.strictObject({ verdict: z.literal('expired'), since: InstantMs }),
  z
    .strictObject({ verdict: z.literal('unknown') })
    .describe(
      'It belongs to nobody, by the word of the server or of a complete replica; the sale is kept against it',
    ),
  z
    .strictObject({ verdict: z.literal('unreached') })
    .describe(
      'It is not on this till and the server did not answer (yet); the sale is kept against it and the server settles it',
    ),
]);

/** Whom a sale belongs to, or the next one will. */
const customerFields = {
  identificationId: Uuid,
  credential: z.string().describe('Masked, for people'),
  kind: z.enum(identifierKinds),
  trust: z.enum(trustLevels),
  identification: Identification,
};

/** Somebody identified while no sale is open. */
export const WaitingView = z.strictObject({
  ...customerFields,
  offers: z.array(OfferView),
  currency: Currency.nullable().describe('Of the amounts in the offers; null before the first programme'),
  waitedMs: z.number().describe('Since they were identified'),
});

/** A completed or running sale as the POS sees it. */
export const SaleView = z.strictObject({
  saleId: Uuid,
  status: z.enum(['open', 'completed', 'voided']),
  openedAt: InstantMs,
  closedAt: InstantMs.nullable(),
  basket: Basket,
  customer: z.strictObject(customerFields).nullable(),
  offers: z.array(OfferView),
  points: z
    .strictObject({ base: z.int(), bonus: z.int(), total: z.int() })
    .describe('What this basket earns as it stands'),
  receiptCode: z
    .string()
    .optional()
    .describe('To print on the receipt of a sale without a customer: it can be claimed with it'),
  redemption: SaleRedemption.optional().describe('The points it is paid with; absent without'),
  reversed: reversedFields.reversed.optional(),
  reversedUnknown: reversedFields.reversedUnknown,
  entry: z
    .strictObject({ seq: z.int(), id: Uuid, hash: z.string() })
    .nullable()
    .describe('The journal entry, once closed'),
});

/** How far the loading of a whole customer base is. */
export const SeedingView = z.strictObject({
  phase: z
    .enum(['preparing', 'loading', 'catching-up'])
    .describe(
      'preparing: the server makes a snapshot; loading: what it holds is loaded; catching-up: what changed meanwhile',
    ),
  percent: z.int().min(0).max(100).nullable().describe('Of all that is to be loaded; null when nobody knows'),
  ratePerSecond: z
    .number()
    .min(0)
    .nullable()
    .describe('Customers and cards loaded in a second; null at first'),
});

/** Whether the till is well, in terms of what is missing. */
export const SyncView = z.strictObject({
  server: z.enum(['connected', 'disconnected']),
  unconfirmed: z.int().describe('Journal entries the server has not confirmed'),
  diverged: z
    .boolean()
    .describe(
      'The server holds another journal under this till’s name: sales are kept here and wait for support',
    ),
  unanswered: z
    .boolean()
    .optional()
    .describe(
      'Entries were sent again and again and no server confirmed them: JRN_UNANSWERED or BUS_FORBIDDEN in the log',
    ),
  replica: z.strictObject({
    ready: z.boolean(),
    customers: z.int(),
    credentials: z.int(),
    caughtUpAt: InstantMs.nullable().describe('When the replica last held all the server had'),
    ageMs: z.number().nullable(),
    verifiedAt: InstantMs.nullable()
      .optional()
      .describe('When all of it was last found to be what the server has; null: not yet'),
    proven: z
      .boolean()
      .optional()
      .describe(
        'False while the file may be an older copy that was put back; nothing in it is relied on then',
      ),
    seeding: SeedingView.nullable().optional().describe('A customer base being loaded; null when none is'),
  }),
});

export const ReaderView = z.strictObject({
  id: z.string(),
  kind: z.string(),
  status: z.enum(['opening', 'ready', 'waiting', 'closed']),
  code: z.string().nullable().describe('Why it waits'),
  scans: z.int(),
  repeats: z
    .int()
    .optional()
    .describe('Sights of a code within one pull of the trigger after the first; they are no scans'),
});

/** Where a scan that identifies nobody went. */
const passedOnKinds = ['event', 'handed-on', 'waiting', 'claimed', 'paused'] as const;

const PassedOn = z
  .enum(passedOnKinds)
  .describe(
    'event: told here alone; handed-on: to an output (virtual port, TCP); waiting: no output took it yet, and it is ' +
      'dropped when it is too old; claimed: told to the client alone that claimed the reader; paused: that client takes none',
  );

/** How far an identification is trusted, and what follows. */
export const trustFields = {
  trust: z.enum(trustLevels),
  may: z
    .array(z.enum(trustActions))
    .describe(
      'What may be done for this customer now, by the policy for the level and whether the server is reached',
    ),
  downgrade: z
    .enum(downgrades)
    .nullable()
    .describe(
      'Why a phone’s code is worth no more than a static one; null when it is, and for everything else',
    ),
};

/** What the WebSocket `/v1/events` sends; each carries a growing `n` and the till's wall clock. */
export const TillEvent = z.discriminatedUnion('event', [
  z.strictObject({
    event: z.literal('hello'),
    clientId: z.string().optional().describe('Name of this connection, for claiming a reader'),
    till: z.string(),
    store: z.string(),
    sale: SaleView.nullable(),
    sync: SyncView,
    readers: z.array(ReaderView),
    waiting: WaitingView.nullable()
      .optional()
      .describe('Who was identified while no sale is open, and will be the customer of the next'),
    heartbeatMs: z
      .int()
      .min(1)
      .optional()
      .describe('The event heartbeat comes this often; only a client with the token of the display gets it'),
    linking: LinkingView.nullable()
      .optional()
      .describe('The question whether to link a bank card, while it is open'),
  }),
  z.strictObject({
    event: z.literal('scan'),
    scanId: Uuid,
    readerId: z.string(),
    outcome: z.discriminatedUnion('kind', [
      z.strictObject({
        kind: z.literal('credential'),
        credential: z.string().describe('Masked'),
        scheme: z.string(),
      }),
      z.strictObject({
        kind: z.literal('product'),
        code: z.string().describe('Exactly as read, without AIM identifier'),
        symbology: z.string(),
        aim: z.string().optional().describe('AIM identifier as the reader sent it, such as ]E0'),
        what: z.enum(['coupon']).optional().describe('There when the number itself says what it is'),
        passedOn: PassedOn.optional(),
      }),
      z
        .strictObject({ kind: z.literal('claimed') })
        .describe('A product which another client has claimed; told to clients with the POS’s token'),
      z.strictObject({
        kind: z.literal('refused'),
        code: z.string().describe('PAN_REJECTED: nothing of it is kept'),
        reason: z.string(),
      }),
      z.strictObject({
        kind: z.literal('unreadable'),
        code: z.string(),
        fits: z
          .array(z.string())
          .optional()
          .describe('With SCANNER_LAYOUT: keyboard layouts the scanner may be set to, likeliest first'),
        passedOn: PassedOn.optional().describe('There when its bytes went to an output all the same'),
      }),
    ]),
  }),
  z.strictObject({
    event: z.literal('identified'),
    identificationId: Uuid,
    scanId: Uuid.nullable().describe('null when the number was typed'),
    credential: z.string().describe('Masked'),
    ...trustFields,
    identification: Identification,
    offers: z.array(OfferView),
    currency: Currency.nullable().describe('Of the amounts in the offers; null before the first programme'),
    replicaAgeMs: z.number().nullable(),
    tookMs: z.number().describe('Frame complete → decided'),
    lookingUp: z
      .literal(true)
      .optional()
      .describe(
        'The server is being asked: the verdict is unreached, or known to a till that has not caught up and may earn alone; the event looked-up follows within 150 ms',
      ),
    keeps: Uuid.optional().describe(
      'A bank card takes nobody’s place: the identification that stays with the sale. This one can be attached by its id',
    ),
  }),
  z
    .strictObject({
      event: z.literal('looked-up'),
      identificationId: Uuid.describe('As in the event identified before, where lookingUp was true'),
      scanId: Uuid.nullable(),
      credential: z.string().describe('Masked'),
      ...trustFields,
      identification: Identification,
      offers: z.array(OfferView),
      currency: Currency.nullable().describe('Of the amounts in the offers; null before the first programme'),
      code: z
        .string()
        .optional()
        .describe('With unreached: why there is no answer, such as BUS_TIMEOUT or REQ_LIMITED'),
      applied: z
        .boolean()
        .describe('False: the sale is closed or has another customer by now, and stays as it is'),
      tookMs: z.number().describe('Question → answer, or no answer'),
    })
    .describe('What came of asking the server for a card that is not on this till; the event sale follows'),
  z.strictObject({
    event: z.literal('trust').describe('The server was asked: an identification is trusted more, or less'),
    identificationId: Uuid,
    ...trustFields,
  }),
  z.strictObject({ event: z.literal('sale'), sale: SaleView }),
  z.strictObject({ event: z.literal('reader'), reader: ReaderView }),
  z.strictObject({ event: z.literal('sync'), sync: SyncView }),
  z.strictObject({ event: z.literal('linking'), linking: LinkingView }),
  z
    .strictObject({ event: z.literal('heartbeat') })
    .describe('The till is there; it carries the n of the last event, and is none itself'),
]);

export type CustomerView = z.infer<typeof CustomerView>;
export type Identification = z.infer<typeof Identification>;
export type SaleView = z.infer<typeof SaleView>;
export type SyncView = z.infer<typeof SyncView>;
export type SeedingView = z.infer<typeof SeedingView>;
export type WaitingView = z.infer<typeof WaitingView>;
export type ReaderView = z.infer<typeof ReaderView>;
export type TillEvent = z.infer<typeof TillEvent>;

/** One message on the socket. */
export const EventMessage = z.strictObject({ n: z.int().min(1), at: InstantMs, payload: TillEvent });
export type EventMessage = z.infer<typeof EventMessage>;
