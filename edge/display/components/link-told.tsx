import type { ReactNode } from 'react';
import type { LinkToldView } from '../scene.ts';
import { MessagePanel } from './message-panel.tsx';
import { useSpeech } from './speech.tsx';

/** What came of linking a bank card, or of taking it back. */
export function LinkTold({ told }: { told: LinkToldView }): ReactNode {
  const { t } = useSpeech();
  switch (told.status) {
    case 'saved':
      return <MessagePanel icon="bank-card" title={t.linkSaved} hint={t.linkSavedHint} />;
    case 'confirmed':
      return <MessagePanel icon="check" title={t.linkConfirmed} hint={t.linkConfirmedHint} />;
    case 'refused':
      return (
        <MessagePanel
          icon="stop"
          title={t.linkRefused}
          hint={told.code === 'LINK_TAKEN' ? t.linkTakenHint : t.linkRefusedHint}
        />
      );
    case 'withdrawal-saved':
      return <MessagePanel icon="bank-card" title={t.unlinkSaved} hint={t.unlinkSavedHint} />;
    case 'withdrawn':
      return <MessagePanel icon="check" title={t.unlinked} hint={t.unlinkedHint} />;
  }
}
