import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ReaderConfig, ReaderConfigs } from '../../drivers/registry.ts';

const serial = { kind: 'serial', id: 'counter', path: '/dev/ttyACM0' };
const tcp = { kind: 'tcp', id: 'gate', host: 'scanner.local', port: 2001 };

function problems(input: unknown): { path: string; message: string }[] {
  const result = ReaderConfigs.safeParse(input);
  return (result.error?.issues ?? []).map(({ path, message }) => ({ path: path.join('.'), message }));
}

test('a serial and a network scanner need no more than where they are', () => {
  expect(ReaderConfigs.parse([serial, tcp])).toMatchObject([
    {
      baudRate: 9600,
      dataBits: 8,
      stopBits: 1,
      parity: 'none',
      aim: 'auto',
      symbology: 'unknown',
      framing: { kind: 'delimited', terminators: ['cr', 'lf'], stxEtx: false, limitBytes: 8192 },
    },
    { port: 2001, connectTimeoutMs: 5000 },
  ]);
});

test('an unknown kind is answered with the kinds there are', () => {
  const [problem, ...others] = problems([{ ...serial, kind: 'telepathy' }]);
  expect(others).toEqual([]);
  expect(problem?.path).toBe('0.kind');
  expect(problem?.message).toMatch(/^DRV_UNKNOWN_KIND: expected kind to be one of serial, tcp, /);
});

test('two readers of the same name are a problem of the second', () => {
  expect(problems([serial, { ...tcp, id: 'counter' }])).toEqual([
    { path: '1.id', message: 'there is another reader named counter' },
  ]);
});

test('every problem of every reader is reported at once', () => {
  const paths = problems([
    { ...serial, id: 'Counter 1', baudRate: 'fast', baud: 9600 },
    { ...tcp, port: 0, framing: { kind: 'delimited', prefixHex: 'zz' } },
  ]).map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['0.id', '0.baudRate', '0', '1.port', '1.framing.prefixHex']));
});

describe('a framing that can never end a scan is refused', () => {
  test.each([
    [{ kind: 'delimited', terminators: [] }, false],
    [{ kind: 'delimited', terminators: [], stxEtx: true }, true],
    [{ kind: 'delimited', terminators: [], idleGapMs: 50 }, true],
    [{ kind: 'line' }, true],
  ])('%j', (framing, accepted) => {
    expect(ReaderConfig.safeParse({ ...serial, framing }).success).toBe(accepted);
  });
});

test('every field of every reader says what it is', () => {
  const undescribed: string[] = [];
  const walk = (schema: z.core.JSONSchema.BaseSchema, path: string): void => {
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      if (typeof field === 'boolean') continue;
      if (field.description === undefined) undescribed.push(`${path}.${name}`);
      walk(field, `${path}.${name}`);
    }
    for (const branch of [...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(schema.allOf ?? [])]) {
      if (typeof branch !== 'boolean') walk(branch, path);
    }
  };
  walk(z.toJSONSchema(ReaderConfig, { io: 'input' }), 'reader');
  expect(undescribed).toEqual([]);
});
