import type { Language } from './language.ts';

/** Which screen asked, as consents name it: raise the number when the question is laid out anew. */
const UI_VARIANT = 'display-1';

/** What the page can do besides showing. Each resolves to whether the till took it, and never rejects. */
export interface TillActions {
  answerLink(
    linkId: string,
    answer: 'yes' | 'no',
    shown: { readonly textVersion: string; readonly locale: Language },
  ): Promise<boolean>;
  withdrawLink(identificationId: string): Promise<boolean>;
}

/** Longest wait for the till's answer, ms. */
const ANSWER_WITHIN_MS = 5_000;

/** The till's own HTTP, with the page's token. */
export function browserActions(location: Location, token: string): TillActions {
  const post = async (path: string, body: object): Promise<boolean> => {
    try {
      const answer = await fetch(new URL(path, location.href), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      return answer.ok;
    } catch {
      return false;
    }
  };
  return {
    answerLink: (linkId, answer, shown) =>
      post(`/v1/linking/${linkId}/answer`, { answer, ...shown, uiVariant: UI_VARIANT }),
    withdrawLink: (identificationId) => post('/v1/linking/withdraw', { identificationId }),
  };
}
