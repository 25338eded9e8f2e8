import type { Random } from '../../foundation/random.ts';
import type { GeneratedCard, Population } from '../../simulator/population.ts';

/** A card a customer shows, and whose it is. */
export interface PresentedCard {
  readonly card: GeneratedCard;
  readonly customerId: string;
}

/** A till that sees a card again within a few seconds may take both for one scan. */
const APART = 1_000;

/** Cards drawn evenly from a population, the same one never twice within {@link APART}; half of them in a small one. */
export function* drawnCards(population: Population, random: Random): Generator<PresentedCard> {
  const apart = Math.min(APART, Math.floor(population.cardCount / 2));
  const recent = new Set<string>();
  for (;;) {
    const member = population.member(Math.floor(random.next() * population.size));
    const card = member.cards[Math.floor(random.next() * member.cards.length)];
    if (card === undefined || recent.has(card.number)) continue;
    recent.add(card.number);
    // A set is in the order of adding: its first is the oldest.
    for (const oldest of recent) {
      if (recent.size <= apart) break;
      recent.delete(oldest);
    }
    yield { card, customerId: member.id };
  }
}

export function presentedCards(population: Population, count: number, random: Random): PresentedCard[] {
  const cards: PresentedCard[] = [];
  if (count === 0) return cards;
  for (const card of drawnCards(population, random)) if (cards.push(card) >= count) break;
  return cards;
}
