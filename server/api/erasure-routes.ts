import { ErasureCertificate } from '../customers/erasures.ts';
import type { Erasures } from '../customers/erasures.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';
import { Id } from './parameters.ts';

/** The erasure of a customer on their request. */
export function erasureRoutes(erasures: Erasures) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'DELETE',
      url: '/v1/customers/:id',
      schema: {
        summary: 'Erase a customer, here and on every till; what must be kept by law no longer leads to them',
        params: Id,
        response: { 200: ErasureCertificate, default: ErrorBody },
      },
      handler: (request) => erasures.erase(request.params.id),
    });
  };
}
