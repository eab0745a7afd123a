// Asking from a component: again and again while it is seen, and only the last question counts.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ask, Problem } from "./client";

export interface Asked<T> {
  /** The last answer to this question; undefined before the first. */
  data: T | undefined;
  problem: Problem | undefined;
  /** Whether nothing is known yet. */
  loading: boolean;
  reload: () => void;
}

const NEVER_MS = 0;

/**
 * The answer at a path (null asks nothing), asked anew every so often.
 *
 * Where the question moves with the time, `path` names it and `now` gives the path of the moment.
 */
export function useAsked<T>(path: string | null, everyMs: number = NEVER_MS, now?: () => string): Asked<T> {
  const [state, setState] = useState<{ path: string | null; data?: T; problem?: Problem }>({ path });
  const [round, setRound] = useState(0);
  const latest = useRef<AbortController | null>(null);
  const reload = useCallback(() => setRound((number) => number + 1), []);

  useEffect(() => {
    if (path === null) return;
    let timer = 0;
    const look = async (): Promise<void> => {
      latest.current?.abort();
      const control = new AbortController();
      latest.current = control;
      let gone = false;
      try {
        const data = await ask<T>(now ? now() : path, { signal: control.signal });
        if (!control.signal.aborted) setState({ path, data });
      } catch (error) {
        if (control.signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        gone = error.isMissing;
        // What was known stays seen, with a note that it is old.
        setState((old) => (old.path === path ? { ...old, problem: error } : { path, problem: error }));
      }
      if (everyMs && !gone && !control.signal.aborted) timer = window.setTimeout(later, everyMs);
    };
    const later = (): void => {
      if (document.hidden) timer = window.setTimeout(later, everyMs);
      else void look();
    };
    void look();
    return () => {
      latest.current?.abort();
      clearTimeout(timer);
    };
  }, [path, everyMs, round]);

  const current = state.path === path ? state : { data: undefined, problem: undefined };
  return {
    data: current.data,
    problem: current.problem,
    loading: path !== null && current.data === undefined && current.problem === undefined,
    reload,
  };
}

export interface Action {
  busy: boolean;
  problem: Problem | undefined;
  run: (what: () => Promise<void>) => Promise<boolean>;
  forget: () => void;
}

/** Something that a person does: while it goes on it is busy, and what goes wrong is told. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const run = useCallback(async (what: () => Promise<void>) => {
    setBusy(true);
    setProblem(undefined);
    try {
      await what();
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      return false;
    } finally {
      setBusy(false);
    }
  }, []);
  return { busy, problem, run, forget: useCallback(() => setProblem(undefined), []) };
}
