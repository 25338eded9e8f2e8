import type { ReactNode } from 'react';
import type { SaleView } from '../../api/events.ts';
import { InertText } from './inert-text.tsx';
import { SmallIcon } from './icons.tsx';
import { useSpeech } from './speech.tsx';

/** From more characters than this on, the total is set smaller. */
const TOTAL_SHORT_MAX = 8;

/** The same for the points it earns. */
const EARNS_SHORT_MAX = 5;

/** The running sale: what it comes to and what it earns. */
export function SalePanel({ sale, product }: { sale: SaleView; product: string | null }): ReactNode {
  const { t, format } = useSpeech();
  const { basket } = sale;
  const total = format.money(basket.totalMinor, basket.currency);
  return (
    <aside className="sale" aria-label={t.sale}>
      <h2>{t.sale}</h2>
      <div className={total.length > TOTAL_SHORT_MAX ? 'sale-total sale-total-long' : 'sale-total'}>
        <strong>{total}</strong>
        <span>
          {basket.lines.length === 0
            ? t.noLines
            : t.lines(basket.lines.length, format.count(basket.lines.length))}
        </span>
      </div>
      <Earns sale={sale} />
      {product !== null && (
        <div className="sale-product">
          <span>{t.lastRead}</span>
          <code>
            <InertText text={product} lengthMax={64} />
          </code>
        </div>
      )}
    </aside>
  );
}

/** What the basket earns, or might; a card that settles it only later is not shown as nothing. */
function Earns({ sale }: { sale: SaleView }): ReactNode {
  const { t, format } = useSpeech();
  const { points, customer } = sale;
  const verdict = customer?.identification.verdict ?? null;
  if (verdict === 'blocked' || verdict === 'expired') return null;
  const known = verdict === 'known';
  const total = format.signed(points.total);
  if (!known && points.total === 0) {
    return (
      <div className="sale-earns sale-earns-open">
        <strong>–</strong>
        <span>{t.earnUnknown}</span>
      </div>
    );
  }
  return (
    <div className={known ? 'sale-earns' : 'sale-earns sale-earns-open'}>
      <span>{known ? t.basketEarns : customer === null ? t.basketWouldEarn : t.basketKept}</span>
      <strong className={total.length > EARNS_SHORT_MAX ? 'sale-earns-long' : undefined}>
        <SmallIcon name="star" />
        {total}
      </strong>
      <span>
        {t.points(points.total)}
        {points.bonus !== 0 && <> · {t.ofWhichBonus(format.count(points.bonus))}</>}
      </span>
    </div>
  );
}
