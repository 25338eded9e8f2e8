import { describe, expect, onTestFinished, test } from 'vitest';
import { bankCard, text } from '../linking/linking-fixture.ts';
import { identified, newId } from '../sale/sale-fixture.ts';
import { call, DISPLAY_TOKEN, EventClient, openApi, refusal } from './api-fixture.ts';
import type { ApiShop } from './api-fixture.ts';

const yes = { answer: 'yes', textVersion: text.version, locale: 'en' };

function ask({ linking, clock }: ApiShop): string {
  linking.presented(identified(clock), bankCard(clock));
  return linking.current()?.linkId ?? '';
}

describe('linking a bank card by HTTP', () => {
  test('the display may answer with its token, and change nothing else with it', async () => {
    const shop = await openApi(onTestFinished);
    const path = `/v1/linking/${ask(shop)}/answer`;
    const answered = await call(shop.api, { method: 'POST', path, body: yes, token: DISPLAY_TOKEN });
    expect([answered.status, answered.json]).toEqual([200, { status: 'saved', linkId: path.split('/')[3] }]);
    const sale = await call(shop.api, { method: 'POST', path: '/v1/sales', body: {}, token: DISPLAY_TOKEN });
    expect(refusal(sale)).toEqual([403, 'API_READ_ONLY']);
    expect(shop.journal.lastSeq).toBe(1);
  });

  test('nobody answers without a token', async () => {
    const shop = await openApi(onTestFinished);
    const path = `/v1/linking/${ask(shop)}/answer`;
    const answer = await call(shop.api, { method: 'POST', path, body: yes, token: null });
    expect(refusal(answer)).toEqual([401, 'API_UNAUTHORISED']);
    expect(shop.journal.lastSeq).toBe(0);
  });

  test('an answer without its text, to another text or to no question is refused', async () => {
    const shop = await openApi(onTestFinished);
    const path = `/v1/linking/${ask(shop)}/answer`;
    const post = async (to: string, body: object) =>
      refusal(await call(shop.api, { method: 'POST', path: to, body }));
    expect(await post(path, { answer: 'yes', locale: 'en' })).toEqual([400, 'API_INVALID']);
    expect(await post(path, { ...yes, textVersion: 'v0' })).toEqual([409, 'LINK_TEXT_OUTDATED']);
    expect(await post(path, { ...yes, operatorRef: '4111111111111111' })).toEqual([400, 'API_INVALID']);
    const other = `/v1/linking/${newId(shop.clock)}/answer`;
    expect(await post(other, yes)).toEqual([409, 'LINK_NOT_OPEN']);
    const withdrawal = { identificationId: newId(shop.clock) };
    expect(await post('/v1/linking/withdraw', withdrawal)).toEqual([404, 'API_NOT_FOUND']);
    expect(shop.journal.lastSeq).toBe(0);
  });

  test('whoever connects while it is open hears the question, and then what came of it', async () => {
    const shop = await openApi(onTestFinished);
    const linkId = ask(shop);
    const client = new EventClient(shop.api);
    const [hello] = await client.received(1);
    expect(hello?.payload).toMatchObject({ event: 'hello', linking: { status: 'asking', linkId } });
    const body = { ...yes, answer: 'no' };
    await call(shop.api, { method: 'POST', path: `/v1/linking/${linkId}/answer`, body });
    const [, told] = await client.received(2);
    expect(told?.payload).toEqual({ event: 'linking', linking: { status: 'declined', linkId } });
    expect((await call(shop.api, { path: '/v1/linking' })).json).toEqual({ linking: null });
    client.socket.terminate();
  });
});
