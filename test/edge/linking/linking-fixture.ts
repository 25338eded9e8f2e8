import { silentLog } from '../../../foundation/log.ts';
import type { Log, LogFields } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import type { Journal } from '../../../edge/journal/journal.ts';
import { Linking } from '../../../edge/linking/linking.ts';
import type { LinkingPorts } from '../../../edge/linking/linking.ts';
import type { LinkingView } from '../../../edge/linking/linking-view.ts';
import type { Identified } from '../../../edge/sale/identified.ts';
import type { RuleBook } from '../../../edge/sale/rule-book.ts';
import type { ManualClock } from '../../support/manual-clock.ts';
import { linkProgramme } from '../../server/link-programme.ts';
import { identified, newId } from '../sale/sale-fixture.ts';

export const linkRules: RuleBook = { programme: linkProgramme, offers: [], stale: false };
export const text = linkProgramme.consentTexts[0];

/** A bank card nobody is known to own. */
export function bankCard(clock: ManualClock, mark = 'B'): Identified {
  return {
    identificationId: newId(clock),
    credential: 'bankcard',
    index: mark.repeat(43),
    kind: 'bankcard',
    trust: 'L1',
    as: { verdict: 'unknown' },
    bankCard: 'emv-par',
  };
}

/** The same card once it is linked to the customer of `identified()`. */
export function linkedCard(clock: ManualClock, mark = 'B'): Identified {
  return { ...bankCard(clock, mark), as: identified(clock).as };
}

export interface Desk {
  readonly linking: Linking;
  readonly told: LinkingView[];
  readonly logged: LogFields[];
}

/** The linking on a real journal, with what it tells and logs. */
export function openLinking(journal: Journal, clock: ManualClock, options: Partial<LinkingPorts> = {}): Desk {
  const told: LinkingView[] = [];
  const logged: LogFields[] = [];
  const note = (fields: LogFields): void => void logged.push(fields);
  const log: Log = { ...silentLog, error: note, warn: note, info: note, debug: note };
  const linking = new Linking({
    journal,
    rules: () => linkRules,
    identified: () => undefined,
    clockQuality: () => 'good',
    storeId: 'store-1',
    clock,
    random: new SeededRandom(5),
    log,
    tell: (view) => void told.push(view),
    ...options,
  });
  return { linking, told, logged };
}
