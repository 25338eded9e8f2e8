// Verifies one code after another without end and prints each once it was taken; its parent kills it.
import { writeSync } from 'node:fs';
import { ManualClock } from '../../support/manual-clock.ts';
import { codeIn, enrolled, openVerifier, phone } from './app-code-fixture.ts';

const clock = new ManualClock(Number(process.argv[3]));
const { verifier } = openVerifier(process.argv[2] ?? '', clock);
const annas = phone(clock);
const held = enrolled(annas);
for (;;) {
  const bytes = annas.codeBytes();
  const verdict = verifier.verify(codeIn(bytes), held);
  if (verdict.kind === 'credential' && verdict.credential.trust === 'L3') {
    writeSync(1, `${Buffer.from(bytes).toString('hex')}\n`);
  }
}
