import { cardNumberOn } from '../../drivers/protocol/magstripe/tracks.ts';
import type { Track } from '../../drivers/protocol/magstripe/tracks.ts';
import { hasLuhnCheckDigit } from '../../foundation/check-digit.ts';
import { paymentBrand } from '../../sync/contract/payment-card-brands.ts';
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
    const number = cardNumberOn({ track, data });
    const ran = number !== undefined && isLoyalty(number) ? undefined : numberRunInto(track, data);
    if (ran !== undefined) return { kind: 'payment-card', finding: ran };
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

/**
 * A card number at the head of a track that runs into what follows it, because the separator was lost or there is none:
 * track 3 begins with a format code of two digits, and German bank cards have their account where others have a number
 * with a check digit.
 */
function numberRunInto(track: Track['track'], data: string): PaymentCardFinding | undefined {
  const run = LEADING_DIGITS.exec(data)?.[0] ?? '';
  for (const digits of track === 3 ? [run, run.slice(2)] : [run]) {
    for (let length = CARD_DIGITS_MIN; length <= Math.min(CARD_DIGITS_MAX, digits.length); length += 1) {
      const brand = paymentBrand(digits.slice(0, length));
      const isNumber =
        hasLuhnCheckDigit(digits.slice(0, length)) || (track === 3 && GERMAN_TRACK_3.test(run));
      if (brand !== undefined && isNumber) return { reason: 'track', brand, length };
    }
  }
  return undefined;
}

const LEADING_DIGITS = /^[0-9]{13,40}/;
/** Format code 01 and the issuer number 59 of German credit institutions. */
const GERMAN_TRACK_3 = /^0159/;
const CARD_DIGITS_MIN = 13;
const CARD_DIGITS_MAX = 19;
