const DOCUMENTS_MIN = 16;
const DOCUMENTS_MAX = 5_000;

/** How many documents are written at once so that it takes about as long as it may. */
export class SliceSize {
  readonly #targetMs: number;
  #documents = 64;

  constructor(targetMs: number) {
    this.#targetMs = targetMs;
  }

  get documents(): number {
    return this.#documents;
  }

  /** A slice was written. A slow one counts at once, a quick one lets the next grow by half. */
  took(documents: number, ms: number): void {
    const fitting = Math.floor((documents * this.#targetMs) / Math.max(ms, 0.01));
    const grown = Math.ceil(this.#documents * 1.5);
    this.#documents = Math.min(Math.max(Math.min(fitting, grown), DOCUMENTS_MIN), DOCUMENTS_MAX);
  }
}
