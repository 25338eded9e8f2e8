import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { CardNumber } from './card.ts';
import type { IssuedCard } from './insert-cards.ts';

export type ReadCard =
  | { readonly kind: 'card'; readonly card: IssuedCard }
  | { readonly kind: 'refused'; readonly code: 'PAN_REJECTED' | 'CARD_NUMBER_INVALID' };

/** Turns card numbers into the form in which they rest, and refuses what is no card of this programme. */
export interface CardNumbers {
  read(number: CardNumber): ReadCard;
}
