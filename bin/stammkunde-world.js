#!/usr/bin/env node
import { run } from './run.js';

await run('simulator/world-main');
