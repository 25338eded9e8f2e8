import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { ClockQuality } from '../../sync/contract/consent.ts';
import type { IdentifierKind } from '../../sync/contract/credential.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  Purpose,
} from '../../sync/contract/replica-documents.ts';
import type { SnapshotCollection } from '../../sync/contract/snapshot.ts';
import type { ConsentChannel } from '../consent/consent-event.ts';
import type { ConsentDecision } from '../consent/consent-state.ts';

/** Where a row stands in the change feed; set by a trigger on each insert and update, never by hand. */
interface FeedColumns {
  xid: ColumnType<string, never, never>;
  seq: ColumnType<number, never, never>;
}

/** A row of a collection that scopes take parts of; hash and bucket are set by the trigger of the position. */
interface RangeColumns extends FeedColumns {
  feed_part: Generated<string>;
  range_bucket: ColumnType<number, never, never>;
  /** 64 binary digits. */
  range_hash: ColumnType<string, never, never>;
}

/** Facts about this database: its epoch, the last statement version given out. */
export interface ServerMetaTable {
  name: string;
  value: string;
}

export interface ProgrammeTable extends FeedColumns {
  version: number;
  document: JSONColumnType<ProgrammeDocument>;
  /** ms since the epoch. */
  at: number;
}

export interface OfferTable extends FeedColumns {
  id: string;
  document: JSONColumnType<OfferDocument>;
  deleted: boolean;
}

/** Every state an offer was in. Append-only. */
export interface OfferVersionTable {
  offer_id: string;
  position: Generated<number>;
  /** ms since the epoch by the server's clock; never before that of the version before. */
  at: number;
  /** null from its withdrawal on. */
  document: JSONColumnType<OfferDocument> | null;
}

export interface CustomerTable extends RangeColumns {
  id: string;
  status: CustomerDocument['status'];
  tier: string;
  points: number;
  points_at: number;
  purposes: Purpose[];
  greeting: string | null;
  created_at: number;
}

/** Personal data, apart from the membership so that it can be deleted alone. */
export interface CustomerProfileTable {
  customer_id: string;
  given_name: string | null;
  family_name: string | null;
  birth_date: string | null;
  email: string | null;
  phone: string | null;
  street: string | null;
  postal_code: string | null;
  city: string | null;
  country: string | null;
}

/** A card or code. Its number is never stored: `index` is the blind index. */
export interface CredentialTable extends RangeColumns {
  id: string;
  index: string;
  kind: IdentifierKind;
  scheme: string;
  customer_id: string | null;
  status: CredentialDocument['status'];
  valid_until: number | null;
  issued_at: number;
  /** Of a phone: its Ed25519 key in base64url. */
  public_key: string | null;
  /** Under how many identifier keys `index` was made. */
  key_version: Generated<number>;
  /** Of a row that only holds an older index of a credential: that credential. Its fields follow it by a trigger. */
  alias_of: string | null;
}

/** App codes that were confirmed to a till, for as long as they could be shown again. */
export interface AppCodeUseTable {
  digest: string;
  till: string;
  /** ms since the epoch. */
  at: number;
}

/** The sealed secret of a pass whose code rotates. */
export interface RotatingSecretTable {
  credential_id: string;
  sealed: string;
  period_seconds: number;
  digits: number;
  algorithm: string;
  /** The last time step a password was taken of; -1 before the first. */
  last_step: number;
  made_at: number;
}

/** Every entry of every till, as it came. Append-only. */
export interface TillJournalTable {
  till: string;
  incarnation: string;
  seq: number;
  id: string;
  at: number;
  prev_hash: string;
  hash: string;
  body: string;
  verdict: 'created' | 'refused';
  code: string | null;
  received_at: number;
}

/** How far each journal has arrived without a hole. */
export interface TillProgressTable {
  till: string;
  incarnation: string;
  contiguous: number;
  highest: number;
  updated_at: number;
}

/** What contradicts the journal: kept for people to judge, never merged. Append-only. */
export interface JournalQuarantineTable {
  till: string;
  incarnation: string;
  seq: number;
  hash: string;
  id: string;
  at: number;
  prev_hash: string;
  body: string;
  code: string;
  received_at: number;
}

/** What people decided about quarantined entries. Append-only. */
export interface QuarantineSettlementTable {
  till: string;
  incarnation: string;
  seq: number;
  hash: string;
  decision: 'accepted' | 'dismissed';
  /** What the ledger said to an accepted one; null for one dismissed. */
  outcome: 'created' | 'exists' | 'refused' | null;
  /** Why the ledger refused it. */
  code: string | null;
  /** A pseudonym. */
  settled_by: string;
  reason: string;
  at: number;
}

/** Returns and voids as they were reported: one may arrive before the sale it is about. */
/** One row: how far tiers were looked at. */
interface TierRunTable {
  one: Generated<boolean>;
  /** Version. */
  programme: number;
  /** Its beginning. */
  day: number;
  walked: string | null;
  xid: string;
  seq: number;
}

