// Runs one peer over the texts and prints, per dialect, how many it parses and
// how many it reads per second of processor time (all of its threads). A first
// pass warms the engine up and is not counted.
import { readFileSync } from 'node:fs';
import process from 'node:process';

const [peer, file] = process.argv.slice(2);
const rows = readFileSync(file, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line));

/** Each peer: the name of a dialect, or undefined where it has none, and a parser that answers whether it took the text. */
const peers = {
  'node-sql-parser': async () => {
    const { default: pkg } = await import('node-sql-parser');
    const parser = new pkg.Parser();
    const names = {
      postgres: 'postgresql', mysql: 'mysql', bigquery: 'bigquery', tsql: 'transactsql', snowflake: 'snowflake', redshift: 'redshift',
      sqlite: 'sqlite', trino: 'trino', athena: 'athena', mariadb: 'mariadb', hive: 'hive', oracle: 'postgresql', duckdb: 'postgresql',
    };
    return {
      dialect: (d) => names[d],
      parse: (sql, database) => {
        parser.astify(sql, { database });
        return true;
      },
    };
  },
  'sql-parser-cst': async () => {
    const { parse } = await import('sql-parser-cst');
    const names = { postgres: 'postgresql', mysql: 'mysql', bigquery: 'bigquery', sqlite: 'sqlite', mariadb: 'mariadb', oracle: 'postgresql', duckdb: 'postgresql' };
    return {
      dialect: (d) => names[d],
      parse: (sql, dialect) => {
        parse(sql, { dialect, paramTypes: dialect === 'bigquery' ? ['@name', '@`name`', '?'] : ['?', ':name', '$nr'] });
        return true;
      },
    };
  },
  'polyglot-sql': async () => {
    const { parse, getDialects, init } = await import('@polyglot-sql/sdk');
    await init();
    const known = new Set(getDialects());
    const names = { postgres: 'postgresql' };
    return {
      dialect: (d) => [names[d] ?? d].find((name) => known.has(name)),
      parse: (sql, dialect) => parse(sql, dialect).success,
    };
  },
};

if (!peers[peer]) {
  console.error(`there is no peer ${peer}: ${Object.keys(peers).join(', ')}`);
  process.exit(2);
}
const { dialect, parse } = await peers[peer]();

const attempt = (row) => {
  try {
    return parse(row.sql, dialect(row.dialect));
  } catch {
    return false;
  }
};

const byDialect = new Map();
for (const row of rows) {
  if (!byDialect.has(row.dialect)) byDialect.set(row.dialect, []);
  byDialect.get(row.dialect).push(row);
}
const total = { queries: 0, parsed: 0, microseconds: 0 };
for (const [name, list] of [...byDialect].sort()) {
  if (!dialect(name)) {
    console.log([peer, name, list.length, '-', '-', 'no such dialect'].join('\t'));
    continue;
  }
  list.slice(0, 300).forEach(attempt);
  const before = process.cpuUsage();
  const parsed = list.filter(attempt).length;
  const used = process.cpuUsage(before);
  const microseconds = used.user + used.system;
  total.queries += list.length;
  total.parsed += parsed;
  total.microseconds += microseconds;
  print(name, list.length, parsed, microseconds);
}
print('all', total.queries, total.parsed, total.microseconds);

function print(name, queries, parsed, microseconds) {
  console.log([peer, name, queries, parsed, ((100 * parsed) / queries).toFixed(1), Math.round((queries / microseconds) * 1e6)].join('\t'));
}
