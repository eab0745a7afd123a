import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { sourcesDigest } from "./sources.ts";

const ROOT = import.meta.dirname;
const OUT = join(ROOT, "../src/lukhas/admin/assets/app");
const FILES = ["app.css", "app.js", "index.html", "licenses.txt"];
/** What of others is in the build. */
const PACKAGES = ["preact", "uplot"];

/** Writes the licenses of what is in it, which sources it was made from, and what came out. */
function manifest(): Plugin {
  return {
    name: "lukhas-manifest",
    apply: "build",
    closeBundle() {
      const licenses = PACKAGES.map((name) => {
        const text = readFileSync(join(ROOT, "node_modules", name, "LICENSE"), "utf8");
        return `${name}\n\n${text.trim()}\n`;
      });
      writeFileSync(join(OUT, "licenses.txt"), licenses.join("\n\n"));
      const built = FILES.map((name): [string, string] => {
        const content = readFileSync(join(OUT, name));
        return [name, createHash("sha256").update(content).digest("hex")];
      });
      const content = { sources_sha256: sourcesDigest(ROOT), files: Object.fromEntries(built) };
      writeFileSync(join(OUT, "manifest.json"), `${JSON.stringify(content, null, 2)}\n`);
    },
  };
}

export default defineConfig({
  root: ROOT,
  base: "/assets/app/",
  publicDir: false,
  plugins: [manifest()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    rollupOptions: {
      // Fixed names: browsers ask with the ETag whether they still have the right ones.
      output: {
        entryFileNames: "app.js",
        assetFileNames: (asset) => (asset.names.some((name) => name.endsWith(".css")) ? "app.css" : "[name][extname]"),
        codeSplitting: false,
      },
    },
  },
});