export interface SaleReturnTable {
  /** Journal entry that reported it; it becomes the id of the ledger transaction that takes back. */
  entry_id: string;
  /** Of a void: the same as the entry. */
  return_id: string;
  sale_id: string;
  kind: 'return' | 'void';
  /** Of a void: journal entry of the completed sale. */
  completed: string | null;
  at: number;
  /** Of a return: what came back. */
  lines: JSONColumnType<readonly { readonly lineId: string; readonly quantityMilli: number }[]>;
  state: 'waiting' | 'posted' | 'refused';
  /** Why it was refused. */
  code: string | null;
  /** Taken back of what its sale had earned; null of a return from before this was noted, or not posted. */
  points: Generated<number | null>;
  till: string;
  incarnation: string;
  seq: number;
  position: Generated<number>;
}

/** Points that paid, or are kept to pay, for a sale. */
export interface RedemptionTable {
  id: string;
  /** Whose points they are. */
  account: string;
  sale_id: string;
  till: string;
  points: number;
  authorised: 'reservation' | 'allowance';
  allowance_version: number | null;
  state: 'reserved' | 'posted' | 'voided';
  /** ms since the epoch; of the question, or of the sale. */
  at: number;
  /** Until when they are kept. */
  expires_at: number;
  /** Lots they were taken from, less what was given back. */
  taken: JSONColumnType<readonly { readonly lotId: string; readonly points: number }[]>;
  /** Points of each line of the sale. */
  parts: number[] | null;
  /** What the account came to owe by it. */
  owed: number;
  flag: 'overdrawn' | 'after-void' | null;
}

/** The last allowance each till got to take points without asking. */
export interface TillAllowanceTable {
  till: string;
  version: number;
  per_customer: number;
  per_till: number;
  valid_until: number;
  issued_at: number;
}

/** Claims of receipts; one may arrive before the sale it is about. */
export interface SaleClaimTable {
  /** Journal entry of the claim. */
  entry_id: string;
  sale_id: string;
  state: 'waiting' | 'posted' | 'refused';
  /** Why it was refused. */
  code: string | null;
  position: Generated<number>;
}

/** What each earning still holds. */
export interface PointLotTable {
  /** Of the ledger transaction that made it. */
  id: string;
  /** Of the member, or of the card that has no owner yet. */
  account: string;
  earned_at: number;
  vests_at: number;
  expires_at: number | null;
  points: number;
  remaining: number;
  expired: number;
  pending: boolean;
}

export interface LedgerAccountTable {
  /** See `server/ledger/accounts.ts`. */
  id: string;
  balance: number;
}

export const ledgerKinds = [
  'sale',
  'return',
  'void',
  'claim',
  'vest',
  'expire',
  'reserve',
  'resolve',
  'honour',
  'late',
  'merge',
  'adjust',
  'erase',
] as const;
export type LedgerKind = (typeof ledgerKinds)[number];

/** Append-only. */
export interface LedgerTransactionTable {
  id: string;
  idempotency_key: string;
  kind: LedgerKind;
  at: number;
  recorded_at: number;
  till: string | null;
  incarnation: string | null;
  seq: number | null;
  /** Digest of what was asked for. */
  content: string | null;
  /** Of a sale: points of each line of its basket. */
  parts: number[] | null;
}

/** Append-only; the points of one transaction add up to zero, which a trigger enforces. */
export interface LedgerPostingTable {
  transaction_id: string;
  account_id: string;
  points: number;
  position: Generated<number>;
}

/** The last state each till reported. */
export interface TillStateTable {
  till: string;
  incarnation: string;
  session: number;
  online: boolean;
  at: number;
  version: string;
  health: JSONColumnType<object> | null;
  received_at: number;
}

/** What people agreed to and took back. Append-only; `ConsentEvent` says what the columns mean. */
export interface ConsentEventTable {
  event_id: string;
  subject_ref: string;
  purpose_code: string;
  object_ref: string | null;
  decision: ConsentDecision;
  text_version: string | null;
  text_sha256: string | null;
  locale: string | null;
  ui_variant: string | null;
  channel: ConsentChannel;
  terminal_id: string | null;
  store_id: string | null;
  operator_ref: string | null;
  occurred_at: number;
  recorded_at: number;
  clock_quality: ClockQuality;
  proof_ref: string | null;
  evidence_sha256: string | null;
  controller: string;
  recipients: string[];
  prev_hash: string;
  hash: string;
  position: Generated<number>;
}

/** Hashes of ranges, folded: one row for each bucket of each part of a collection. */
export interface FeedRangeTable {
  collection: string;
  part: string;
  bucket: number;
  /** 64 binary digits. */
  hash: string;
  count: number;
}

/** What came since, to be added to them. */
export type FeedRangeDeltaTable = FeedRangeTable;

