// Goal: a person scans with a click; nobody else can. Method: the real page in a real Chromium, and plain requests.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ControlOrder } from '../../../simulator/control-contract.ts';
import { ControlOrder as Order } from '../../../simulator/control-contract.ts';
import { counterButtons } from '../../../simulator/counter-buttons.ts';
import { CounterPage } from '../../../simulator/counter-page/counter-page.ts';
import { Population } from '../../../simulator/population.ts';
import { findChromium, launchChromium, NO_CHROMIUM } from '../../support/chromium.ts';

const buttons = counterButtons(new Population(2_000));
let obeyed: ControlOrder[] = [];
let refusal: string | undefined;
let page: CounterPage;

beforeAll(async () => {
  page = await CounterPage.open({
    token: 'token-of-the-test',
    buttons,
    obey: async (order) => {
      if (refusal !== undefined) throw new Error(refusal);
      obeyed.push(order);
    },
  });
});
afterAll(() => page.close());

test('every button gives an order the shop understands', () => {
  expect(buttons.length).toBeGreaterThan(20);
  for (const { order } of buttons) expect(Order.parse(order)).toEqual(order);
});

describe('in a browser', () => {
  test('each button is there by its words, presses what it says, and tells what came of it', async (context) => {
    const path = findChromium();
    if (path === null) context.skip(NO_CHROMIUM);
    const browser = await launchChromium(path ?? '');
    try {
      const tab = await browser.newPage();
      const faults: string[] = [];
      tab.on('pageerror', (error) => faults.push(error.message));
      await tab.goto(page.url);
      await tab.getByRole('button', { name: 'A customer’s card' }).click();
      await tab.getByText('A customer’s card: shown').waitFor();
      await tab.getByRole('button', { name: 'USB HID POS scanner' }).click();
      await tab.getByText('USB HID POS scanner: shown').waitFor();
      expect(obeyed).toMatchObject([
        { order: 'show', as: 'serial' },
        { order: 'show', as: 'hid-pos' },
      ]);
      expect(await tab.getByRole('button').count()).toBe(buttons.length);
      refusal = 'no till has the device open';
      await tab.getByRole('button', { name: 'Magnetic stripe' }).click();
      await tab.getByText('Magnetic stripe: no till has the device open').waitFor();
      expect(faults).toEqual([]);
    } finally {
      refusal = undefined;
      await browser.close();
    }
  });
});

describe('refused', () => {
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(new URL(path, page.url.replace(/#.*$/, '')), init);
  const bearer = { authorization: 'Bearer token-of-the-test' };

  test.each([
    ['a press without the token', 'press', { method: 'POST', body: '0' }, 401],
    [
      'a press with a wrong token',
      'press',
      { method: 'POST', body: '0', headers: { authorization: 'Bearer wrong' } },
      401,
    ],
    ['the list of buttons without the token', 'buttons', {}, 401],
    ['a button that is not there', 'press', { method: 'POST', body: '999', headers: bearer }, 422],
    ['a press that is no number', 'press', { method: 'POST', body: 'x', headers: bearer }, 422],
    ['a file that is not the page’s', 'counter-page.ts', { headers: bearer }, 404],
    ['a way out of its folder', '..%2fcounter-page.ts', { headers: bearer }, 404],
  ])('%s', async (_title, path, init, status) => {
    obeyed = [];
    expect((await ask(path, init)).status).toBe(status);
    expect(obeyed).toEqual([]);
  });
});
