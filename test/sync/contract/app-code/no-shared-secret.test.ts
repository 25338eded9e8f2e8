// Goal: no secret of a customer that a till could misuse is ever on a till (a stolen till could then sign as any of them).
// Method: the names of all fields a till stores, is sent, or sends; a field of this kind must not appear unnoticed.
import { expect, test } from 'vitest';
import { z } from 'zod';
import { replicaSchemas } from '../../../../edge/replica/collections.ts';
import { Request, Response, serverBodies } from '../../../../sync/contract/messages.ts';
import { replicaCollections } from '../../../../sync/contract/replica-documents.ts';

function fieldNames(schema: z.ZodType): string[] {
  const names = new Set<string>();
  JSON.stringify(z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }), (key, value: unknown) => {
    if (key === 'properties' && typeof value === 'object' && value !== null) {
      for (const name of Object.keys(value)) names.add(name);
    }
    return value;
  });
  return [...names];
}

test('no replicated document and no message has a field for a secret', () => {
  const fields = [
    ...Object.values(replicaCollections).flatMap(({ document }) => fieldNames(document)),
    ...Object.values(replicaSchemas).flatMap((schema) => Object.keys(schema.properties)),
    ...Object.values(serverBodies).flatMap((body) => fieldNames(body)),
    ...fieldNames(Request),
    ...fieldNames(Response),
  ];
  expect(fields).toContain('publicKey');
  expect(fields).toContain('password');
  expect(fields.filter((name) => /secret|private|seed|totp|sealed/i.test(name))).toEqual([]);
  // The one-time password goes up and never comes down.
  const down = Object.values(serverBodies).flatMap((body) => fieldNames(body));
  expect(down).not.toContain('password');
});
