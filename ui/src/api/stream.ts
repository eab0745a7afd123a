// Server-Sent Events, one connection however many parts of the page listen.

import { useEffect, useState } from "preact/hooks";
import { ask } from "./client";
import type { LiveFigures, Status } from "./types";

const SILENCE_MS = 5000;
const RETRY_MS = 3000;

export class Stream<T> {
  readonly #listeners = new Set<(event: T) => void>();
  readonly #watchers = new Set<(connected: boolean) => void>();
  #source: EventSource | null = null;
  #watch = 0;
  #retry = 0;
  latest: T | undefined;
  connected = true;

  constructor(
    private readonly path: string,
    private readonly event: string,
  ) {}

  listen(listener: (event: T) => void): () => void {
    this.#listeners.add(listener);
    if (this.latest !== undefined) listener(this.latest);
    if (!this.#source) this.#open();
    return () => {
      this.#listeners.delete(listener);
      if (!this.#listeners.size) this.#close();
    };
  }

  watch(watcher: (connected: boolean) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  #open(): void {
    const source = new EventSource(this.path);
    this.#source = source;
    source.addEventListener(this.event, (message) => {
      const event = JSON.parse((message as MessageEvent<string>).data) as T;
      this.latest = event;
      this.#tell(true);
      clearTimeout(this.#watch);
      this.#watch = window.setTimeout(() => this.#tell(false), SILENCE_MS);
      for (const listener of this.#listeners) listener(event);
    });
    source.addEventListener("error", () => {
      this.#tell(false);
      if (source.readyState === EventSource.CLOSED) this.#refused();
    });
  }

  /** One that was refused does not come back by itself: perhaps the session has ended. */
  #refused(): void {
    // If it has, asking leads to the login page.
    ask("/api/v1/status").catch(() => undefined);
    this.#source = null;
    clearTimeout(this.#retry);
    this.#retry = window.setTimeout(() => {
      if (this.#listeners.size && !this.#source) this.#open();
    }, RETRY_MS);
  }

  #close(): void {
    this.#source?.close();
    this.#source = null;
    this.latest = undefined;
    clearTimeout(this.#watch);
    clearTimeout(this.#retry);
  }

  #tell(connected: boolean): void {
    if (this.connected === connected) return;
    this.connected = connected;
    for (const watcher of this.#watchers) watcher(connected);
  }
}

export const statusStream = new Stream<Status>("/api/v1/stream", "status");
export const secondStream = new Stream<LiveFigures>("/api/live", "second");

/** By how much the clock of the server is ahead of ours. */
let aheadS = 0;
let aheadKnown = false;

/** The time by the clock of the server, in Unix seconds. */
export function serverNow(): number {
  return Date.now() / 1000 + aheadS;
}

/** The figures of this second. */
export function useStatus(): { status: Status | undefined; connected: boolean } {
  const [status, setStatus] = useState(statusStream.latest);
  const [connected, setConnected] = useState(statusStream.connected);
  useEffect(() => {
    const stopWatching = statusStream.watch(setConnected);
    const stopListening = statusStream.listen((event) => {
      const ahead = event.time_s - Date.now() / 1000;
      // The way here takes a moment and jitters; only a clock that is really off counts.
      if (!aheadKnown || Math.abs(ahead - aheadS) > 1) {
        aheadS = Math.abs(ahead) < 1 ? 0 : ahead;
        aheadKnown = true;
      }
      setStatus(event);
    });
    return () => {
      stopWatching();
      stopListening();
    };
  }, []);
  return { status, connected };
}
