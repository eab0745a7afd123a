// Who looks at the dashboard, and what they may do.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Session } from "./types";

/** A server without roles knows one token, and that may do everything. */
export const ADMIN: Session = { name: "admin", role: "admin" };

export const SessionContext = createContext<Session>(ADMIN);

export function useSession(): Session & { operates: boolean; administers: boolean } {
  const session = useContext(SessionContext);
  return {
    ...session,
    operates: session.role !== "viewer",
    administers: session.role === "admin",
  };
}
