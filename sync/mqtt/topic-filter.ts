import { ProgrammerError } from '../../foundation/errors.ts';

const SHARED = /^\$share\/[^/]+\//;

/** True when `topic` falls under `filter` (MQTT 3.1.1, 4.7; `$share/{group}/` in front as in MQTT 5, 4.8.2). */
export function matchesFilter(filter: string, topic: string): boolean {
  const wanted = filter.replace(SHARED, '').split('/');
  const levels = topic.split('/');
  // MQTT 3.1.1, 4.7.2: a leading wildcard does not reach into the broker's own topics.
  if (topic.startsWith('$') && (wanted[0] === '#' || wanted[0] === '+')) return false;
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return true;
    if (i >= levels.length || (level !== '+' && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

/** @throws ProgrammerError for a topic nothing can be published on (MQTT 3.1.1, 4.7.1 and 4.7.3). */
export function assertTopic(topic: string): void {
  if (topic === '' || /[+#\0]/.test(topic)) {
    throw new ProgrammerError(`"${topic}" is no topic to publish on`);
  }
}
