/*
 * The built page in a real browser, served with the daemon's policy, fed by a till that plays events.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TillEvent } from '../../../edge/api/events.ts';
import type { OfferView } from '../../../sync/contract/offer.ts';
import { findChromium, launchChromium, NO_CHROMIUM } from '../../support/chromium.ts';
import { FakeTill } from './fake-till.ts';
import {
  AT,
  attached,
  blocked,
  closed,
  expired,
  hello,
  known,
  lookingUp,
  misreadScan,
  offers,
  offlineSync,
  openSale,
  refusedScan,
  saleEvent,
  scan,
  seedingSync,
  unknown,
  unreached,
  uuid,
  wellSync,
} from './samples.ts';

const chromiumPath = findChromium();
/** A till's touch screen. */
const SCREEN = { width: 1024, height: 768 };
const SMALL_SCREEN = { width: 800, height: 600 };
const LARGE_SCREEN = { width: 1920, height: 1080 };

let pageFolder: string;
let browser: Browser;
let till: FakeTill;
let page: Page;
/** What the page complained of, refused policy included. */
let complaints: string[];

beforeAll(async () => {
  if (chromiumPath === null) return;
  pageFolder = await mkdtemp(join(tmpdir(), 'stammkunde-display-'));
  const root = join(import.meta.dirname, '../../../edge/display');
  await build({
    configFile: join(root, 'vite.config.ts'),
    logLevel: 'error',
    build: { outDir: pageFolder, emptyOutDir: true },
  });
  browser = await launchChromium(chromiumPath);
  const context = await browser.newContext({
    viewport: SCREEN,
    locale: 'de-DE',
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce',
  });
  page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
});

afterAll(async () => {
  if (chromiumPath === null) return;
  await browser.close();
  await rm(pageFolder, { recursive: true, force: true });
});

beforeEach(async (context) => {
  if (chromiumPath === null) context.skip(NO_CHROMIUM);
  await page.goto('about:blank');
  await page.setViewportSize(SCREEN);
  await page.emulateMedia({ colorScheme: 'light' });
  complaints = [];
  till = await FakeTill.open(pageFolder);
});

afterEach(async () => {
  if (chromiumPath === null) return;
  await till.close();
});

/** Opens the page on a German till of 1024 × 768, which is told `events` on connecting. */
async function show(events: readonly TillEvent[], search = ''): Promise<void> {
  till.greeting = events;
  await page.goto(till.url(search));
}

async function sees(scene: string): Promise<void> {
  await page.waitForSelector(`[data-scene="${scene}"]`);
}

/** The page's words, with every kind of space as a plain one. */
async function words(): Promise<string> {
  const text = await page.locator('body').innerText();
  return text.replace(/\s+/g, ' ');
}

/** Names of the parts that do not fit where they stand. Runs in the page. */
const PARTS_THAT_OVERFLOW = `
  [document.documentElement, ...document.querySelectorAll('body, #page, .top, .stage, .hero, .message, .known, .known-facts, .points, .offers, .sale, .status')]
    .filter((e) => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1)
    .map((e) => e.className || e.tagName)`;

/** Texts whose contrast with the ground behind them is below 4.5 : 1 (WCAG 2.2, 1.4.3). Runs in the page. */
const TEXTS_TOO_FAINT = `(() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b]
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    const colour = parse(getComputedStyle(e).backgroundColor);
    return colour[3] === 0 ? ground(e.parentElement) : colour;
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === '' || e.closest('script')) continue;
    const [light, dark] = [parse(getComputedStyle(e).color), ground(e)].map(luminance).sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faint.push(walker.currentNode.data + ' ' + ratio.toFixed(2));
  }
  return faint;
})()`;

/** Sizes in px of what must be readable from a metre away. Runs in the page. */
const MAIN_FACT_SIZES = `
  [...document.querySelectorAll('.message-title, .known-greeting, .points strong, .completed-points strong, .sale-earns strong, .sale-total:not(.sale-total-long) strong')]
    .map((e) => parseFloat(getComputedStyle(e).fontSize))`;

