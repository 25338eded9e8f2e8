import type { ReactNode } from 'react';
import type { SeedingView } from '../../api/events.ts';
import type { Texts } from '../texts/texts.ts';
import { useSpeech } from './speech.tsx';

/** A slim line above the status while a customer base is loaded: selling goes on, so it asks for no attention. */
export function SeedingLine({ seeding }: { seeding: SeedingView }): ReactNode {
  const { t, format } = useSpeech();
  const { phase, percent, ratePerSecond } = seeding;
  const isRunning = percent === null || phase !== 'loading';
  return (
    <div className="seeding" data-seeding={phase}>
      <p className="seeding-words">
        <span>{seedingWords(phase, t)}</span>
        {!isRunning && <strong>{t.seedingPercent(format.count(percent))}</strong>}
        {phase === 'loading' && ratePerSecond !== null && (
          <span className="seeding-rate">{t.seedingRate(format.count(ratePerSecond))}</span>
        )}
      </p>
      <div
        className={isRunning ? 'seeding-bar seeding-bar-running' : 'seeding-bar'}
        role="progressbar"
        aria-label={seedingWords(phase, t)}
        {...(isRunning ? {} : { 'aria-valuenow': percent, 'aria-valuemin': 0, 'aria-valuemax': 100 })}
      >
        <div style={isRunning ? undefined : { inlineSize: `${percent}%` }} />
      </div>
    </div>
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
