import { asError } from '../foundation/errors.ts';
import type { Log } from '../foundation/log.ts';
import type { TillNews } from './api/till-port.ts';

/** Where everything the till tells is put up, in order, for whoever listens. */
export class NewsBoard {
  readonly #log: Log;
  readonly #listeners = new Set<(news: TillNews) => void>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Calls back with all news; the callback only notes it. The returned function ends it. */
  onNews(listener: (news: TillNews) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tell(news: TillNews): void {
    for (const listener of this.#listeners) {
      try {
        listener(news);
      } catch (error) {
        this.#log.error({ event: 'news.listener-failed', news: news.event, error: asError(error) });
      }
    }
  }
}