/** What overflows on a till's screen, on a small and on a large one. */
async function overflowing(): Promise<string[]> {
  const found: string[] = [];
  for (const size of [SMALL_SCREEN, LARGE_SCREEN, SCREEN]) {
    await page.setViewportSize(size);
    const parts = await page.evaluate<string[]>(PARTS_THAT_OVERFLOW);
    found.push(...parts.map((part) => `${part} at ${size.width} × ${size.height}`));
  }
  return found;
}

/** Main facts below 40 px, on the smallest screen. */
async function factsTooSmall(): Promise<number[]> {
  await page.setViewportSize(SMALL_SCREEN);
  const sizesPx = await page.evaluate<number[]>(MAIN_FACT_SIZES);
  await page.setViewportSize(SCREEN);
  expect(sizesPx.length).toBeGreaterThan(0);
  return sizesPx.filter((px) => px < 40);
}

const noReader: TillEvent = {
  ...hello,
  readers: [{ id: 'counter', kind: 'serial-line', status: 'waiting', code: 'DRV_PORT_ABSENT', scans: 0 }],
};

const scenes: readonly {
  scene: string;
  events: readonly TillEvent[];
  de: readonly string[];
  en: readonly string[];
}[] = [
  {
    scene: 'waiting',
    events: [hello],
    de: ['Bereit zum Scannen', 'Server verbunden', 'Alles übertragen', 'store-12-till-3'],
    en: ['Ready to scan', 'Server connected', 'All transferred'],
  },
  {
    scene: 'no-reader',
    events: [noReader],
    de: ['Kein Lesegerät bereit', 'Nicht bereit: counter'],
    en: ['No reader is ready', 'Not ready: counter'],
  },
  {
    scene: 'known',
    events: [hello, known, saleEvent(attached(known))],
    de: [
      'Hallo, Anna!',
      'Silber',
      '12.840',
      'Stand 14:42 · vor 23 Min.',
      'Karte … 4821',
      '50 Extrapunkte auf Kaffee',
      '+50 P',
      '−2,00 €',
      'noch 4,50 € bis zum Angebot',
      'nur für Stufe gold, platin',
      '23,40 €',
      '5 Positionen',
      '+73',
      'davon 50 Bonus',
    ],
    en: ['Hello, Anna!', 'Silver', '12,840', 'as of 14:42 · 23 min ago', '€4.50 to go', '+50 pts', '€23.40'],
  },
  {
    scene: 'unknown',
    events: [hello, saleEvent(attached(unknown))],
    de: ['Unbekannte Karte', 'gehört noch niemandem', 'vorgemerkt', 'Karte … 4821', 'CARD_UNKNOWN'],
    en: ['Unknown card', 'kept against this card', 'CARD_UNKNOWN'],
  },
  {
    scene: 'looking-up',
    events: [hello, lookingUp],
    de: ['Karte wird gesucht …', 'der Server wird gefragt', 'Karte … 4821'],
    en: ['Looking the card up …', 'the server is being asked'],
  },
  {
    scene: 'unreached',
    events: [hello, saleEvent(attached(unreached))],
    de: ['Karte nicht auf dieser Kasse', 'Server antwortet gerade nicht', 'vorgemerkt', 'CARD_UNREACHED'],
    en: ['Card not on this till', 'kept against this card', 'CARD_UNREACHED'],
  },
  {
    scene: 'blocked',
    events: [hello, blocked],
    de: ['Karte gesperrt', 'Kundendienst'],
    en: ['Card blocked'],
  },
  {
    scene: 'expired',
    events: [hello, expired],
    de: ['Karte abgelaufen', 'Gültig bis 31.10.'],
    en: ['Card expired', 'Valid until 31/10'],
  },
  {
    scene: 'refused',
    events: [hello, refusedScan],
    de: ['Das ist eine Bankkarte', 'Bitte am Terminal verwenden', 'nichts gespeichert'],
    en: ['This is a payment card', 'Nothing of the card was stored'],
  },
  {
    scene: 'unreadable',
    events: [hello, misreadScan],
    de: ['Bitte nochmals scannen', 'Prüfziffer'],
    en: ['Please scan again', 'check digit'],
  },
  {
    scene: 'completed',
    events: [hello, saleEvent(attached(known)), saleEvent(closed(attached(known)))],
    de: ['Danke, Anna!', '+73 Punkte gesammelt', 'Summe 23,40 €'],
    en: ['Thank you, Anna!', '+73 points earned'],
  },
  {
    scene: 'voided',
    events: [hello, saleEvent(closed(openSale, 'voided'))],
    de: ['Einkauf storniert'],
    en: ['Sale voided'],
  },
];

