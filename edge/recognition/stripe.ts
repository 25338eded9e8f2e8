import { cardNumberOn } from '../../drivers/protocol/magstripe/tracks.ts';
import type { Track } from '../../drivers/protocol/magstripe/tracks.ts';
import type { PaymentCardFinding } from '../../sync/contract/payment-card.ts';
import { findPaymentCard } from '../../sync/contract/payment-card.ts';
import type { CompiledSchemes } from '../../sync/contract/card-scheme.ts';
import { matchCardScheme } from '../../sync/contract/card-scheme.ts';

/** A scheme's match, as `matchCardScheme` gives it. */
export type SchemeMatch = Exclude<ReturnType<typeof matchCardScheme>, 'check-digit' | undefined>;

/** What the tracks of a stripe are together. */
export type StripeVerdict =
  | { readonly kind: 'payment-card'; readonly finding: PaymentCardFinding }
  | { readonly kind: 'card'; readonly match: SchemeMatch }
  | { readonly kind: 'check-digit' }
  | { readonly kind: 'none' };

/**
 * Payment-card data on any track makes the whole stripe a payment card; otherwise the first track whose number a scheme
 * knows is the card.
 */
export function judgeStripe(tracks: readonly Track[], schemes: CompiledSchemes): StripeVerdict {
  const matchOf = (value: string): ReturnType<typeof matchCardScheme> =>
    matchCardScheme(schemes, value, 'magstripe', ['card', 'gsrn', 'app']);
  const isLoyalty = (value: string): boolean => typeof matchOf(value) === 'object';
  for (const { track, data } of tracks) {
    const finding = findPaymentCard(`${track === 1 ? '%' : ';'}${data}?`, {
      symbology: 'magstripe',
      isLoyalty,
    });
    if (finding !== undefined) return { kind: 'payment-card', finding };
  }
  let almost = false;
  for (const track of tracks) {
    const number = cardNumberOn(track);
    const match = number === undefined ? undefined : matchOf(number);
    if (typeof match === 'object') return { kind: 'card', match };
    almost ||= match === 'check-digit';
  }
  return { kind: almost ? 'check-digit' : 'none' };
}
