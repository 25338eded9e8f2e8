// Judges Ed25519 vectors of Wycheproof (C2SP, testvectors_v1/ed25519_test.json) as codes of phones are judged:
//   node test/sync/contract/app-code/judge-wycheproof.ts ed25519_test.json
// The file is not part of this project; signature.test.ts makes vectors of the same classes.
import { readFileSync } from 'node:fs';
import { verify } from 'node:crypto';
import { z } from 'zod';
import { isSoundPublicKey } from '../../../../sync/contract/app-code/device-key.ts';
import { verifyingKey } from '../../../../sync/contract/app-code/signature.ts';

const Wycheproof = z.object({
  testGroups: z.array(
    z.object({
      publicKey: z.object({ pk: z.string() }),
      tests: z.array(
        z.object({ tcId: z.int(), msg: z.string(), sig: z.string(), result: z.enum(['valid', 'invalid']) }),
      ),
    }),
  ),
});
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('which file?');
let judged = 0;
const wrong: number[] = [];
for (const { publicKey, tests } of Wycheproof.parse(JSON.parse(readFileSync(file, 'utf8'))).testGroups) {
  const pk = bytes(publicKey.pk);
  const key = verifyingKey(pk.toString('base64url'));
  for (const { tcId, msg, sig, result } of tests) {
    judged += 1;
    const isTaken = isSoundPublicKey(pk) && verify(null, bytes(msg), key, bytes(sig));
    if (isTaken !== (result === 'valid')) wrong.push(tcId);
  }
}
process.stdout.write(`${judged} judged, ${wrong.length} otherwise than Wycheproof: ${wrong.join(' ')}\n`);
process.exitCode = wrong.length === 0 && judged > 0 ? 0 : 1;
