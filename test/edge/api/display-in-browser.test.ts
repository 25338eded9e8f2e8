// Goal: the cashier's page, as built, works under the policy it is served with and with the display's token alone.
import { expect, onTestFinished, test } from 'vitest';
import { NO_CHROMIUM, findChromium, launchChromium } from '../../support/chromium.ts';
import { basketOf } from '../sale/sale-fixture.ts';
import { DISPLAY_TOKEN, openApi } from './api-fixture.ts';

test('the page greets a customer and shows the sale, and the browser has nothing to complain of', async (context) => {
  const chromium = findChromium();
  if (chromium === null) context.skip(NO_CHROMIUM);
  if (chromium === null) return;
  const shop = await openApi((end) => onTestFinished(end));
  const browser = await launchChromium(chromium);
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${shop.api.url}/display/#token=${DISPLAY_TOKEN}`);
  const { saleId } = shop.till.sales.open({});
  await shop.till.identifyTyped('9001');
  shop.till.sales.putBasket(saleId, basketOf(1_234, 500));
  await page.getByText('Ingeborg').waitFor();
  await page.getByText(/17[.,]34/).waitFor();
  expect(complaints).toEqual([]);
});
