// Bundles styles, scripts and fonts into ../internal/web/assets/dist under names
// that carry a hash of their content, and writes the manifest that maps the
// plain names to them. The same input gives the same bytes.
import { build, context } from "esbuild";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(here, "..", "internal", "web", "assets", "dist");

const manifest = {
  name: "manifest",
  setup(b) {
    b.onEnd(async (result) => {
      if (result.errors.length > 0) return;
      const names = {};
      for (const [file, info] of Object.entries(result.metafile.outputs)) {
        const name = path.basename(file);
        if (name.endsWith(".map")) continue;
        if (info.entryPoint) {
          const source = path.basename(info.entryPoint);
          names[source.replace(/\.ts$/, ".js")] = name;
          continue;
        }
        const inputs = Object.keys(info.inputs);
        if (inputs.length === 1) names[path.basename(inputs[0])] = name;
      }
      const sorted = Object.fromEntries(Object.entries(names).sort(([a], [c]) => (a < c ? -1 : 1)));
      await writeFile(path.join(out, "manifest.json"), JSON.stringify(sorted, null, 2) + "\n");
      // What an earlier build left and this one did not write goes away.
      const keep = new Set([...Object.keys(result.metafile.outputs).map((f) => path.basename(f)), "manifest.json"]);
      for (const name of await readdir(out)) if (!keep.has(name)) await rm(path.join(out, name));
    });
  },
};

const options = {
  absWorkingDir: here,
  entryPoints: ["src/app.css", "src/app.ts", "src/lineage.ts", "src/mark.svg"],
  outdir: out,
  bundle: true,
  format: "esm",
  minify: true,
  metafile: true,
  sourcemap: false,
  legalComments: "inline",
  target: ["chrome123", "firefox121", "safari17.5"],
  loader: { ".woff2": "file", ".svg": "copy" },
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  charset: "utf8",
  logLevel: "warning",
  plugins: [manifest],
};

await mkdir(out, { recursive: true });
if (process.argv.includes("--watch")) {
  const ctx = await context(options);
  await ctx.watch();
} else {
  await build(options);
}
