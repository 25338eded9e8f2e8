import { errorCodes } from '../foundation/error-codes.ts';
import type { Identification, TillEvent } from '../edge/api/events.ts';
import type { OfferView, WhyNot } from '../sync/contract/offer.ts';

type Scanned = Extract<TillEvent, { event: 'scan' }>;
type Identified = Extract<TillEvent, { event: 'identified' }>;

/** What the till made of a scan, for a terminal: label and text, the labels to be aligned. */
export function verdictLines(
  scan: Scanned,
  identified: Identified | undefined,
): [label: string, text: string][] {
  const { outcome, readerId } = scan;
  switch (outcome.kind) {
    case 'product':
      return [
        ['product', `${outcome.code} (${outcome.symbology}), handed on to the POS by reader ${readerId}`],
      ];
    case 'claimed':
      return [['product', `for the client that has claimed reader ${readerId}`]];
    case 'refused':
      return [['refused', `a payment card, nothing of it is kept: ${outcome.reason} [${outcome.code}]`]];
    case 'unreadable':
      return [['unreadable', unreadable(outcome)]];
    case 'credential': {
      const lines: [string, string][] = [
        ['card', `${outcome.credential}, scheme ${outcome.scheme}, reader ${readerId}`],
      ];
      if (identified === undefined) return lines;
      lines.push(['verdict', verdict(identified.identification)]);
      for (const [i, offer] of identified.offers.entries())
        lines.push([i === 0 ? 'offers' : '', offerLine(offer)]);
      lines.push(['took', `${identified.tookMs.toFixed(3)} ms from the last byte to the verdict`]);
      return lines;
    }
  }
}

function verdict(identification: Identification): string {
  switch (identification.verdict) {
    case 'known': {
      const { greeting, tierName, tier, points } = identification.customer;
      return `known: ${greeting ?? 'a customer who wants no greeting'}, ${tierName?.en ?? tier}, ${points} points`;
    }
    case 'blocked':
      return 'blocked: this card must not be used';
    case 'expired':
      return `expired since ${new Date(identification.since).toISOString().slice(0, 10)}`;
    case 'unreached':
      return 'not on this till, and the server did not answer: kept for the server to settle';
    case 'unknown':
      return 'unknown here: the sale is kept against the card, and the server settles it';
  }
}

function offerLine(offer: OfferView): string {
  if (offer.applies) {
    const gains = [
      ...(offer.bonusPoints > 0 ? [`+${offer.bonusPoints} points`] : []),
      ...(offer.discountMinor > 0 ? [`−${(offer.discountMinor / 100).toFixed(2)}`] : []),
    ];
    return `✓ ${[offer.title.en, ...gains].join('  ')}`;
  }
  return `✗ ${offer.title.en}  (${offer.whyNot.map(reason).join(', ')})`;
}

function reason(why: WhyNot): string {
  switch (why.code) {
    case 'NOT_YET':
      return `from ${new Date(why.from).toISOString().slice(0, 10)}`;
    case 'ENDED':
      return `ended ${new Date(why.at).toISOString().slice(0, 10)}`;
    case 'OTHER_TIER':
      return `only ${why.tiers.join(' and ')}`;
    case 'NO_CONSENT':
      return 'no consent';
    case 'STALE':
      return 'the till has not heard of the server for too long';
    case 'TOTAL_TOO_LOW':
      return `${(why.missingMinor / 100).toFixed(2)} more`;
    case 'ARTICLE_MISSING':
      return 'none of its articles in the basket';
  }
}

/** Lines with their labels padded to one width. */
export function aligned(lines: readonly (readonly [label: string, text: string])[], indent = '  '): string {
  const width = Math.max(0, ...lines.map(([label]) => label.length));
  return lines.map(([label, text]) => `${indent}${label.padEnd(width)}  ${text}`.trimEnd()).join('\n');
}

function unreadable({ code, fits }: Extract<Scanned['outcome'], { kind: 'unreadable' }>): string {
  const [, [cause] = []] = Object.entries(errorCodes).find(([each]) => each === code) ?? [];
  const layouts = fits === undefined ? '' : `; it types as ${fits.join(' or ')}`;
  return `${cause ?? 'not read'}${layouts} [${code}]`;
}
