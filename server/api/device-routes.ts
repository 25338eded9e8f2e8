import { z } from 'zod';
import { Uuid } from '../../sync/contract/ids.ts';
import { Device, NewDevice, Rotation, RotationSettings } from '../devices/device.ts';
import type { Devices } from '../devices/devices.ts';
import type { RotatingCodes } from '../devices/rotating-codes.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';
import { Id } from './parameters.ts';

/** Phones that sign, and passes whose code rotates. */
export function deviceRoutes(devices: Devices, rotatingCodes: RotatingCodes) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'POST',
      url: '/v1/customers/:id/devices',
      schema: {
        summary: 'Enrol a customer’s phone: from now on its app codes are theirs',
        params: Id,
        body: NewDevice,
        response: { 200: Device, default: ErrorBody },
      },
      handler: (request) => devices.enrol(request.params.id, request.body),
    });

    app.route({
      method: 'GET',
      url: '/v1/customers/:id/devices',
      schema: {
        summary: 'The phones of a customer, revoked ones included',
        params: Id,
        response: { 200: z.strictObject({ devices: z.array(Device) }), default: ErrorBody },
      },
      handler: async (request) => ({ devices: [...(await devices.list(request.params.id))] }),
    });

    app.route({
      method: 'DELETE',
      url: '/v1/customers/:id/devices/:device',
      schema: {
        summary: 'Revoke a phone for good; all tills are told at once',
        params: Id.extend({ device: Uuid.toLowerCase() }),
        response: { 200: Device, default: ErrorBody },
      },
      handler: (request) => devices.revoke(request.params.id, request.params.device),
    });

    app.route({
      method: 'POST',
      url: '/v1/cards/:id/rotation',
      schema: {
        summary: 'Make the secret of a pass whose code rotates (RFC 6238); it is told this once',
        params: Id,
        body: RotationSettings,
        response: { 200: Rotation, default: ErrorBody },
      },
      handler: (request) => rotatingCodes.make(request.params.id, request.body),
    });
  };
}
