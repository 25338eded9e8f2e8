import { asError } from '../../foundation/errors.ts';
import { identifyBench } from './identify.ts';
import { lookupsBench } from './lookups.ts';
import { passThroughBench } from './pass-through.ts';
import { replicaBench } from './replica/replica.ts';
import { stormBench } from './storm/storm.ts';

const USAGE = [
  'npm run bench -- identify [--customers N] [--scans N] [--json]',
  'npm run bench -- pass-through [--scans N] [--json]',
  'npm run bench -- replica [--documents N] [--peers NAME,…] [--json]',
  'npm run bench -- lookups [--customers N] [--lookups N] [--json]',
  'npm run bench -- storm [--customers N] [--changes N] [--json]',
  '',
].join('\n');

const [name, ...args] = process.argv.slice(2);
try {
  if (name === 'identify') {
    await identifyBench(args);
  } else if (name === 'pass-through') {
    await passThroughBench(args);
  } else if (name === 'replica') {
    await replicaBench(args);
  } else if (name === 'lookups') {
    await lookupsBench(args);
  } else if (name === 'storm') {
    await stormBench(args);
  } else {
    process.stderr.write(USAGE);
    process.exitCode = 2;
  }
} catch (error) {
  process.stderr.write(`${asError(error).message}\n`);
  process.exitCode = 1;
}