/** Keys of what is gone from a part of a collection; written by triggers. */
export interface FeedTombstoneTable extends FeedColumns {
  collection: string;
  key: string;
  part: string;
  /** ms since the epoch, by the database's clock. */
  at: Generated<number>;
}

/** The last tombstone of each collection that was purged. */
export interface FeedPurgedTable {
  collection: string;
  xid: string;
  seq: number;
}

/** Older blind indexes that journals and ledger may name, and what the same numbers' index is now. */
export interface IndexFormTable {
  previous: string;
  index: string;
}

/** Tills that hold an identifier key and had caught up after all was re-keyed to it. */
export interface TillIdentifierKeyTable {
  till: string;
  incarnation: string;
  version: number;
  at: number;
}

/** What tills were ordered that cannot be undone, and by whom. Append-only. */
export interface TillOrderTable {
  id: string;
  till: string;
  /** The journal of the till that is meant; null: whichever it has. */
  incarnation: string | null;
  kind: 'wipe' | 'wipe-lifted';
  /** Who ordered it, as they said. */
  ordered_by: string;
  reason: string | null;
  at: number;
  position: Generated<number>;
}

/** A journal a till's name had before the one of its state. */
export interface TillFormerJournalTable {
  till: string;
  incarnation: string;
  /** ms since the epoch. */
  last_seen: number;
}

/** Where a till stands: what it may be given of the customer base. */
export interface TillStoreTable {
  till: string;
  store: string;
  /** ms since the epoch. */
  at: number;
  /** Who said so; null: the till itself, with its first question. */
  put_by: string | null;
}

/** A chunk of a snapshot, by the SHA-256 of its bytes. */
export interface SnapshotChunkTable {
  sha256: string;
  bytes: Buffer;
  /** ms since the epoch; when it was last made, or found to be the same. */
  stored_at: number;
}

/** A snapshot that is whole. */
export interface SnapshotTable {
  id: Generated<number>;
  base: string;
  epoch: string;
  places: JSONColumnType<Record<SnapshotCollection, { xid: string; seq: number }>>;
  /** ms since the epoch. */
  made_at: number;
  /** When a till was last offered it; at first when it was made. */
  offered_at: number;
}

export interface SnapshotEntryTable {
  snapshot_id: number;
  position: number;
  collection: SnapshotCollection;
  sha256: string;
  bytes: number;
  unpacked_bytes: number;
  documents: number;
  first_key: string;
  last_key: string;
}

/** Who makes a snapshot. */
export interface SnapshotBuildTable {
  base: string;
  builder: string;
  until: Date;
}

/** What an erasure did; nothing of the person. */
export interface CustomerErasureTable {
  customer_id: string;
  erasure_id: string;
  /** ms since the epoch. */
  at: number;
  credentials: number;
  entries: number;
  accounts: number;
  consents: number;
}

/** Cards of erased customers, until their tombstones go. */
export interface ErasedIndexTable {
  index: string;
  /** ms since the epoch. */
  at: number;
}

/** Where and when a customer bought last. */
export interface CustomerActivityTable {
  customer_id: string;
  store: string;
  /** ms since the epoch. */
  at: number;
  /** The part of the customer base they lie in was not looked at since. */
  moved: boolean;
}

export interface Tables {
  customer_erasure: CustomerErasureTable;
  erased_index: ErasedIndexTable;
  customer_activity: CustomerActivityTable;
  snapshot_chunk: SnapshotChunkTable;
  snapshot: SnapshotTable;
  snapshot_entry: SnapshotEntryTable;
  snapshot_build: SnapshotBuildTable;
  index_form: IndexFormTable;
  till_identifier_key: TillIdentifierKeyTable;
  till_order: TillOrderTable;
  till_former_journal: TillFormerJournalTable;
  till_store: TillStoreTable;
  server_meta: ServerMetaTable;
  programme: ProgrammeTable;
  offer: OfferTable;
  offer_version: OfferVersionTable;
  customer: CustomerTable;
  customer_profile: CustomerProfileTable;
  credential: CredentialTable;
  app_code_use: AppCodeUseTable;
  rotating_secret: RotatingSecretTable;
  till_journal: TillJournalTable;
  till_progress: TillProgressTable;
  journal_quarantine: JournalQuarantineTable;
  quarantine_settlement: QuarantineSettlementTable;
  sale_return: SaleReturnTable;
  point_lot: PointLotTable;
  redemption: RedemptionTable;
  sale_claim: SaleClaimTable;
  tier_run: TierRunTable;
  till_allowance: TillAllowanceTable;
  ledger_account: LedgerAccountTable;
  ledger_transaction: LedgerTransactionTable;
  ledger_posting: LedgerPostingTable;
  till_state: TillStateTable;
  consent_event: ConsentEventTable;
  feed_range: FeedRangeTable;
  feed_range_delta: FeedRangeDeltaTable;
  feed_tombstone: FeedTombstoneTable;
  feed_purged: FeedPurgedTable;
}
