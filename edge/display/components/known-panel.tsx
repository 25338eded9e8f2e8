import type { ReactNode } from 'react';
import type { CustomerView } from '../../api/events.ts';
import type { OfferView } from '../../../sync/contract/offer.ts';
import type { Instant } from '../../../foundation/clock.ts';
import { inert } from '../inert.ts';
import type { Person } from '../state.ts';
import { useActions } from './actions.tsx';
import { BANK_CARD, CardEnding } from './card-ending.tsx';
import { SmallIcon } from './icons.tsx';
import { InertText } from './inert-text.tsx';
import { Offers } from './offers.tsx';
import { useSpeech } from './speech.tsx';

/** Longest first name shown whole, in characters. */
const NAME_LENGTH_MAX = 24;

/** From more characters than this on, the points are set smaller. */
const POINTS_SHORT_MAX = 6;

/** Levels a phone's code has reached when it proved fresh and genuine. */
const VERIFIED: ReadonlySet<string> = new Set(['L2', 'L3', 'L4']);

interface KnownPanelProps {
  readonly person: Person;
  readonly customer: CustomerView;
  readonly offers: readonly OfferView[];
  readonly currency: string | null;
  readonly now: Instant | null;
}

/** A customer the till knows: who, which tier, how many points and from when, and what they are offered. */
export function KnownPanel({ person, customer, offers, currency, now }: KnownPanelProps): ReactNode {
  const { t, format, language } = useSpeech();
  const actions = useActions();
  const ago = now === null ? null : format.ago(now - customer.pointsAt);
  const points = format.count(customer.points);
  const tier = customer.tierName?.[language] ?? customer.tier;
  return (
    <div className="known">
      <header className="known-band">
        <SmallIcon name="tick" />
        <h1 className="known-greeting">
          {customer.greeting === null
            ? t.neutralGreeting
            : t.greeting(inert(customer.greeting, NAME_LENGTH_MAX))}
        </h1>
        <p className="tier">
          <SmallIcon name="star" />
          <InertText text={tier} lengthMax={24} />
        </p>
      </header>
      <div className="known-facts">
        <p className={points.length > POINTS_SHORT_MAX ? 'points points-long' : 'points'}>
          <strong>{points}</strong>
          <span className="points-side">
            <span className="points-unit">{t.points(customer.points)}</span>
            <span className="points-age">
              {t.asOf(format.moment(customer.pointsAt, now))}
              {ago !== null && <> · {ago}</>}
            </span>
          </span>
        </p>
        <p className="known-card">
          <CardEnding credential={person.credential} />
          {person.typed && <span className="known-typed">{t.typedNumber}</span>}
          {person.credential === BANK_CARD && actions !== null && (
            <button
              type="button"
              className="unlink"
              onClick={() => void actions.withdrawLink(person.identificationId)}
            >
              {t.unlink}
            </button>
          )}
          {VERIFIED.has(person.trust) && <span className="known-verified">{t.verifiedCode}</span>}
        </p>
      </div>
      <Offers offers={offers} currency={currency} now={now} />
    </div>
  );
}
