import type { Random } from '../../foundation/random.ts';
import type { GeneratedCard, Population } from '../../simulator/population.ts';

/** A card a customer shows, and whose it is. */
export interface PresentedCard {
  readonly card: GeneratedCard;
  readonly customerId: string;
}

/** Cards drawn evenly from a population; never the same twice in a row, which a reader may take for one scan. */
export function presentedCards(population: Population, count: number, random: Random): PresentedCard[] {
  const cards: PresentedCard[] = [];
  while (cards.length < count) {
    const member = population.member(Math.floor(random.next() * population.size));
    const card = member.cards[Math.floor(random.next() * member.cards.length)];
    if (card === undefined || card.number === cards.at(-1)?.card.number) continue;
    cards.push({ card, customerId: member.id });
  }
  return cards;
}
