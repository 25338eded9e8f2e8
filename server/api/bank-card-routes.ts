import { z } from 'zod';
import { Uuid } from '../../sync/contract/ids.ts';
import { BankCard, ConsentView, LinkWithdrawal } from '../cards/bank-cards.ts';
import type { BankCards } from '../cards/bank-cards.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';
import { Id } from './parameters.ts';

const CardOfCustomer = z.strictObject({ id: Uuid.toLowerCase(), cardId: Uuid.toLowerCase() });
const BankCardList = z.strictObject({ bankCards: z.array(BankCard) });

/** Linked bank cards: seen and taken back here, linked at a till alone, where the customer is. */
export function bankCardRoutes(bankCards: BankCards) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'GET',
      url: '/v1/customers/:id/bank-cards',
      schema: {
        summary: 'The bank cards a customer had linked; there is no number to show',
        params: Id,
        response: { 200: BankCardList, default: ErrorBody },
      },
      handler: async (request) => ({ bankCards: [...(await bankCards.list(request.params.id))] }),
    });

    app.route({
      method: 'GET',
      url: '/v1/customers/:id/consents',
      schema: {
        summary: 'What a customer agreed to and took back, oldest first',
        params: Id,
        response: {
          200: z.strictObject({ consents: z.array(ConsentView) }),
          default: ErrorBody,
        },
      },
      handler: async (request) => ({ consents: [...(await bankCards.consents(request.params.id))] }),
    });

    app.route({
      method: 'POST',
      url: '/v1/customers/:id/bank-cards/:cardId/withdraw',
      schema: {
        summary: 'Take a link back; all tills are told at once, and what was earned stays',
        params: CardOfCustomer,
        body: LinkWithdrawal,
        response: { 200: BankCardList.describe('Those still linked'), default: ErrorBody },
      },
      handler: async (request) => {
        const { id, cardId } = request.params;
        await bankCards.withdraw(id, cardId, request.body);
        return { bankCards: [...(await bankCards.list(id))] };
      },
    });
  };
}
