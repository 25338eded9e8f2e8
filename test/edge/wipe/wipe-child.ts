// Wipes the till in a folder as the daemon does at its start, and dies by SIGKILL after the given step.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { finishWipe, orderWipe } from '../../../edge/wipe/wipe-files.ts';

const [folder = '', diesAfter = '0', order = ''] = process.argv.slice(2);
let steps = 0;
const onStep = (): void => {
  steps += 1;
  if (steps === Number(diesAfter)) process.kill(process.pid, 'SIGKILL');
};
const dataFolder = join(folder, 'data');
if (order === 'order') {
  orderWipe(dataFolder);
  onStep();
}
const keyFolder = join(folder, 'keys');
const keyFiles = [
  join(dataFolder, 'wipe.key'),
  ...readdirSync(keyFolder).map((name) => join(keyFolder, name)),
];
process.exitCode = finishWipe({ dataFolder, keyFiles }, onStep).length;
process.stdout.write(`${steps}\n`);
