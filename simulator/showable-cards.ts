import { POPULATION_AT, unissuedCard } from './population.ts';
import type { GeneratedMember, Population } from './population.ts';
import type { CardNumber } from './card-numbers.ts';

/** What a card shows at a till whose replica holds the whole population. */
export type ExpectedVerdict = 'known' | 'blocked' | 'expired' | 'unknown';

export interface ShowableCard {
  readonly card: CardNumber;
  readonly verdict: ExpectedVerdict;
  /** Whose it is; absent for a card nobody has. */
  readonly member?: GeneratedMember;
}

/** Members looked at before giving up; the rarest kind is one in a hundred. */
const SEARCH_MAX = 20_000;

/**
 * A card that shows a verdict, the first from a member on. Cards that are blocked and expired at once are passed over.
 * @param fits further wishes, such as a gold customer
 * @throws Error when the population is too small to hold such a card
 */
export function cardShowing(
  verdict: ExpectedVerdict,
  population: Population,
  from: number,
  fits: (member: GeneratedMember) => boolean = () => true,
): ShowableCard {
  if (verdict === 'unknown') return { card: unissuedCard('house', from), verdict };
  for (let i = 0; i < Math.min(SEARCH_MAX, population.size); i += 1) {
    const member = population.member((from + i) % population.size);
    if (!fits(member)) continue;
    for (const card of member.cards) {
      const isBlocked = card.status === 'blocked' || member.status === 'blocked';
      const isExpired = card.validUntil !== null && card.validUntil <= POPULATION_AT;
      if (isBlocked && isExpired) continue;
      const shows = isBlocked ? 'blocked' : isExpired ? 'expired' : 'known';
      if (shows === verdict) return { card, verdict, member };
    }
  }
  throw new Error(`among ${population.size} customers nobody has a card that shows ${verdict}`);
}
