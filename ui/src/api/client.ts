// Asking the admin API, and what went wrong where it did.

/** What the admin API says is wrong (problem+json), or that it cannot be reached (status 0). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(detail || title);
  }

  /** Whether this server has no such part. */
  get isMissing(): boolean {
    return this.status === 404;
  }
}

export type Method = "GET" | "POST" | "PUT" | "DELETE";

interface Ask {
  method?: Method;
  body?: unknown;
  signal?: AbortSignal;
}

/** The way to the login page and back to what is seen now. */
export function logIn(): void {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/** The answer of the admin API. Throws a Problem; without a session it leads to the login page. */
export async function ask<T>(path: string, { method = "GET", body, signal }: Ask = {}): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
      credentials: "same-origin",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The server cannot be reached", "It does not answer. This page tries again by itself.");
  }
  if (answer.status === 401) {
    logIn();
    throw new Problem(401, "The session has ended", "Log in again.");
  }
  if (!answer.ok) throw await problemOf(answer);
  if (answer.status === 204) return undefined as T;
  return (await answer.json()) as T;
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    const told = (await answer.json()) as { title?: string; detail?: string };
    return new Problem(answer.status, told.title ?? answer.statusText, told.detail ?? "");
  } catch {
    return new Problem(answer.status, answer.statusText || `Status ${answer.status}`, "");
  }
}

/** A path with parameters; arrays give one several times, null and "" none. */
export function query(path: string, params: Record<string, string | number | string[] | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (Array.isArray(value)) for (const each of value) search.append(name, each);
    else if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}
