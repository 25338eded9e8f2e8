import type { CardNumber } from './card-numbers.ts';
import type { CounterButton } from './counter-page/counter-page.ts';
import type { Population } from './population.ts';
import type { Showing } from './readers/counter.ts';
import { DEMO_PAR, scannerView } from './scan-order.ts';
import { cardShowing } from './showable-cards.ts';

/** A test number of a payment scheme, of no account. */
const TEST_PAYMENT_CARD = '4111111111111111';

/** What there is to hold before the readers of the demo shop. */
export function counterButtons(population: Population): readonly CounterButton[] {
  const known = cardShowing('known', population, 1, (member) =>
    member.cards.every(({ scheme }) => scheme === 'house'),
  ).card;
  const show = (group: string, label: string, as: Showing, number: string): CounterButton => ({
    group,
    label,
    order: { order: 'show', as, ...scannerView(number) },
  });
  const byScanner = (label: string, card: CardNumber): CounterButton =>
    show('Cards before the serial scanner', label, 'serial', card.number);
  const readers: readonly (readonly [Showing, string])[] = [
    ['serial', 'Serial scanner'],
    ['serial-stx', 'Serial scanner, STX … ETX'],
    ['tcp', 'Network scanner'],
    ['hid-pos', 'USB HID POS scanner'],
    ['ibm', 'IBM hand-held scanner'],
    ['wedge-de', 'Keyboard scanner, German'],
    ['wedge-us', 'Keyboard scanner, wrong layout (US)'],
    ['wedge-fr', 'Keyboard scanner, wrong layout (French)'],
    ['msr', 'Magnetic stripe'],
  ];
  return [
    byScanner('A customer’s card', known),
    ...(['blocked', 'expired', 'unknown'] as const).map((verdict) =>
      byScanner(`A card that is ${verdict}`, cardShowing(verdict, population, 1).card),
    ),
    ...readers.map(([as, label]) =>
      show('The same customer’s card by every reader', label, as, known.number),
    ),
    ...(['digits', 'base45', 'url'] as const).map((form): CounterButton => ({
      group: 'Phone and bank card',
      label: `App code as ${form}`,
      order: { order: 'app-code', form, phone: 0 },
    })),
    show('Phone and bank card', 'Bank card at the payment terminal', 'zvt', DEMO_PAR),
    show('What is no card', 'An article', 'serial', '4006381333931'),
    show('What is no card', 'A bank card number in a bar code', 'serial', TEST_PAYMENT_CARD),
    show('What is no card', 'A bank card’s stripe', 'msr', `;${TEST_PAYMENT_CARD}=29121010000000000000?`),
    {
      group: 'Faults',
      label: 'Pull the serial scanner for 2 s',
      order: { order: 'unplug', reader: 'serial', seconds: 2 },
    },
    { group: 'Faults', label: 'Cut the network to the server', order: { order: 'network', state: 'cut' } },
    { group: 'Faults', label: 'Mend the network', order: { order: 'network', state: 'up' } },
  ];
}
