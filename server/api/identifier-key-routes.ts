import { z } from 'zod';
import { InstantMs, TillId } from '../../sync/contract/ids.ts';
import type { KeyRotation, RotationState } from '../identifiers/key-rotation.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';

/** Tills that are listed or left out at once. */
const TILLS_MAX = 10_000;

const RotationView = z.strictObject({
  version: z.int().describe('How many identifier keys the server has'),
  floor: z.int().describe('Less than version while a rotation lasts'),
  waiting: z.int().describe('Credentials still to be moved to the newest index'),
  olderForms: z.int().describe('Rows kept for tills that have only the older keys'),
  movedAt: InstantMs.nullable().describe('When the last was moved; null while some wait'),
  tillsBehind: z
    .array(z.strictObject({ till: TillId, lacks: z.enum(['key', 'catch-up']) }))
    .describe('What tills lack for the rotation to end'),
});

const EndOfRotation = z.strictObject({
  ignoreTills: z
    .array(TillId)
    .max(TILLS_MAX)
    .default([])
    .describe('Tills that are not waited for: gone, or to be loaded anew'),
});

/** Rotation of the identifier key. */
export function identifierKeyRoutes(rotation: KeyRotation) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'GET',
      url: '/v1/identifier-keys',
      schema: {
        summary: 'Where a rotation of the identifier key stands',
        response: { 200: RotationView, default: ErrorBody },
      },
      handler: async () => viewOf(await rotation.state()),
    });
    app.route({
      method: 'POST',
      url: '/v1/identifier-keys/end',
      schema: {
        summary: 'End the rotation: older indexes are removed; refused while a till needs them',
        body: EndOfRotation,
        response: { 200: RotationView, default: ErrorBody },
      },
      handler: async ({ body }) => viewOf(await rotation.end(new Set(body.ignoreTills))),
    });
  };
}

function viewOf(state: RotationState): z.infer<typeof RotationView> {
  return { ...state, tillsBehind: state.tillsBehind.slice(0, TILLS_MAX) };
}
