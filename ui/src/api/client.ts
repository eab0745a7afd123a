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
export async function ask<T>(path: string, how: Ask = {}): Promise<T> {
  const answer = await answered(path, "application/json", how);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** The same for an answer that is plain text. */
export async function askText(path: string, signal: AbortSignal): Promise<string> {
  return (await answered(path, "text/plain", { signal })).text();
}

async function answered(path: string, accept: string, { method = "GET", body, signal }: Ask): Promise<Response> {
  const headers: Record<string, string> = { accept };
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
  return answer;
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
