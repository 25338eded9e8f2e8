import type { Migration } from 'kysely/migration';
import * as first from './migrations/0001-first.ts';
import * as voidsByEntry from './migrations/0002-voids-by-entry.ts';
import * as deviceKeys from './migrations/0004-device-keys.ts';
import * as consentEvents from './migrations/0005-consent-events.ts';
import * as rangeHashes from './migrations/0006-range-hashes.ts';
import * as erasureAndScope from './migrations/0007-erasure-and-scope.ts';
import * as snapshots from './migrations/0008-snapshots.ts';
import * as identifierKeys from './migrations/0009-identifier-keys.ts';
import * as quarantineSettlements from './migrations/0010-quarantine-settlements.ts';
import * as statementTriggers from './migrations/0011-statement-triggers.ts';
import * as cardsOfEntriesAndTills from './migrations/0012-cards-of-entries-and-tills.ts';
import * as ledgerLots from './migrations/0013-ledger-lots.ts';
import * as redemptions from './migrations/0014-redemptions.ts';
import * as lateCredit from './migrations/0015-late-credit.ts';
import * as cardOfAnEntry from './migrations/0016-card-of-an-entry.ts';
import * as balancesInBounds from './migrations/0019-balances-in-bounds.ts';
import * as claimsAndMoves from './migrations/0018-claims-and-moves.ts';
import * as tiers from './migrations/0017-tiers.ts';
import * as offerVersions from './migrations/0003-offer-versions.ts';

/**
 * Every migration by name, in order. A migration that has been released is never changed: add the next one.
 * The list is written out so that a build contains each of them.
 */
export const migrations: Record<string, Migration> = {
  '0001-first': first,
  '0002-voids-by-entry': voidsByEntry,
  '0003-offer-versions': offerVersions,
  '0004-device-keys': deviceKeys,
  '0005-consent-events': consentEvents,
  '0006-range-hashes': rangeHashes,
  '0007-erasure-and-scope': erasureAndScope,
  '0008-snapshots': snapshots,
  '0009-identifier-keys': identifierKeys,
  '0010-quarantine-settlements': quarantineSettlements,
  '0011-statement-triggers': statementTriggers,
  '0012-cards-of-entries-and-tills': cardsOfEntriesAndTills,
  '0013-ledger-lots': ledgerLots,
  '0014-redemptions': redemptions,
  '0015-late-credit': lateCredit,
  '0016-card-of-an-entry': cardOfAnEntry,
  '0017-tiers': tiers,
  '0018-claims-and-moves': claimsAndMoves,
  '0019-balances-in-bounds': balancesInBounds,
};
