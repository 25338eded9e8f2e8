// Goal: what is printed is what a scanner reads and a till understands.
// Method: the images, and the pages of the PDF, are decoded by another's decoder (ZXing), and what it read is recognised.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ReadResult } from 'zxing-wasm/reader';
import { readAim } from '../../../drivers/symbology/aim.ts';
import { recognise } from '../../../edge/recognition/recognise.ts';
import { writeCardSheet } from '../../../simulator/cards/card-sheet.ts';
import { drawCode } from '../../../simulator/cards/draw-code.ts';
import { printedCodes } from '../../../simulator/cards/printed-codes.ts';
import type { PrintedCode } from '../../../simulator/cards/printed-codes.ts';
import { demoCardSchemes } from '../../../simulator/demo-card-schemes.ts';
import { Population } from '../../../simulator/population.ts';
import { readBarcodes } from '../../support/zxing.ts';
import { CardSchemes, compileCardSchemes } from '../../../sync/contract/card-scheme.ts';

const codes = printedCodes(new Population(2_000));
const schemes = compileCardSchemes(CardSchemes.parse(demoCardSchemes));

/** What a scanner with AIM identifiers sends for a decoded symbol, and what the till makes of it. */
function madeOf({ symbologyIdentifier, bytes }: ReadResult): string {
  const frame = Buffer.concat([Buffer.from(symbologyIdentifier, 'latin1'), bytes]);
  const reading = readAim(frame);
  if (reading.kind !== 'data') return `no data in ${symbologyIdentifier}`;
  const presented = {
    payload: Uint8Array.from(reading.payload),
    symbology: reading.symbology,
    source: 'reader' as const,
  };
  return recognise(presented, { schemes }).kind;
}

function expectedKind({ expect: expected }: PrintedCode): string {
  return expected === 'product' || expected === 'refused' ? expected : 'credential';
}

test.each(codes.map((code) => [code.title, code] as const))('%s', async (_title, code) => {
  const [read, ...others] = await readBarcodes(await drawCode(code), { tryHarder: true });
  if (read === undefined) throw new Error('nothing was read');
  expect(others).toEqual([]);
  expect(read.text.replaceAll(/[()]/g, '')).toBe(code.text.replaceAll(/[()]/g, ''));
  expect(madeOf(read)).toBe(expectedKind(code));
});

test('every code can be read off the pages of the sheet as a printer puts them down', async (context) => {
  try {
    execFileSync('pdftoppm', ['-v'], { stdio: 'ignore' });
  } catch {
    context.skip('pdftoppm is not installed (package poppler-utils)');
  }
  const folder = mkdtempSync(join(tmpdir(), 'stammkunde-cards-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await writeCardSheet(join(folder, 'cards.pdf'), codes);
  execFileSync('pdftoppm', ['-r', '200', '-gray', '-png', join(folder, 'cards.pdf'), join(folder, 'page')]);
  const pages = readdirSync(folder).filter((name) => name.endsWith('.png'));
  const read = await Promise.all(
    pages.map((page) =>
      readBarcodes(readFileSync(join(folder, page)), { tryHarder: true, maxNumberOfSymbols: 100 }),
    ),
  );
  const bare = (text: string): string => text.replaceAll(/[()]/g, '');
  expect(
    read
      .flat()
      .map(({ text }) => bare(text))
      .toSorted(),
  ).toEqual(codes.map(({ text }) => bare(text)).toSorted());
});
