import type { ReactNode } from 'react';
import { inert } from '../inert.ts';
import { SmallIcon } from './icons.tsx';
import { useSpeech } from './speech.tsx';

/** How a bank card is named: there is no number of it to show. */
export const BANK_CARD = 'bankcard';

/** What a card's masked number may take here, in characters. */
const LENGTH_MAX = 24;

/** Which card it was, as far as it may be shown: the ending of `card …4821`. */
export function CardEnding({ credential }: { credential: string }): ReactNode {
  const { t } = useSpeech();
  if (credential === BANK_CARD) {
    return (
      <span className="card-ending">
        <SmallIcon name="card" />
        {t.bankCard}
      </span>
    );
  }
  const ending = credential.slice(credential.lastIndexOf('…') + 1);
  return (
    <span className="card-ending">
      <SmallIcon name="card" />
      <bdi>{t.card(inert(ending, LENGTH_MAX))}</bdi>
    </span>
  );
}
