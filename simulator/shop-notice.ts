import { relative } from 'node:path';
import type { CardNumber } from './card-numbers.ts';
import { READERS } from './readers/counter.ts';
import { cardShowing } from './showable-cards.ts';
import type { Shop } from './shop.ts';
import { aligned } from './verdict-lines.ts';

/** What a person needs to know of a shop that has just opened. */
export function shopNotice(shop: Shop): string {
  const { population, paths } = shop;
  const here = (path: string): string => {
    const short = relative(process.cwd(), path);
    return short.startsWith('..') ? path : short;
  };
  const gold = cardShowing(
    'known',
    population,
    1,
    (member) => member.tier === 'gold' && member.purposes.includes('greeting'),
  );
  const name = gold.member === undefined ? '' : population.customer(gold.member.ordinal).person.givenName;
  const blocked = cardShowing('blocked', population, 1);
  const unknown = cardShowing('unknown', population, 1);
  const line = (card: CardNumber, shows: string): [string, string] => [card.number, shows];
  const sections = [
    `The shop is open: ${population.size} customers, ${population.cardCount} cards.`,
    aligned([
      ['Cashier’s display', shop.displayUrl],
      ['Counter, to scan with a click', shop.counterUrl],
      ['Till, local API', `${shop.tillUrl}   token in ${here(paths.tillTokenFile)}`],
      ['Server', `${shop.serverUrl}   token in ${here(paths.serverTokenFile)}`],
      ['Serial scanner', `${here(paths.scannerLink)}   reader ${READERS.serial}`],
      ['Network scanner', `${shop.scanners.tcp.address}   reader ${READERS.tcp}`],
      ['Logs', here(paths.logFile('till')).replace(/till\.log$/, '')],
    ]),
    `Cards to try:\n${aligned([
      line(gold.card, `known: ${name}, Gold`),
      line(blocked.card, 'blocked'),
      line(unknown.card, 'unknown: nobody has this card'),
    ])}`,
    `Scan one, in another terminal:\n  npm run scan -- --card ${gold.card.number}`,
    'Ctrl-C ends everything.',
  ];
  return `\n${sections.join('\n\n')}\n\n`;
}
