import type { ReactNode } from 'react';
import type { Instant } from '../../../foundation/clock.ts';
import { InertText } from './inert-text.tsx';
import { useSpeech } from './speech.tsx';

interface TopBarProps {
  readonly till: string | null;
  readonly store: string | null;
  readonly now: Instant | null;
  readonly onOtherLanguage: () => void;
}

/** Where this is and what time the till thinks it is. */
export function TopBar({ till, store, now, onOtherLanguage }: TopBarProps): ReactNode {
  const { t, format, language } = useSpeech();
  return (
    <header className="top">
      <span className="brand">
        <svg className="brand-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
          <rect width="32" height="32" rx="9" />
          <path d="M9 13.5a7 7 0 0 1 14 0c0 5-7 10.5-7 10.5S9 18.5 9 13.5z" />
          <circle cx="16" cy="13.5" r="2.6" />
        </svg>
        Stammkunde
      </span>
      {till !== null && (
        <span className="place">
          <InertText text={till} lengthMax={40} />
          {store !== null && (
            <>
              {' · '}
              <InertText text={store} lengthMax={40} />
            </>
          )}
        </span>
      )}
      <span className="top-space" />
      {now !== null && <time className="time">{format.time(now)}</time>}
      <button
        type="button"
        className="language"
        onClick={onOtherLanguage}
        lang={language === 'de' ? 'en' : 'de'}
        title={t.switchLanguage}
      >
        {t.otherLanguage}
      </button>
    </header>
  );
}
