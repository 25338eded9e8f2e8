import { z } from 'zod';
import { DevicePublicKey } from '../../sync/contract/app-code/device-key.ts';
import { totpAlgorithms } from '../../sync/contract/app-code/rotating-code.ts';
import { InstantMs, Uuid } from '../../sync/contract/ids.ts';

/** A phone to be enrolled: its app made the key pair and keeps the private half. */
export const NewDevice = z.strictObject({ publicKey: DevicePublicKey });
export type NewDevice = z.infer<typeof NewDevice>;

/** A customer's phone. */
export const Device = z.strictObject({
  id: Uuid,
  customerId: Uuid,
  keyId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .describe('What the phone’s codes name it by: the first 8 bytes of SHA-256 over the key')
    .nullable(),
  status: z.enum(['active', 'blocked']),
  enrolledAt: InstantMs,
});
export type Device = z.infer<typeof Device>;

/** How a pass's code is to rotate; the defaults are Google Wallet's. */
export const RotationSettings = z.strictObject({
  periodSeconds: z.int().min(10).max(300).default(30),
  digits: z.int().min(6).max(8).default(8),
  algorithm: z.enum(totpAlgorithms).default('sha1'),
});
export type RotationSettings = z.infer<typeof RotationSettings>;

/** The secret of a pass, told once, to whoever makes the pass. */
export const Rotation = z.strictObject({
  cardId: Uuid,
  secret: z
    .string()
    .regex(/^[0-9a-f]{40}$/)
    .describe('20 bytes in hex, as Google Wallet’s totpDetails.parameters[].key takes them'),
  periodSeconds: z.int(),
  digits: z.int(),
  algorithm: z.enum(totpAlgorithms),
});
export type Rotation = z.infer<typeof Rotation>;
