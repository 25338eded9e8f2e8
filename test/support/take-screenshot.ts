// `npm run screenshot`, beside a shop that runs (npm start): scans a card, puts a basket, and takes the README's picture
// of what the cashier sees.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SystemClock } from '../../foundation/clock.ts';
import { SystemRandom, uuidV7 } from '../../foundation/random.ts';
import { readTokenFile } from '../../foundation/secret-file.ts';
import { ADDRESS_FILE, ShopAddress } from '../../simulator/control-contract.ts';
import { TillClient } from '../../simulator/till-client.ts';
import { findChromium, launchChromium, NO_CHROMIUM } from './chromium.ts';
import { runProgram } from './run-program.ts';

const SHOP = '.stammkunde/shop';
const [card, target = 'docs/display.png'] = process.argv.slice(2);

async function takeScreenshot(number: string): Promise<void> {
  const chromium = findChromium();
  if (chromium === null) throw new Error(NO_CHROMIUM);
  const address = ShopAddress.parse(
    z.json().parse(JSON.parse(readFileSync(join(SHOP, ADDRESS_FILE), 'utf8'))),
  );
  const displayToken = readTokenFile(join(SHOP, 'keys/till-display.token'));
  const till = new TillClient(address.tillUrl, readTokenFile(address.tillTokenFile));
  const browser = await launchChromium(chromium);
  try {
    const page = await browser.newPage({ viewport: { width: 1024, height: 768 } });
    await page.goto(`${address.tillUrl}/display/?lang=en#token=${displayToken}`);
    const saleId = uuidV7(new SystemClock().now(), new SystemRandom());
    await till.openSale(saleId);
    await till.putBasket(saleId, {
      currency: 'EUR',
      totalMinor: 1_937,
      lines: [
        { id: '1', article: '9012345000028', category: 'bakery', quantityMilli: 1_000, totalMinor: 489 },
        { id: '2', article: '9012345000035', category: 'wine', quantityMilli: 1_000, totalMinor: 799 },
        { id: '3', article: '9012345000073', category: 'dairy', quantityMilli: 1_000, totalMinor: 649 },
      ],
    });
    const scan = await runProgram('bin/stammkunde-scan.js', ['--card', number]);
    if (scan.code !== 0) throw new Error(scan.stderr);
    await page.waitForTimeout(800);
    await page.screenshot({ path: target });
    await till.complete(saleId);
  } finally {
    await browser.close();
  }
}

if (card === undefined) {
  process.stderr.write('npm run screenshot -- CARD [FILE], with a card of the shop that runs\n');
  process.exitCode = 1;
} else {
  await takeScreenshot(card);
}
