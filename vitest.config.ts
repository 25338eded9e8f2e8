import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build-display.ts'],
    pool: 'forks',
    // All processors, for much of the tests' time is waiting for processes they started.
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', './test/support/left-out-reporter.ts'],
  },
});
