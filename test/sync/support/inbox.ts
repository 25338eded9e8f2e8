/** Collects messages and hands them out one by one, waiting for those still to come. */
export class Inbox {
  readonly #arrived: [topic: string, text: string][] = [];
  readonly #waiting: ((message: [string, string]) => void)[] = [];

  readonly take = (topic: string, payload: Uint8Array): void => {
    const message: [string, string] = [topic, new TextDecoder().decode(payload)];
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#arrived.push(message);
    else waiting(message);
  };

  next(): Promise<[topic: string, text: string]> {
    const message = this.#arrived.shift();
    return message === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(message);
  }
}
