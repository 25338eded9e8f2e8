import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { projectFile } from '../support/run-program.ts';
import { latencySvg } from './latency-svg.ts';
import { LATENCY_SVG, readLatency } from './latency.ts';

test('the plot in the docs is drawn from the figures beside it', () => {
  expect(readFileSync(projectFile(LATENCY_SVG), 'utf8')).toBe(latencySvg(readLatency()));
});
