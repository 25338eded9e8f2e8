/**
 * Every word the page says. A language is an object of this type, so one that lacks a text does not compile.
 * Arguments are already formatted for the locale and made inert.
 */
export interface Texts {
  /** Name of the other language, on the button that switches to it. */
  readonly otherLanguage: string;
  readonly switchLanguage: string;
  readonly dismissHint: string;

  readonly connecting: string;
  readonly connectingHint: string;
  readonly gone: string;
  readonly goneHint: string;
  readonly notAllowed: string;
  readonly notAllowedHint: string;

  readonly ready: string;
  readonly readyHint: string;
  readonly noReader: string;
  readonly noReaderHint: string;

  readonly greeting: (name: string) => string;
  readonly neutralGreeting: string;
  readonly points: (count: number) => string;
  readonly asOf: (moment: string) => string;
  readonly typedNumber: string;
  readonly verifiedCode: string;
  readonly card: (ending: string) => string;

  readonly offers: string;
  readonly noOffers: string;
  readonly moreOffers: (count: string) => string;
  readonly fits: string;
  readonly fitsNot: string;
  readonly bonusPoints: (points: string) => string;
  readonly notYet: (day: string) => string;
  readonly ended: (day: string) => string;
  readonly otherTier: (tiers: string) => string;
  readonly noConsent: string;
  readonly stale: string;
  readonly totalTooLow: (amount: string) => string;
  readonly articleMissing: string;

  readonly unknownCard: string;
  readonly unknownCardHint: string;
  readonly lookingUp: string;
  readonly lookingUpHint: string;
  readonly unreachedCard: string;
  readonly unreachedCardHint: string;
  readonly blockedCard: string;
  readonly blockedCardHint: string;
  readonly expiredCard: string;
  readonly expiredCardHint: (day: string) => string;
  readonly refused: string;
  readonly refusedDo: string;
  readonly refusedHint: string;
  readonly unreadable: string;
  readonly unreadableHint: string;
  readonly checkDigitHint: string;
  readonly codeUsedHint: string;
  readonly codeOldHint: string;
  readonly codeNotGenuineHint: string;
  readonly layoutHint: string;

  readonly bankCard: string;
  readonly linkTitle: (who: string) => string;
  readonly linkCustomer: (tier: string) => string;
  readonly linkLead: string;
  readonly linkYes: string;
  readonly linkNo: string;
  readonly linkFailed: string;
  readonly linkSaved: string;
  readonly linkSavedHint: string;
  readonly linkConfirmed: string;
  readonly linkConfirmedHint: string;
  readonly linkRefused: string;
  readonly linkTakenHint: string;
  readonly linkRefusedHint: string;
  readonly unlink: string;
  readonly unlinkSaved: string;
  readonly unlinkSavedHint: string;
  readonly unlinked: string;
  readonly unlinkedHint: string;

  readonly sale: string;
  readonly total: string;
  readonly lines: (count: number, formatted: string) => string;
  readonly noLines: string;
  readonly basketEarns: string;
  readonly basketWouldEarn: string;
  readonly basketKept: string;
  readonly earnUnknown: string;
  readonly ofWhichBonus: (points: string) => string;
  readonly lastRead: string;
  readonly handedOn: string;
  readonly handedOnWaiting: string;
  readonly handedOnPaused: string;

  readonly completed: string;
  readonly completedFor: (name: string) => string;
  readonly earned: (count: number) => string;
  readonly kept: (count: number) => string;
  readonly voided: string;
  readonly voidedHint: string;

  readonly serverReached: string;
  readonly serverGone: string;
  readonly journalUnanswered: string;
  readonly journalDiverged: string;
  readonly entriesWait: (count: number, formatted: string) => string;
  readonly nothingWaits: string;
  readonly replicaLoading: string;
  readonly replicaUnknown: string;
  readonly replicaUnproven: string;
  readonly replicaUnverified: (ago: string) => string;
  readonly seeding: string;
  readonly seedingPreparing: string;
  readonly seedingCatchingUp: string;
  readonly seedingPercent: (percent: string) => string;
  readonly seedingRate: (rate: string) => string;
  readonly replicaAge: (ago: string) => string;
  readonly readersWait: (readers: string) => string;
}
