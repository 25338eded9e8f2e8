import type { BlindIndex, IndexForms } from '../../sync/contract/blind-index.ts';
import type { ConsentEvent } from './consent-event.ts';

/**
 * Those of the events that are about a card, by whichever of its indexes they were recorded; told under the index
 * asked for. What is recorded never changes, the index of a card does.
 */
export function aboutIndex<E extends ConsentEvent>(
  events: readonly E[],
  indexer: IndexForms,
  index: BlindIndex,
): readonly E[] {
  const newest = indexer.newest(index);
  return events.flatMap((event) =>
    event.objectRef !== null && indexer.newest(event.objectRef) === newest
      ? [{ ...event, objectRef: index }]
      : [],
  );
}
