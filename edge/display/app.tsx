import { type ReactNode, useEffect, useMemo, useReducer, useState } from 'react';
import type { Clock } from '../../foundation/clock.ts';
import { ActionsContext } from './components/actions.tsx';
import { Hero } from './components/hero.tsx';
import { SalePanel } from './components/sale-panel.tsx';
import { SpeechContext } from './components/speech.tsx';
import { StatusBar } from './components/status-bar.tsx';
import { TopBar } from './components/top-bar.tsx';
import { type ConnectionPorts, TillConnection } from './connection.ts';
import { formatFor } from './format.ts';
import { type Language, localeOf, texts } from './language.ts';
import type { TillActions } from './till-actions.ts';
import { sceneOf } from './scene.ts';
import { nothingKnown, reduce, tillNow } from './state.ts';

/** How often ages are told anew and what is over goes, ms. */
const TICK_MS = 1_000;

interface AppProps {
  readonly clock: Clock;
  /** null when the page was opened without a token. */
  readonly ports: ConnectionPorts | null;
  /** null when the page was opened without a token. */
  readonly actions: TillActions | null;
  readonly firstLanguage: Language;
  readonly preferred: readonly string[];
  readonly onLanguage: (language: Language) => void;
}

/** The cashier's page: it listens to the till and shows what it hears. */
export function App({ clock, ports, actions, firstLanguage, preferred, onLanguage }: AppProps): ReactNode {
  const [state, dispatch] = useReducer(reduce, nothingKnown);
  const [language, setLanguage] = useState(firstLanguage);
  const speech = useMemo(
    () => ({ language, t: texts[language], format: formatFor(localeOf(language, preferred)) }),
    [language, preferred],
  );

  useEffect(() => {
    if (ports === null) {
      dispatch({
        kind: 'link',
        link: { kind: 'lost', reason: 'no-token' },
        monotonicMs: clock.monotonicMs(),
      });
      return undefined;
    }
    const connection = TillConnection.open(ports, {
      message: (message) => dispatch({ kind: 'message', message, monotonicMs: clock.monotonicMs() }),
      link: (link) => dispatch({ kind: 'link', link, monotonicMs: clock.monotonicMs() }),
    });
    return () => connection.close();
  }, [clock, ports]);

  useEffect(() => {
    let cancel = (): void => {};
    const tick = (): void => {
      dispatch({ kind: 'tick', monotonicMs: clock.monotonicMs() });
      cancel = clock.schedule(TICK_MS, tick);
    };
    tick();
    return () => cancel();
  }, [clock]);

  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);

  const otherLanguage = (): void => {
    const other: Language = language === 'de' ? 'en' : 'de';
    setLanguage(other);
    onLanguage(other);
  };

  const scene = sceneOf(state);
  const now = tillNow(state);
  const asks = scene.kind === 'link-question';
  const passing = !asks && (state.notice !== null || state.closed !== null || state.linking !== null);
  return (
    <ActionsContext value={actions}>
      <SpeechContext value={speech}>
        <TopBar till={state.till} store={state.store} now={now} onOtherLanguage={otherLanguage} />
        <div className="stage">
          <main
            className={`hero hero-${scene.kind}`}
            aria-live="polite"
            data-scene={scene.kind}
            onClick={passing ? () => dispatch({ kind: 'dismiss' }) : undefined}
          >
            <Hero scene={scene} currency={state.currency} now={now} />
            {passing && <p className="dismiss">{speech.t.dismissHint}</p>}
          </main>
          {state.sale !== null && <SalePanel sale={state.sale} product={state.product} />}
        </div>
        <StatusBar
          sync={state.sync}
          readers={state.readers}
          handedOn={state.handedOn?.kind ?? null}
          now={now}
        />
      </SpeechContext>
    </ActionsContext>
  );
}
