// Goal: the unit file is one systemd takes, as hardened as it claims, and lets no key into a dump or the swap.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectFile } from '../support/run-program.ts';

const unit = readFileSync(projectFile('deploy/systemd/stammkunde-edge.service'), 'utf8');
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

/** Runs systemd-analyze on the unit; the program it starts need not be installed here. */
function analyze(...args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'stammkunde-unit-'));
  try {
    const path = join(folder, 'stammkunde-edge.service');
    writeFileSync(
      path,
      unit.replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true').replace(/^Documentation=.*$/m, ''),
    );
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, path], { encoding: 'utf8' });
    return { status, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('systemd takes the unit without a word', ({ skip }) => {
  if (!hasSystemd) skip('systemd-analyze is not installed');
  expect(analyze('verify')).toEqual({ status: 0, output: '' });
});

test('its exposure is at most 2.0 by systemd’s own measure', ({ skip }) => {
  if (!hasSystemd) skip('systemd-analyze is not installed');
  expect(analyze('security', '--offline=yes', '--threshold=20').status).toBe(0);
});

test.each([
  'LimitCORE=0',
  'MemorySwapMax=0',
  'RestartPreventExitStatus=3',
  'LoadCredentialEncrypted=till-key:',
])('it says %s', (setting) => {
  expect(unit).toMatch(new RegExp(`^${setting}`, 'm'));
});

test('what readers need is allowed', () => {
  for (const device of ['ttyS', 'ttyUSB', 'ttyACM', 'hidraw', 'input', 'usb_device']) {
    expect(unit).toContain(`DeviceAllow=char-${device} rw`);
  }
  expect(unit).not.toMatch(/^(PrivateDevices|MemoryDenyWriteExecute)=/m);
});
