import type { Reporter, TestCase } from 'vitest/node';

/** Says loudly, at the end of a run, which tests were left out and why: a silent skip looks like a pass. */
export default class LeftOutReporter implements Reporter {
  readonly #leftOut: string[] = [];

  onTestCaseResult(testCase: TestCase): void {
    const result = testCase.result();
    if (result.state !== 'skipped') return;
    this.#leftOut.push(
      `  ${testCase.module.relativeModuleId}: ${testCase.fullName} (${result.note ?? 'NO REASON GIVEN'})`,
    );
  }

  onTestRunEnd(): void {
    if (this.#leftOut.length === 0) return;
    process.stdout.write(
      `\nLEFT OUT: ${this.#leftOut.length} tests did not run\n${this.#leftOut.join('\n')}\n`,
    );
  }
}
