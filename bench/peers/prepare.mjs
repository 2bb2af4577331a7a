// Writes the texts that all tools read, one JSON object a line: the queries that
// people wrote, of the corpus that METALENS_CORPUS names. Template tags are
// replaced, so that no tool has to know them.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [corpus, file] = process.argv.slice(2);

const lines = (...path) =>
  readFileSync(join(corpus, ...path), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

const queries = new Set(['SELECT', 'WITH', 'FROM', 'INSERT', 'MERGE', 'UPDATE', 'DELETE']);

/** substitute replaces Metabase's template tags and Stack Exchange's parameters. */
export function substitute(sql) {
  return sql
    .replace(/\[\[|\]\]/g, ' ') // optional blocks are kept
    .replace(/\{\{\s*#(\d+)[^}]*\}\}/g, 'card_$1')
    .replace(/\{\{[^}]*\}\}/g, '1')
    .replace(/##[^#\n]*##/g, '1');
}

const rows = [];
const add = (dialect, sql) => {
  const text = substitute(sql);
  if (text.length >= 150) rows.push({ id: String(rows.length), dialect, sql: text });
};
for (const name of readdirSync(join(corpus, 'D_sql_corpora')).filter((n) => n.endsWith('.jsonl')).sort()) {
  for (const row of lines('D_sql_corpora', name)) {
    if (row.kind.startsWith('real') && queries.has(row.stmt)) add(row.dialect, row.sql);
  }
}
for (const row of lines('B_content_exports', 'who_espen', 'espen_metabase_sql.jsonl')) add('postgres', row.sql);
for (const row of lines('B_content_exports', 'philadelphia_li_metabase', 'queries.jsonl')) add('oracle', row.sql);

writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n') + '\n');
const bytes = rows.reduce((sum, row) => sum + Buffer.byteLength(row.sql), 0);
console.log(`${rows.length} texts, ${Math.round(bytes / rows.length)} bytes on average`);
