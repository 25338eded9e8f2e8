import { createRoot } from 'react-dom/client';
import { SystemClock } from '../../foundation/clock.ts';
import { App } from './app.tsx';
import { browserPorts, tokenOf } from './browser-ports.ts';
import { chooseLanguage, type Language } from './language.ts';
import { browserActions } from './till-actions.ts';
import './style.css';

const LANGUAGE_KEY = 'stammkunde.language';

/** Storage may be forbidden by the browser's policy; the page works without it. */
function storedLanguage(): string | null {
  try {
    return localStorage.getItem(LANGUAGE_KEY);
  } catch {
    return null;
  }
}

function storeLanguage(language: Language): void {
  try {
    localStorage.setItem(LANGUAGE_KEY, language);
  } catch {
    // Asked again next time.
  }
}

const page = document.getElementById('page');
if (page !== null) {
  const token = tokenOf(location.hash);
  createRoot(page).render(
    <App
      clock={new SystemClock()}
      ports={token === null ? null : browserPorts(location, token)}
      actions={token === null ? null : browserActions(location, token)}
      firstLanguage={chooseLanguage(
        new URLSearchParams(location.search).get('lang'),
        storedLanguage(),
        navigator.languages,
      )}
      preferred={navigator.languages}
      onLanguage={storeLanguage}
    />,
  );
}
