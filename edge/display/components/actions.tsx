import { createContext, useContext } from 'react';
import type { TillActions } from '../till-actions.ts';

/** null on a page that was opened without a token. */
export const ActionsContext = createContext<TillActions | null>(null);

export function useActions(): TillActions | null {
  return useContext(ActionsContext);
}
