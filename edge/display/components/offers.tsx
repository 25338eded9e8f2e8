import type { ReactNode } from 'react';
import type { OfferView, WhyNot } from '../../../sync/contract/offer.ts';
import type { Instant } from '../../../foundation/clock.ts';
import { inert } from '../inert.ts';
import { InertText } from './inert-text.tsx';
import { SmallIcon } from './icons.tsx';
import { type Speech, useSpeech } from './speech.tsx';

/** How many offers have room without scrolling: beside a sale, and when the customer has the page alone. */
const NARROW_MAX = 4;
const WIDE_MAX = 5;
/** More reasons than this are no longer read. */
const REASONS_MAX = 2;

interface OffersProps {
  readonly offers: readonly OfferView[];
  readonly currency: string | null;
  readonly now: Instant | null;
}

/** The customer's offers in the order given, each with what it brings or why it does not fit. */
export function Offers({ offers, currency, now }: OffersProps): ReactNode {
  const { t, format } = useSpeech();
  if (offers.length === 0) return <p className="offers-none">{t.noOffers}</p>;
  return (
    <section className="offers">
      <header className="offers-head">
        <h2>{t.offers}</h2>
        {offers.length > NARROW_MAX && (
          <span className="narrow-only">{t.moreOffers(format.count(offers.length - NARROW_MAX))}</span>
        )}
        {offers.length > WIDE_MAX && (
          <span className="wide-only">{t.moreOffers(format.count(offers.length - WIDE_MAX))}</span>
        )}
      </header>
      <ul>
        {offers.slice(0, WIDE_MAX).map((offer) => (
          <Offer key={offer.offerId} offer={offer} currency={currency} now={now} />
        ))}
      </ul>
    </section>
  );
}

function Offer(props: { offer: OfferView; currency: string | null; now: Instant | null }): ReactNode {
  const { offer, currency, now } = props;
  const speech = useSpeech();
  const { t, format, language } = speech;
  const reasons = offer.whyNot.slice(0, REASONS_MAX).map((why) => reason(why, currency, now, speech));
  return (
    <li className={offer.applies ? 'offer offer-fits' : 'offer'}>
      <SmallIcon name={offer.applies ? 'tick' : 'ring'} />
      <span className="spoken-only">{offer.applies ? t.fits : t.fitsNot}</span>
      <span className="offer-words">
        <span className="offer-title">
          <InertText text={offer.title[language]} />
        </span>
        {!offer.applies && reasons.length > 0 && <span className="offer-why">{reasons.join(' · ')}</span>}
      </span>
      {offer.applies && (
        <span className="offer-brings">
          {offer.bonusPoints !== 0 && <span>{t.bonusPoints(format.signed(offer.bonusPoints))}</span>}
          {offer.discountMinor !== 0 && <span>{format.money(-offer.discountMinor, currency)}</span>}
        </span>
      )}
    </li>
  );
}

/** Why an offer does not fit, in words. */
function reason(why: WhyNot, currency: string | null, now: Instant | null, { t, format }: Speech): string {
  switch (why.code) {
    case 'NOT_YET':
      return t.notYet(format.day(why.from, now));
    case 'ENDED':
      return t.ended(format.day(why.at, now));
    case 'OTHER_TIER':
      return t.otherTier(why.tiers.map((tier) => inert(tier, 20)).join(', '));
    case 'NO_CONSENT':
      return t.noConsent;
    case 'STALE':
      return t.stale;
    case 'TOTAL_TOO_LOW':
      return t.totalTooLow(format.money(why.missingMinor, currency));
    case 'ARTICLE_MISSING':
      return t.articleMissing;
  }
}
