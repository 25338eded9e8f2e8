import { type ReactNode, useState } from 'react';
import { inert } from '../inert.ts';
import type { LinkQuestionView } from '../scene.ts';
import { useActions } from './actions.tsx';
import { InertText } from './inert-text.tsx';
import { useSpeech } from './speech.tsx';

/** Longest consent text, as the programme allows it, in characters. */
const TEXT_LENGTH_MAX = 2_000;

/**
 * Asks whether the bank card is to be linked, with the whole text of the consent and two answers of one size. Neither
 * is chosen beforehand, and going away is a no.
 */
export function LinkQuestion({ question }: { question: LinkQuestionView }): ReactNode {
  const { t, language } = useSpeech();
  const actions = useActions();
  const [pressed, setPressed] = useState<'no-one' | 'waiting' | 'failed'>('no-one');
  const { customer, text, linkId } = question;
  const tier = customer.tierName?.[language] ?? customer.tier;
  const who = customer.greeting === null ? t.linkCustomer(inert(tier, 24)) : inert(customer.greeting, 24);
  const answer = (given: 'yes' | 'no'): void => {
    if (actions === null || pressed === 'waiting') return;
    setPressed('waiting');
    const shown = { textVersion: text.version, locale: language };
    void actions.answerLink(linkId, given, shown).then((isTaken) => {
      // Once it is taken, the till tells what comes next.
      if (!isTaken) setPressed('failed');
    });
  };
  return (
    <div className="link-question">
      <h1 className="link-title">{t.linkTitle(who)}</h1>
      <p className="link-lead">{t.linkLead}</p>
      <blockquote className="link-text" lang={language} tabIndex={0}>
        <InertText text={text[language]} lengthMax={TEXT_LENGTH_MAX} />
      </blockquote>
      {pressed === 'failed' && (
        <p className="link-failed" role="alert">
          {t.linkFailed}
        </p>
      )}
      <div className="link-answers">
        <button type="button" disabled={pressed === 'waiting'} onClick={() => answer('no')}>
          {t.linkNo}
        </button>
        <button type="button" disabled={pressed === 'waiting'} onClick={() => answer('yes')}>
          {t.linkYes}
        </button>
      </div>
    </div>
  );
}
