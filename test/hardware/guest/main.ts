import { hidPosOverUhid } from '../scenarios/hid-pos-over-uhid.ts';
import { Stage } from './stage.ts';

const scenarios: readonly (readonly [string, (stage: Stage) => Promise<void>])[] = [
  ['hid-pos: a scanner of the kernel’s uhid', hidPosOverUhid],
];

const only = process.env['STAMMKUNDE_ONLY'] ?? '';
const stage = Stage.open();
for (const [name, play] of scenarios) {
  if (name.includes(only)) await stage.scenario(name, () => play(stage));
}
await stage.end();
process.exit(0);
