import type { ReactNode } from 'react';
import type { Instant } from '../../../foundation/clock.ts';
import type { Scene } from '../scene.ts';
import { CardEnding } from './card-ending.tsx';
import { CompletedPanel } from './completed-panel.tsx';
import { KnownPanel } from './known-panel.tsx';
import { LinkQuestion } from './link-question.tsx';
import { LinkTold } from './link-told.tsx';
import { MessagePanel } from './message-panel.tsx';
import { useSpeech } from './speech.tsx';

interface HeroProps {
  readonly scene: Scene;
  readonly currency: string | null;
  readonly now: Instant | null;
}

/** What to do about a scan that led to nothing, by its code. */
const unreadableHints: Readonly<Record<string, HintName>> = {
  REC_CHECK_DIGIT: 'checkDigitHint',
  SCANNER_LAYOUT: 'layoutHint',
  REPLAY: 'codeUsedHint',
  APP_CODE_EXPIRED: 'codeOldHint',
  APP_CODE_FUTURE: 'codeOldHint',
  APP_CODE_SIGNATURE: 'codeNotGenuineHint',
  APP_CODE_REVOKED: 'codeNotGenuineHint',
  APP_CODE_MALFORMED: 'codeNotGenuineHint',
  APP_CODE_VERSION: 'codeNotGenuineHint',
};
type HintName =
  | 'unreadableHint'
  | 'checkDigitHint'
  | 'layoutHint'
  | 'codeUsedHint'
  | 'codeOldHint'
  | 'codeNotGenuineHint';

/** The page's one large statement. */
export function Hero({ scene, currency, now }: HeroProps): ReactNode {
  const { t, format } = useSpeech();
  switch (scene.kind) {
    case 'connecting':
      return <MessagePanel icon="plug" title={t.connecting} hint={t.connectingHint} />;
    case 'gone':
      return scene.reason === 'unreachable' ? (
        <MessagePanel icon="plug" title={t.gone} hint={t.goneHint} />
      ) : (
        <MessagePanel icon="key" title={t.notAllowed} hint={t.notAllowedHint} />
      );
    case 'waiting':
      return <MessagePanel icon="scan" title={t.ready} hint={t.readyHint} />;
    case 'no-reader':
      return <MessagePanel icon="rescan" title={t.noReader} hint={t.noReaderHint} />;
    case 'known':
      return (
        <KnownPanel
          person={scene.person}
          customer={scene.customer}
          offers={scene.offers}
          currency={currency}
          now={now}
        />
      );
    case 'unknown':
      return (
        <MessagePanel
          icon="question"
          title={t.unknownCard}
          hint={t.unknownCardHint}
          card={<CardEnding credential={scene.person.credential} />}
          code="CARD_UNKNOWN"
        />
      );
    case 'looking-up':
      return (
        <MessagePanel
          icon="look-up"
          title={t.lookingUp}
          hint={t.lookingUpHint}
          card={<CardEnding credential={scene.person.credential} />}
        />
      );
    case 'unreached':
      return (
        <MessagePanel
          icon="no-answer"
          title={t.unreachedCard}
          hint={t.unreachedCardHint}
          card={<CardEnding credential={scene.person.credential} />}
          code="CARD_UNREACHED"
        />
      );
    case 'blocked':
      return (
        <MessagePanel
          icon="stop"
          title={t.blockedCard}
          hint={t.blockedCardHint}
          card={<CardEnding credential={scene.person.credential} />}
        />
      );
    case 'expired':
      return (
        <MessagePanel
          icon="clock"
          title={t.expiredCard}
          hint={t.expiredCardHint(format.day(scene.since, now))}
          card={<CardEnding credential={scene.person.credential} />}
        />
      );
    case 'refused':
      return <MessagePanel icon="bank-card" title={t.refused} lead={t.refusedDo} hint={t.refusedHint} />;
    case 'unreadable':
      return (
        <MessagePanel
          icon="rescan"
          title={t.unreadable}
          hint={t[unreadableHints[scene.code] ?? 'unreadableHint']}
        />
      );
    case 'link-question':
      return <LinkQuestion key={scene.question.linkId} question={scene.question} />;
    case 'link-told':
      return <LinkTold told={scene.told} />;
    case 'completed':
      return <CompletedPanel sale={scene.sale} />;
    case 'voided':
      return <MessagePanel icon="void" title={t.voided} hint={t.voidedHint} />;
  }
}
