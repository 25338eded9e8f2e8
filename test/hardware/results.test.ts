// Goal: what `npm run test:hardware` says at the end can be believed, without booting anything.
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { projectFile } from '../support/run-program.ts';
import { kernelFaults } from './host/kernel-faults.ts';
import { Results } from './host/results.ts';
import type { FromGuest } from './messages.ts';

function resultOf(...messages: readonly FromGuest[]): { readonly held: boolean; readonly text: string } {
  let text = '';
  const results = new Results({ write: (part: string) => (text += part) });
  for (const message of messages) results.take(message);
  return { held: results.conclude(), text };
}

const scenario: FromGuest = { kind: 'scenario', name: 'a storm' };
const ok: FromGuest = { kind: 'claim', text: 'it comes back', ms: 12.4 };
const failed: FromGuest = { kind: 'claim', text: 'it scans', ms: 5000, why: 'waited 5000 ms' };
const end: FromGuest = { kind: 'end' };

describe('the result of the hardware test', () => {
  test('is good when every claim held and the guest came to its end', () => {
    const { held, text } = resultOf(scenario, ok, end);
    expect(held).toBe(true);
    expect(text).toContain('1 held, 0 failed, 0 left out');
  });

  test('is bad with one claim that failed, which is named again at the end', () => {
    const { held, text } = resultOf(scenario, ok, failed, end);
    expect(held).toBe(false);
    expect(text.trimEnd().split('\n').at(-1)).toBe('FAILED  a storm: it scans');
  });

  test('is bad when the guest ended before it was through, whatever held until then', () => {
    expect(resultOf(scenario, ok).held).toBe(false);
  });

  test('is bad when nothing was claimed at all', () => {
    expect(resultOf(end).held).toBe(false);
  });

  test('what was left out is shown and counted', () => {
    const { held, text } = resultOf(scenario, ok, { kind: 'left-out', text: 'there is no udev' }, end);
    expect(held).toBe(true);
    expect(text).toContain('LEFT OUT  there is no udev');
    expect(text).toContain('1 left out');
  });

  test('without QEMU it says loudly that nothing was tested, with an exit code of its own', () => {
    const { status, stderr } = spawnSync(process.execPath, [projectFile('test/hardware/main.ts')], {
      encoding: 'utf8',
      env: { PATH: '/nonexistent' },
    });
    expect(stderr).toContain('NOTHING WAS TESTED: qemu-system-x86_64 is not installed');
    expect(status).toBe(77);
  });
});

test('of the guest’s console, what its kernel says of a program that was ended is picked out', () => {
  const crash =
    '[  171.402113] node[412]: segfault at 7f3a1c000000 ip 0000000001a2b3c4 sp 00007ffd0c error 5 in node[d6f000+1a00000]';
  const console = [
    '[  177.856850] usb 3-1: SerialNumber: S/N G17A02',
    crash,
    '{"level":"warn","event":"reader.waiting","error":{"message":"segfault at nothing"}}',
    '[  180.000000] Out of memory: Killed process 412 (node)',
    'guest ended with 0',
  ].join('\n');
  expect(kernelFaults(console)).toEqual([crash, '[  180.000000] Out of memory: Killed process 412 (node)']);
});
