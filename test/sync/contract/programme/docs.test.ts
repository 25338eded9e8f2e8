import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mostPoints } from '../../../../sync/contract/programme/burn.ts';
import { ProgrammeDocument } from '../../../../sync/contract/replica-documents.ts';
import { basketOf, line } from '../offers.ts';

const docs = readFileSync(new URL('../../../../docs/programme.md', import.meta.url), 'utf8');

test('the programme in docs/programme.md is one, has every part, and pays what it says', () => {
  const [, json = ''] = /```json\n([\s\S]*?)```/.exec(docs) ?? [];
  const programme = ProgrammeDocument.parse(JSON.parse(json));
  const later = ['consentTexts', 'replica'];
  expect(Object.keys(programme).toSorted()).toEqual(
    Object.keys(ProgrammeDocument.shape)
      .filter((part) => !later.includes(part))
      .toSorted(),
  );
  if (programme.burn === undefined) throw new Error('the example has no burn');
  expect(mostPoints(programme.burn, basketOf(line(999)), 10_000)).toEqual({ points: 450, minor: 450 });
});

test('every code the arithmetic refuses with is explained in docs/programme.md', () => {
  for (const code of ['RETURN_LINE_UNKNOWN', 'RETURN_QUANTITY', 'RETURN_TOO_MUCH'])
    expect(docs).toContain(code);
  for (const code of ['BURN_OFF', 'BURN_TOO_FEW', 'BURN_STEP', 'BURN_TOO_MUCH', 'BURN_BALANCE']) {
    expect(docs).toContain(code);
  }
});
