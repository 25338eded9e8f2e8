import type { EarnedPoints } from '../../sync/contract/transaction.ts';
import type { OfferView } from '../api/events.ts';
import type { RuleBook } from './rule-book.ts';
import type { OpenSale } from './sale-view.ts';

/** What a sale earns and which offers fit it, as it stands. */
export interface Evaluation {
  readonly offers: readonly OfferView[];
  readonly earned: EarnedPoints;
}

/** Pure: the same sale, rules and time give the same points. Who is not known earns nothing here. */
export function evaluate(_sale: OpenSale, rules: RuleBook, _now: number): Evaluation {
  return { offers: [], earned: { programmeVersion: rules.programme?.version ?? 0, base: 0, bonuses: [] } };
}
