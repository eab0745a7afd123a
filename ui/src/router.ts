// The address of the page: its path, and in the query what is shown of it.

import { useEffect, useState } from "preact/hooks";

export interface Place {
  path: string;
  params: URLSearchParams;
}

const listeners = new Set<() => void>();
/** Parameters that stay when one goes to another page. */
const KEPT = ["range", "from", "to"];

function here(): Place {
  return { path: location.pathname, params: new URLSearchParams(location.search) };
}

function told(): void {
  for (const listener of listeners) listener();
}

addEventListener("popstate", told);

/** Goes to another address of the dashboard. */
export function navigate(url: string, how: { replace?: boolean } = {}): void {
  if (url === location.pathname + location.search) return;
  if (how.replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  told();
}

/** The place that is shown, kept up to date. */
export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const listener = (): void => setPlace(here());
    listeners.add(listener);
    listener();
    return () => void listeners.delete(listener);
  }, []);
  return place;
}

/** The address of another page, in the same window of time. */
export function to(path: string, more: Record<string, string | null | undefined> = {}): string {
  const now = new URLSearchParams(location.search);
  const next = new URLSearchParams();
  for (const name of KEPT) {
    const value = now.get(name);
    if (value !== null) next.set(name, value);
  }
  for (const [name, value] of Object.entries(more)) if (value) next.set(name, value);
  const query = next.toString();
  return query ? `${path}?${query}` : path;
}

/** Changes parameters of this page; null takes one away. */
export function setParams(changes: Record<string, string | null>, how: { replace?: boolean } = {}): void {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") params.delete(name);
    else params.set(name, value);
  }
  const query = params.toString();
  navigate(query ? `${location.pathname}?${query}` : location.pathname, how);
}

/** Lets links inside the dashboard change the page without loading it anew. */
export function catchLinks(isOurs: (path: string) => boolean): void {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.("a");
    if (!link || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href, location.href);
    if (url.origin !== location.origin || !isOurs(url.pathname) || url.hash) return;
    event.preventDefault();
    navigate(url.pathname + url.search);
    scrollTo(0, 0);
  });
}
