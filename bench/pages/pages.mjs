// Starts `metalens demo`, logs in as its owner and runs Lighthouse over the main
// pages, each as a first visit with an empty cache. Prints one line per page and
// leaves 1 when a page misses the bar. README.md says what the columns mean.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import lighthouse, { desktopConfig } from 'lighthouse';
import puppeteer from 'puppeteer-core';

const [program, form, reports, only] = process.argv.slice(2);
const bar = { score: 95, kilobytes: 200 };
const categories = ['performance', 'accessibility', 'best-practices'];

/** Starts the demo and answers its process, address, e-mail and password, which it prints. */
async function startDemo() {
  const demo = spawn(program, ['demo', '--listen=127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  process.once('SIGTERM', () => {
    demo.kill('SIGINT');
    process.exit(143);
  });
  const said = {};
  const printed = [];
  const ready = new Promise((resolve, reject) => {
    for (const stream of [demo.stdout, demo.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        printed.push(line);
        said.address ??= /shows a sample company at (\S+)/.exec(line)?.[1];
        said.email ??= /^\s*E-mail\s+(\S+)/.exec(line)?.[1];
        said.password ??= /^\s*Password\s+(\S+)/.exec(line)?.[1];
        if (said.address && said.email && said.password) resolve();
      });
    }
    demo.once('error', reject);
    demo.once('exit', (code) => reject(new Error(`metalens demo left with ${code}:\n${printed.join('\n')}`)));
  });
  await ready;
  return { demo, ...said };
}

/** Posts the login form as a browser does and answers the cookies as name and value. */
async function logIn({ address, email, password }) {
  const answer = await fetch(`${address}/login`, {
    method: 'POST', redirect: 'manual', headers: { 'Sec-Fetch-Site': 'same-origin' }, body: new URLSearchParams({ email, password }),
  });
  const cookies = answer.headers.getSetCookie().map((c) => /^([^=]+)=([^;]*)/.exec(c).slice(1));
  if (answer.status !== 303 || cookies.length === 0) throw new Error(`the demo refused its own login: ${answer.status}`);
  return cookies;
}

/** Runs Lighthouse on one page in a browser of its own, which has the session and nothing else, so that the cache is empty. */
async function measure(url, cookies, again = true) {
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROME_PATH, headless: true, args: ['--no-sandbox', '--disable-background-networking'],
  });
  try {
    await browser.setCookie(...cookies.map(([name, value]) => ({ name, value, domain: new URL(url).hostname, path: '/' })));
    const flags = { logLevel: 'error', onlyCategories: categories, disableStorageReset: true };
    const { lhr } = await lighthouse(url, flags, form === 'desktop' ? desktopConfig : undefined, await browser.newPage());
    if (lhr.runtimeError && again) return await measure(url, cookies, false); // a busy machine loses events of the browser
    if (lhr.runtimeError) throw new Error(`${url}: ${lhr.runtimeError.message}`);
    if (new URL(lhr.finalDisplayedUrl).pathname !== new URL(url).pathname) throw new Error(`${url} led to ${lhr.finalDisplayedUrl}`);
    return lhr;
  } finally {
    await browser.close();
  }
}

/** Finds the pages by the links of the demo itself, as identifiers differ from run to run. */
async function findPages(address, cookie) {
  const read = async (path) => {
    const answer = await fetch(address + path, { headers: { cookie } });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return { path: new URL(answer.url).pathname, text: await answer.text() };
  };
  const link = async (path, pattern) => {
    const { text } = await read(path);
    const found = pattern.exec(text)?.[1];
    if (!found) throw new Error(`${path} has no link like ${pattern}`);
    return found.replaceAll('&amp;', '&');
  };
  const home = await read('/');
  const conn = /^\/c\/[0-9a-f-]+/.exec(home.path)?.[0] ?? (await link('/', /href="(\/c\/[0-9a-f-]+)/));
  const written = async () => {
    const { text } = await read(`${conn}/catalog`);
    for (const [, path] of text.matchAll(/href="([^"?]*\/catalog\/question\/\d+)"/g)) {
      if ((await read(path)).text.includes('tab=sql')) return `${path}?tab=sql`;
    }
    throw new Error('the first page of the catalog has no question with SQL');
  };
  return [
    ['Overview', conn],
    ['Findings', `${conn}/findings`],
    ['Catalog', `${conn}/catalog`],
    ['Question, SQL', await written()],
    ['Lineage graph', await link(`${conn}/lineage`, /href="([^"]*\/lineage\/table\/[^"]+)"/)],
    ['Impact', await link(`${conn}/impact`, /href="([^"]*\/impact\?ref=[^"]+)"/)],
    ['Duplicates', `${conn}/duplicates`],
    ['One duplicate', await link(`${conn}/duplicates`, /href="([^"]*\/duplicates\/[0-9a-f]+)"/)],
    ['Metrics', `${conn}/metrics`],
    ['Scans', `${conn}/scans`],
  ].filter(([name]) => !only || name.toLowerCase().includes(only.toLowerCase()));
}

/** Transferred kilobytes of one visit: all, and without the script of the lineage graph. */
function transfer(result) {
  const requests = result.audits['network-requests'].details.items;
  const sum = (items) => items.reduce((n, r) => n + r.transferSize, 0) / 1000;
  return { all: sum(requests), lean: sum(requests.filter((r) => !/\/lineage-[^/]+\.js/.test(r.url))) };
}

/** Names the audits that cost a page points, worst first. */
function failures(result) {
  const named = [];
  for (const id of categories) {
    for (const ref of result.categories[id].auditRefs) {
      const audit = result.audits[ref.id];
      if (ref.weight > 0 && audit.score !== null && audit.score < 0.9) named.push([audit.score, `${ref.id} ${audit.displayValue ?? ''}`.trim()]);
    }
  }
  return named.sort((a, b) => a[0] - b[0]).map(([, text]) => text);
}

let missed = 0;
const started = await startDemo();
try {
  const cookies = await logIn(started);
  const pages = await findPages(started.address, cookies.map((c) => c.join('=')).join('; '));
  process.stdout.write('page\tperformance\taccessibility\tbest practices\tkB\tkB without the graph\tLCP ms\n');
  for (const [name, path] of pages) {
    const result = await measure(started.address + path, cookies);
    const scores = categories.map((id) => Math.round(result.categories[id].score * 100));
    const size = transfer(result);
    const paint = Math.round(result.audits['largest-contentful-paint'].numericValue);
    process.stdout.write(`${[name, ...scores, size.all.toFixed(0), size.lean.toFixed(0), paint].join('\t')}\n`);
    if (scores.some((s) => s < bar.score) || size.lean > bar.kilobytes) {
      missed++;
      process.stderr.write(`  below the bar: ${failures(result).join('; ')}\n`);
    }
    if (reports) {
      mkdirSync(reports, { recursive: true });
      writeFileSync(join(reports, `${name.toLowerCase().replace(/\W+/g, '-')}.json`), JSON.stringify(result, null, 1));
    }
  }
} finally {
  if (started.demo.exitCode === null) {
    started.demo.removeAllListeners('exit');
    started.demo.kill('SIGINT');
    await once(started.demo, 'exit');
  }
}
process.exitCode = missed > 0 ? 1 : 0;