describe.each(scenes)('$scene', ({ scene, events, de, en }) => {
  test('is said in German and English, fits the screen, is large and clear', async () => {
    await show(events);
    await sees(scene);
    const german = await words();
    for (const text of de) expect(german).toContain(text);

    expect(await overflowing()).toEqual([]);
    expect(await factsTooSmall()).toEqual([]);
    expect(await page.evaluate<string[]>(TEXTS_TOO_FAINT)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await page.evaluate<string[]>(TEXTS_TOO_FAINT)).toEqual([]);

    await page.getByRole('button', { name: 'English' }).click();
    await page.waitForSelector('html[lang=en]');
    const english = await words();
    // The browser's region stays German, so English numbers are written as in the United Kingdom.
    for (const text of en) expect(english).toContain(text);
    expect(await overflowing()).toEqual([]);
    expect(complaints).toEqual([]);
  });
});

test('the longest names, the largest sums and many offers and readers still fit', async () => {
  const many: OfferView[] = Array.from({ length: 30 }, (_unused, i) => {
    const sample = offers[i % offers.length];
    if (sample === undefined) throw new Error('there are no sample offers');
    const title = `Sonderangebot ${i} ${'überaus lang '.repeat(14)}`;
    return { ...sample, offerId: String(i), title: { de: title, en: title } };
  });
  if (known.identification.verdict !== 'known') throw new Error('the sample is not a known customer');
  const event: typeof known = {
    ...known,
    offers: many,
    identification: {
      verdict: 'known',
      customer: {
        ...known.identification.customer,
        greeting: 'Maximiliane-Wilhelmine-Charlotte-Amalie',
        tierName: { de: 'Platin-Ehrenmitgliedschaft', en: 'Platinum' },
        points: -12_345_678,
      },
    },
  };
  const sale = attached(event);
  await show([
    {
      ...hello,
      till: 't'.repeat(32),
      store: 's'.repeat(32),
      sync: { ...offlineSync, unconfirmed: 1_000_000 },
      readers: Array.from({ length: 12 }, (_unused, i) => ({
        id: `reader-with-a-long-name-${i}`,
        kind: 'serial-line',
        status: 'waiting' as const,
        code: 'DRV_PORT_ABSENT',
        scans: 0,
      })),
    },
    saleEvent({
      ...sale,
      basket: { ...sale.basket, totalMinor: 999_999_999_999 },
      points: { base: 9_999_999, bonus: 9_999_999, total: 19_999_998 },
    }),
    scan({ kind: 'product', code: '9'.repeat(500), symbology: 'qr' }),
  ]);
  await sees('known');
  expect(await overflowing()).toEqual([]);
});

test('a till that is cut off says how old its data are and how much waits', async () => {
  await show([{ ...hello, sync: offlineSync }]);
  await sees('waiting');
  const text = await words();
  for (const part of ['Server getrennt', '37 Buchungen warten', 'Daten: vor 23 Min.']) {
    expect(text).toContain(part);
  }
  till.tell({ event: 'sync', sync: wellSync });
  await page.getByText('Server verbunden').waitFor();
  expect(await words()).not.toContain('37');
});

test('a till whose journal the server refuses says whom to call', async () => {
  await show([{ ...hello, sync: { ...wellSync, diverged: true } }]);
  await sees('waiting');
  expect(await words()).toContain('Abgleich gestört: bitte Support rufen');
});

