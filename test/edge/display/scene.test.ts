import { expect, test } from 'vitest';
import { inOrder, readersInTrouble } from '../../../edge/display/scene.ts';
import { hello, offers } from './samples.ts';

test('offers that fit come first, then those still within reach, each kept in its order', () => {
  expect(inOrder(offers).map(({ offerId }) => offerId)).toEqual([
    'coffee',
    'advent',
    'bread',
    'gold',
    'xmas',
  ]);
});

test('only readers that cannot scan are in trouble', () => {
  const [ready] = hello.readers;
  if (ready === undefined) throw new Error('the sample lacks a reader');
  const opening = { ...ready, id: 'second', status: 'opening' } as const;
  expect(readersInTrouble([ready, opening])).toEqual([opening]);
});
