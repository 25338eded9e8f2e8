import type { z } from 'zod';
import { SaleView } from '../edge/api/events.ts';
import { IdentificationView, StatusView } from '../edge/api/api-schemas.ts';
import type { Basket } from '../sync/contract/basket.ts';
import { JsonClient } from './json-client.ts';

/** A POS in front of a till's local API. */
export class TillClient {
  readonly #http: JsonClient;

  constructor(url: string, token: string) {
    this.#http = new JsonClient(url, token);
  }

  status(): Promise<z.infer<typeof StatusView>> {
    return this.#http.call('GET', '/v1/status', StatusView);
  }

  /** Identifies a number typed by a person. */
  identify(number: string): Promise<z.infer<typeof IdentificationView>> {
    return this.#http.call('POST', '/v1/identifications', IdentificationView, { number });
  }

  sale(saleId: string): Promise<SaleView> {
    return this.#http.call('GET', `/v1/sales/${saleId}`, SaleView);
  }

  openSale(saleId: string): Promise<SaleView> {
    return this.#http.call('POST', '/v1/sales', SaleView, { saleId });
  }

  putBasket(saleId: string, basket: Basket): Promise<SaleView> {
    return this.#http.call('PUT', `/v1/sales/${saleId}/basket`, SaleView, basket);
  }

  complete(saleId: string): Promise<SaleView> {
    return this.#http.call('POST', `/v1/sales/${saleId}/complete`, SaleView, {});
  }
}