test('a till that nobody answers, though it is connected, says whom to call', async () => {
  await show([{ ...hello, sync: { ...wellSync, unanswered: true } }]);
  await sees('waiting');
  expect(await words()).toContain('Verkäufe werden nicht bestätigt: bitte IT rufen');
});

test('what is not known is not shown as nothing', async () => {
  const { replica } = wellSync;
  await show([
    { ...hello, sync: { ...wellSync, replica: { ...replica, caughtUpAt: null, ageMs: null } } },
    saleEvent({ ...openSale, points: { base: 0, bonus: 0, total: 0 } }),
  ]);
  await sees('waiting');
  const text = await words();
  expect(text).toContain('Datenstand unbekannt');
  expect(text).toContain('Punkte noch offen');
  expect(await page.locator('.sale-earns strong').innerText()).toBe('–');
});

test('a customer without a greeting is welcomed without a name', async () => {
  if (known.identification.verdict !== 'known') throw new Error('the sample is not a known customer');
  const { customer } = known.identification;
  await show([
    hello,
    { ...known, identification: { verdict: 'known', customer: { ...customer, greeting: null } } },
  ]);
  await sees('known');
  expect(await words()).toContain('Willkommen zurück!');
});

test('markup, escapes and direction overrides from a scan are only text', async () => {
  const code = '<script>document.title="owned"</script><img src=x onerror=alert(1)>';
  await show([hello, saleEvent(openSale), scan({ kind: 'product', code, symbology: 'qr' })]);
  await sees('waiting');
  expect(await page.locator('.sale-product code').textContent()).toBe(`${code.slice(0, 63)}…`);
  expect(await page.title()).toBe('Stammkunde');
  expect(await page.locator('main script, aside script, aside img').count()).toBe(0);
  till.tell(scan({ kind: 'product', code: 'a\u202eb\u001b[31mc', symbology: 'qr' }));
  await page.getByText('a\ufffdb\ufffd[31mc').waitFor();
  expect(complaints).toEqual([]);
});

test('the policy keeps an inline script from running', async () => {
  await show([hello]);
  await sees('waiting');
  await page.evaluate(
    `document.body.append(Object.assign(document.createElement('script'), { textContent: 'document.title = "owned"' }))`,
  );
  expect(await page.title()).toBe('Stammkunde');
  expect(complaints.join()).toContain('Content Security Policy');
});

test('a product is said to be handed on to the POS, or not to be taken, in place of nothing', async () => {
  const product = { kind: 'product', code: '4006381333931', symbology: 'ean-13' } as const;
  await show([hello, known, scan({ ...product, passedOn: 'handed-on' })]);
  await page.locator('[data-handed-on="handed-on"]').waitFor();
  expect(await page.locator('.status').innerText()).toContain('An die Kasse weitergegeben');
  await sees('known');
  till.tell(scan({ ...product, passedOn: 'waiting' }));
  await page.locator('[data-handed-on="waiting"]').waitFor();
  expect(await page.locator('.status').innerText()).toContain('Die Kasse nimmt den Artikel nicht an');
  for (const size of [SMALL_SCREEN, LARGE_SCREEN, SCREEN]) {
    await page.setViewportSize(size);
    expect(await page.evaluate<string[]>(PARTS_THAT_OVERFLOW)).toEqual([]);
  }
  expect(complaints).toEqual([]);
});

test('a notice goes when it is touched', async () => {
  await show([hello, known, misreadScan]);
  await sees('unreadable');
  await page.locator('main').click();
  await sees('known');
  expect(complaints).toEqual([]);
});

test('a daemon that goes is said to be gone, and is followed again when it is back', async () => {
  await show([hello, known]);
  await sees('known');
  const { port } = till;
  await till.close();
  await sees('gone');
  expect(await words()).toContain('Kassendienst nicht erreichbar');
  expect(await page.evaluate<string[]>(PARTS_THAT_OVERFLOW)).toEqual([]);
  const token = till.token;
  till = await FakeTill.open(pageFolder, port, token);
  till.greeting = [hello, unknown];
  await sees('unknown');
});

