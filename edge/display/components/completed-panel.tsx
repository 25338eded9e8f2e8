import type { ReactNode } from 'react';
import type { SaleView } from '../../api/events.ts';
import { inert } from '../inert.ts';
import { Icon } from './icons.tsx';
import { useSpeech } from './speech.tsx';

/** A closed sale: thanks, and what it brought. */
export function CompletedPanel({ sale }: { sale: SaleView }): ReactNode {
  const { t, format } = useSpeech();
  const identification = sale.customer?.identification ?? null;
  const name = identification?.verdict === 'known' ? identification.customer.greeting : null;
  const points = sale.points.total;
  const counts = identification !== null && (points !== 0 || identification.verdict === 'known');
  return (
    <div className="message">
      <Icon name="check" />
      <h1 className="message-title">{name === null ? t.completed : t.completedFor(inert(name, 24))}</h1>
      {counts && (
        <p className="completed-points">
          <strong>{format.signed(points)}</strong>{' '}
          <span>{identification.verdict === 'known' ? t.earned(points) : t.kept(points)}</span>
        </p>
      )}
      <p className="message-hint">
        {t.total} {format.money(sale.basket.totalMinor, sale.basket.currency)}
      </p>
    </div>
  );
}
