import { expect, test } from 'vitest';
import { JournalQueue, Turn } from '../../server/intake/journal-queue.ts';

const limits = { messages: 20, bytes: 1_000, ofTill: { messages: 10, bytes: 100 } };

test('tills have turns of four, and what one sends is in one lane’s hands at a time', () => {
  const queue = new JournalQueue(limits);
  const push = (topic: string): boolean => queue.push({ topic, payload: Buffer.alloc(1) });
  for (const topic of 'aaaaaabccccc') push(topic);
  const [one, two] = [new Turn(), new Turn()];
  const take = (turn: Turn, count: number): string =>
    Array.from({ length: count }, () => queue.take(turn)?.topic ?? '-').join('');
  expect(take(one, 5)).toBe('aaaab');
  expect(take(two, 6)).toBe('ccccc-');
  expect(push('b')).toBe(true);
  expect(take(one, 3)).toBe('aa-');
  queue.release(one);
  expect(take(two, 2)).toBe('b-');
  expect(queue.size).toBe(0);
  for (let i = 0; i < 10; i += 1) push('d');
  expect(push('d')).toBe(false);
  expect(push('e')).toBe(true);
});
