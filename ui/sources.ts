// The digest by which a test sees whether the committed build belongs to these sources.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const LEFT_OUT = new Set(["node_modules", ".vite"]);

/** All source files below a folder, as paths with slashes, sorted by their bytes. */
export function sourceFiles(root: string): string[] {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (LEFT_OUT.has(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else found.push(relative(root, path).replaceAll("\\", "/"));
    }
  };
  walk(root);
  return found.sort((a, b) => (a < b ? -1 : 1));
}

/** SHA-256 over names and contents, each behind its length. */
export function sourcesDigest(root: string): string {
  const digest = createHash("sha256");
  for (const name of sourceFiles(root)) {
    const content = readFileSync(join(root, name));
    digest.update(`${name}\n${content.length}\n`);
    digest.update(content);
  }
  return digest.digest("hex");
}
