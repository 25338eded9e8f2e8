import type { Clock } from '../../foundation/clock.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { compileCardSchemes, matchCardScheme } from '../../sync/contract/card-scheme.ts';
import type { CardScheme, CompiledSchemes } from '../../sync/contract/card-scheme.ts';
import { findPaymentCard } from '../../sync/contract/payment-card.ts';
import type { CardNumber } from './card.ts';
import type { IssuedCard } from './insert-cards.ts';

export type ReadCard =
  | { readonly kind: 'card'; readonly card: IssuedCard }
  | { readonly kind: 'refused'; readonly code: 'PAN_REJECTED' | 'CARD_NUMBER_INVALID' };

/** Turns card numbers into the form in which they rest, and refuses what is no card of this programme. */
export interface CardNumbers {
  read(number: CardNumber): ReadCard;
}

/** By the configured card schemes. Nothing of a payment-card number is kept, hashed or logged. */
export class SchemeCardNumbers implements CardNumbers {
  readonly #schemes: ReadonlyMap<string, CompiledSchemes>;
  readonly #indexer: BlindIndexer;
  readonly #ports: { readonly clock: Clock; readonly random: Random };

  /** @throws StammkundeError CFG_INVALID when a scheme overlaps payment cards without a reason */
  constructor(
    schemes: readonly CardScheme[],
    indexer: BlindIndexer,
    ports: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#schemes = new Map(schemes.map((scheme) => [scheme.name, compileCardSchemes([scheme])]));
    this.#indexer = indexer;
    this.#ports = ports;
  }

  read({ scheme: name, number, validUntil }: CardNumber): ReadCard {
    const bare = number.replaceAll(/[ -]/g, '');
    const schemes = this.#schemes.get(name);
    const match = schemes === undefined ? undefined : matchCardScheme(schemes, bare, 'any');
    const fits = typeof match === 'object';
    if (findPaymentCard(number, { isLoyalty: () => fits }) !== undefined) {
      return { kind: 'refused', code: 'PAN_REJECTED' };
    }
    if (!fits) return { kind: 'refused', code: 'CARD_NUMBER_INVALID' };
    const { kind } = match.scheme;
    const { clock, random } = this.#ports;
    const olderForms = this.#indexer.forms(kind, match.canonical).slice(0, -1);
    const index = this.#indexer.index(kind, match.canonical);
    return {
      kind: 'card',
      card: {
        id: uuidV7(clock.now(), random),
        index,
        keyVersion: this.#indexer.version,
        olderForms,
        kind,
        scheme: name,
        validUntil,
      },
    };
  }
}
