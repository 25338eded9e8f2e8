import { expect, test } from 'vitest';
import { matchesFilter } from '../../../sync/mqtt/topic-filter.ts';

// MQTT 3.1.1, 4.7, with its own examples.
test.each([
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
  ['sport/tennis/+', 'sport/tennis/player1', true],
  ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
  ['sport/+', 'sport', false],
  ['sport/+', 'sport/', true],
  ['+/+', '/finance', true],
  ['+', '/finance', false],
  ['#', 'a/b/c', true],
  ['#', '$SYS/x', false],
  ['+/x', '$SYS/x', false],
  ['$SYS/#', '$SYS/x', true],
  ['a/b', 'a/B', false],
  ['a/b', 'a/b/c', false],
  ['$share/workers/a/+', 'a/b', true],
  ['$share/workers/a/+', 'workers/a/b', false],
] as const)('%s on %s: %s', (filter, topic, matches) => {
  expect(matchesFilter(filter, topic)).toBe(matches);
});
