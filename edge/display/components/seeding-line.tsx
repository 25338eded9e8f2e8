import type { ReactNode } from 'react';
import type { SeedingView } from '../../api/events.ts';
import type { Texts } from '../texts/texts.ts';
import { SmallIcon } from './icons.tsx';
import { useSpeech } from './speech.tsx';

/**
 * How far a customer base is loaded: a word among the others of the status, and a slim line above it. Selling goes on, so
 * it takes no room from anything and asks for no attention.
 */
export function SeedingLine({ seeding }: { seeding: SeedingView }): ReactNode {
  const { t, format } = useSpeech();
  const { phase, percent, ratePerSecond } = seeding;
  const known = phase === 'loading' ? percent : null;
  const words = seedingWords(phase, t);
  return (
    <>
      <span className="fact seeding" data-seeding={phase}>
        <SmallIcon name="down" />
        <span>
          {words}
          {known !== null && <strong> {t.seedingPercent(format.count(known))}</strong>}
          {phase === 'loading' && ratePerSecond !== null && (
            <> · {t.seedingRate(format.count(ratePerSecond))}</>
          )}
        </span>
      </span>
      <span
        className={known === null ? 'seeding-bar seeding-bar-running' : 'seeding-bar'}
        role="progressbar"
        aria-label={words}
        {...(known === null ? {} : { 'aria-valuenow': known, 'aria-valuemin': 0, 'aria-valuemax': 100 })}
      >
        <span style={known === null ? undefined : { inlineSize: `${known}%` }} />
      </span>
    </>
  );
}

function seedingWords(phase: SeedingView['phase'], t: Texts): string {
  switch (phase) {
    case 'preparing':
      return t.seedingPreparing;
    case 'loading':
      return t.seeding;
    case 'catching-up':
      return t.seedingCatchingUp;
  }
}
