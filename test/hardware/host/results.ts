import type { FromGuest } from '../messages.ts';

/** Prints what the guest tells as it comes, and knows at the end whether all held. */
export class Results {
  readonly #out: { write(text: string): unknown };
  #held = 0;
  #leftOut = 0;
  #ended = false;
  readonly #failed: string[] = [];
  #scenario = '';

  constructor(out: { write(text: string): unknown }) {
    this.#out = out;
  }

  begin(machine: string): void {
    this.#out.write(`${machine}\n`);
  }

  take(message: FromGuest): void {
    switch (message.kind) {
      case 'scenario':
        this.#scenario = message.name;
        this.#out.write(`\n${message.name}\n`);
        return;
      case 'claim':
        if (message.why === undefined) {
          this.#held += 1;
          this.#out.write(`  ok      ${message.text} (${Math.round(message.ms)} ms)\n`);
        } else {
          this.#failed.push(`${this.#scenario}: ${message.text}`);
          this.#out.write(
            `  FAILED  ${message.text}\n          ${message.why.replaceAll('\n', '\n          ')}\n`,
          );
        }
        return;
      case 'figure':
        this.#out.write(`  figure  ${message.text}\n`);
        return;
      case 'left-out':
        this.#leftOut += 1;
        this.#out.write(`  LEFT OUT  ${message.text}\n`);
        return;
      case 'end':
        this.#ended = true;
        return;
      case 'machine':
      case 'serial':
        return;
    }
  }

  /** The last lines. @returns whether the guest came to its end and every claim held */
  conclude(): boolean {
    const counts = `${this.#held} held, ${this.#failed.length} failed, ${this.#leftOut} left out`;
    this.#out.write(`\n${counts}\n`);
    for (const each of this.#failed) this.#out.write(`FAILED  ${each}\n`);
    if (!this.#ended) this.#out.write('FAILED  the guest ended, or was ended, before it was through\n');
    return this.#ended && this.#failed.length === 0 && this.#held > 0;
  }
}