test('a number that is missing makes the page ask for everything anew', async () => {
  await show([hello, known]);
  await sees('known');
  till.greeting = [hello, blocked];
  till.skip();
  till.tell({ event: 'sync', sync: wellSync });
  await sees('blocked');
  expect(till.connections).toBe(2);
});

test('a page with a wrong token says that it is not admitted', async () => {
  await show([hello]);
  await sees('waiting');
  const stranger = await page.context().newPage();
  await stranger.goto(till.url().replace(till.token, uuid(9)));
  await stranger.getByText('Anzeige nicht freigegeben').waitFor();
  expect(await stranger.locator('.status').innerText()).toBe('');
  await stranger.close();
});

test('a page without a token says that it is not admitted, and asks for nothing', async () => {
  await page.goto(till.url().replace(/#.*/, ''));
  await page.getByText('Anzeige nicht freigegeben').waitFor();
  expect(till.connections).toBe(0);
});

test('?lang= decides the language, and the toggle is remembered', async () => {
  await show([hello], '?lang=en');
  await page.getByText('Ready to scan').waitFor();
  await page.getByRole('button', { name: 'Deutsch' }).click();
  await page.getByText('Bereit zum Scannen').waitFor();
  await page.getByRole('button', { name: 'English' }).click();
  await page.goto('about:blank');
  await page.goto(till.url());
  await page.getByText('Ready to scan').waitFor();
  expect(await page.locator('html').getAttribute('lang')).toBe('en');
});

describe('a till that is being filled', () => {
  const greeting = (percent: number | null, phase: 'preparing' | 'loading' | 'catching-up' = 'loading') => ({
    ...hello,
    sync: seedingSync({ phase, percent, ratePerSecond: 31_250 }),
  });

  test('says how far it is in one slim line that takes no room from a customer and their offers', async () => {
    await show([greeting(42), known, saleEvent(attached(known))]);
    await sees('known');
    expect(await words()).toContain('Kundenstamm wird geladen … 42 % · 31.250/s');
    expect(await words()).not.toContain('Daten werden geladen');
    expect(await page.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('42');
    expect(await overflowing()).toEqual([]);
    expect(await page.evaluate<string[]>(TEXTS_TOO_FAINT)).toEqual([]);
    till.tell({ event: 'sync', sync: seedingSync({ phase: 'loading', percent: 43, ratePerSecond: null }) });
    await page.locator('[aria-valuenow="43"]').waitFor();
    await page.getByRole('button', { name: 'English' }).click();
    expect(await words()).toContain('Loading the customer base … 43%');
    till.tell({ event: 'sync', sync: wellSync });
    await page.locator('.seeding').waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
  });

  test('says what it waits for while nobody knows how far it is', async () => {
    await show([greeting(null, 'preparing')]);
    await sees('waiting');
    expect(await words()).toContain('Kundenstamm wird vorbereitet …');
    expect(await page.getByRole('progressbar').getAttribute('aria-valuenow')).toBeNull();
    till.tell({
      event: 'sync',
      sync: seedingSync({ phase: 'catching-up', percent: 100, ratePerSecond: null }),
    });
    await page.locator('[data-seeding="catching-up"]').waitFor();
    expect(await words()).toContain('Letzte Änderungen werden geladen …');
    expect(await overflowing()).toEqual([]);
  });
});

test('data that were long not compared, or may be an older copy, are told calmly', async () => {
  const { replica } = wellSync;
  await show([{ ...hello, sync: { ...wellSync, replica: { ...replica, verifiedAt: AT - 5 * 3_600_000 } } }]);
  await sees('waiting');
  expect(await words()).toContain('Zuletzt abgeglichen: vor 5 Std.');
  till.tell({ event: 'sync', sync: { ...wellSync, replica: { ...replica, verifiedAt: AT - 3_600_000 } } });
  await page.getByText('Zuletzt abgeglichen').waitFor({ state: 'detached' });
  till.tell({ event: 'sync', sync: { ...wellSync, replica: { ...replica, proven: false, ready: false } } });
  await page.getByText('Kundendaten werden geprüft').waitFor();
  expect(await page.locator('.fact-warn').count()).toBe(0);
});
