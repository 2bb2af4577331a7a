import type { CellLink, Fold, Graph, GraphEdge, GraphNode, LayoutAnswer, LayoutAsk, Point } from "./lineage-types";
import { Minimap } from "./lineage-map";
import { Side } from "./lineage-side";
import { Viewport } from "./lineage-viewport";

const WIDTH = 216;
const HEAD = 46;
const ROW = 22;
const FOLD_WIDTH = 168;
const FOLD_HEIGHT = 28;
const SVG = "http://www.w3.org/2000/svg";

interface Box {
  element: HTMLElement;
  button: HTMLButtonElement;
  node?: GraphNode;
  fold?: Fold;
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Line {
  path: SVGPathElement;
  from: string;
  to: string;
  edge?: GraphEdge;
}

export function make<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, text?: string): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function hidden(text: string): HTMLElement {
  return make("span", "visually-hidden", text);
}

function count(n: number, one: string): string {
  return `${n} ${one}${n === 1 ? "" : "s"}`;
}

/** The drawing: boxes that are real buttons, lines in one SVG below them. */
export class Drawing {
  private readonly stage: HTMLElement;
  private readonly world: HTMLElement;
  private readonly boxesLayer: HTMLElement;
  private readonly lines: SVGSVGElement;
  private readonly linesLayer: SVGGElement;
  private readonly labels: SVGGElement;
  private readonly view: Viewport;
  private readonly map: Minimap;
  private readonly side: Side;
  private graph: Graph | undefined;
  private boxes = new Map<string, Box>();
  private drawn: Line[] = [];
  private selected: string | undefined;
  private hits: string[] = [];
  private hit = -1;
  private find!: HTMLInputElement;
  private found!: HTMLElement;

  constructor(
    private readonly root: HTMLElement,
    private readonly layout: (ask: LayoutAsk) => Promise<LayoutAnswer>,
    private readonly go: (address: string, keep: string) => void,
  ) {
    this.stage = root.querySelector<HTMLElement>("[data-lineage-stage]")!;
    this.world = make("div", "lin-world");
    this.lines = document.createElementNS(SVG, "svg");
    this.lines.setAttribute("class", "lin-lines");
    this.lines.setAttribute("aria-hidden", "true");
    this.lines.append(this.arrows());
    this.linesLayer = document.createElementNS(SVG, "g");
    this.labels = document.createElementNS(SVG, "g");
    this.lines.append(this.linesLayer, this.labels);
    this.boxesLayer = make("div", "lin-boxes");
    this.boxesLayer.setAttribute("role", "group");
    this.boxesLayer.setAttribute("aria-label", "Assets. Arrow keys move along the lines, Enter selects, Shift and an arrow shows more.");
    this.world.append(this.lines, this.boxesLayer);
    this.stage.append(this.world);
    this.view = new Viewport(this.stage, this.world, () => this.map.frame());
    this.map = new Minimap(this.stage, this.view);
    this.side = new Side(root.querySelector<HTMLElement>("[data-lineage-side]")!, (name) => this.icon(name), {
      go: (address, keep) => this.go(address, keep),
      close: () => this.select(undefined, true),
      pick: (id) => this.focusBox(id, true),
    });
    this.tools(root.querySelector<HTMLElement>("[data-lineage-tools]")!);
    this.listen();
  }

  busy(on: boolean): void {
    this.root.classList.toggle("is-busy", on);
    this.stage.setAttribute("aria-busy", String(on));
  }

  fail(): void {
    this.stage.replaceChildren(make("p", "lin-failed muted", "The drawing could not be loaded. The list below shows the same."));
  }

  /** Shows a graph; the box with the key keep stays where it is on the screen. */
  async show(graph: Graph, keep?: string): Promise<void> {
    const before = keep === undefined ? undefined : this.byKey(keep);
    const anchor = before && this.view.toScreen({ x: before.x, y: before.y });
    const selectedKey = this.selected === undefined ? undefined : this.boxes.get(this.selected)?.node?.key;
    const focusKey = keep ?? this.boxes.get((document.activeElement as HTMLElement | null)?.closest<HTMLElement>(".lin-box")?.dataset["id"] ?? "")?.node?.key;
    const hadFocus = this.stage.contains(document.activeElement) || this.root.querySelector("[data-lineage-side]")!.contains(document.activeElement);

    const answer = await this.layout(this.ask(graph));
    this.graph = graph;
    this.draw(graph, answer);
    this.map.draw(Array.from(this.boxes.values(), (b) => ({ x: b.x, y: b.y, width: b.width, height: b.height, root: b.node?.root === true, fold: b.fold !== undefined })), answer.width, answer.height);

    const after = keep === undefined ? undefined : this.byKey(keep);
    if (anchor && after) this.view.place({ x: after.x, y: after.y }, anchor);
    else this.fit(true);
    const focus = focusKey === undefined ? undefined : this.byKey(focusKey);
    this.roving(focus ?? this.boxes.get("n0"));
    if (hadFocus && focus) focus.button.focus({ preventScroll: true });
    const selected = selectedKey === undefined ? undefined : this.byKey(selectedKey);
    this.select(selected?.node?.id);
    this.search(this.find.value, false);
    this.root.dataset["shown"] = String(this.boxes.size);
  }

  private byKey(key: string): Box | undefined {
    for (const b of this.boxes.values()) if (b.node?.key === key) return b;
    return undefined;
  }

  private height(n: GraphNode): number {
    const rows = (n.cells?.length ?? 0) + (n.moreCells ? 1 : 0);
    return HEAD + (rows > 0 ? rows * ROW + 6 : 0);
  }

  private ask(graph: Graph): LayoutAsk {
    const boxes = graph.nodes.map((n) => ({ id: n.id, width: WIDTH, height: this.height(n) }));
    const lines = graph.edges.map((e) => ({ from: e.from, to: e.to, weight: 1 }));
    for (const f of graph.folds) {
      boxes.push({ id: f.id, width: FOLD_WIDTH, height: FOLD_HEIGHT });
      lines.push(f.up ? { from: f.id, to: f.at, weight: 2 } : { from: f.at, to: f.id, weight: 2 });
    }
    return { boxes, lines };
  }

  private draw(graph: Graph, answer: LayoutAnswer): void {
    this.boxes = new Map();
    this.drawn = [];
    const nodes = document.createDocumentFragment();
    for (const n of graph.nodes) {
      const box = this.nodeBox(n, answer.at[n.id]!);
      this.boxes.set(n.id, box);
      nodes.append(box.element);
    }
    for (const f of graph.folds) {
      const box = this.foldBox(f, answer.at[f.id]!);
      this.boxes.set(f.id, box);
      nodes.append(box.element);
    }
    this.boxesLayer.replaceChildren(nodes);

    const paths = document.createDocumentFragment();
    const linked = new Set<string>();
    for (const l of graph.links ?? []) linked.add(`${l.from[0]} ${l.to[0]}`);
    graph.edges.forEach((e, i) => {
      const path = this.path(e.from, e.to, answer.bends[i] ?? []);
      path.setAttribute("class", "lin-edge" + (e.sure ? "" : " is-unsure") + (e.loop ? " is-loop" : "") + (linked.has(`${e.from.slice(1)} ${e.to.slice(1)}`) ? " is-faint" : ""));
      path.setAttribute("marker-end", "url(#lin-arrow)");
      const title = document.createElementNS(SVG, "title");
      title.textContent = `${this.name(e.to)} ${e.ways.join(", ")}: ${this.name(e.from)}` + (e.how ? ` (${e.how})` : "") + (e.loop ? " (in a circle)" : "");
      path.append(title);
      this.drawn.push({ path, from: e.from, to: e.to, edge: e });
      paths.append(path);
    });
    graph.folds.forEach((f, i) => {
      const [from, to] = f.up ? [f.id, f.at] : [f.at, f.id];
      const path = this.path(from, to, answer.bends[graph.edges.length + i] ?? []);
      path.setAttribute("class", "lin-edge is-fold");
      this.drawn.push({ path, from, to });
      paths.append(path);
    });
    for (const l of graph.links ?? []) paths.append(this.cellPath(graph, l));
    this.linesLayer.replaceChildren(paths);
    this.labels.replaceChildren();
    this.lines.setAttribute("width", String(Math.ceil(answer.width)));
    this.lines.setAttribute("height", String(Math.ceil(answer.height)));
  }

  private name(id: string): string {
    return this.boxes.get(id)?.node?.name ?? "";
  }

  private nodeBox(n: GraphNode, at: Point): Box {
    const element = make("div", "lin-node" + (n.root ? " is-root" : ""));
    const button = make("button", "lin-box");
    button.type = "button";
    button.tabIndex = -1;
    button.dataset["id"] = n.id;
    button.setAttribute("aria-pressed", "false");
    button.title = n.name;
    const text = make("span", "lin-text");
    const name = make("bdi", "clip", n.name);
    const under = make("span", "lin-under clip");
    const path = make("bdi", "", [n.note, n.path].filter(Boolean).join(" · ") || n.word);
    under.append(path);
    text.append(name, under);
    button.append(this.icon(n.kind), hidden(`${n.word}: `), text);
    if (n.gaps) {
      const gap = make("span", "lin-gap-mark", "?");
      gap.setAttribute("aria-hidden", "true");
      button.append(gap);
    }
    button.append(hidden(`, ${count(n.sources, "source")}, ${count(n.users, "user")}${n.gaps ? `, ${count(n.gaps, "part")} not resolved` : ""}`));
    element.append(button);
    if (n.openUp && n.moreUp) element.append(this.handle(n, "up", n.moreUp, n.openUp));
    if (n.openDown && n.moreDown) element.append(this.handle(n, "down", n.moreDown, n.openDown));
    if (n.cells?.length) {
      const list = make("ul", "lin-rows");
      n.cells.forEach((c, i) => {
        const row = make("li", "lin-row" + (c.use ? " is-use" : "") + (c.mark ? " is-mark" : ""));
        row.dataset["row"] = `${n.id.slice(1)} ${i}`;
        row.title = c.from ? `${c.name}, from ${c.from}` : c.name;
        row.append(make("bdi", "clip", c.name));
        list.append(row);
      });
      if (n.moreCells) list.append(make("li", "lin-row is-use", `+${n.moreCells} columns`));
      element.append(list);
    }
    const height = this.height(n);
    element.style.width = `${WIDTH}px`;
    element.style.height = `${height}px`;
    element.style.transform = `translate(${at.x}px, ${at.y}px)`;
    return { element, button, node: n, x: at.x, y: at.y, width: WIDTH, height };
  }

  private handle(n: GraphNode, side: "up" | "down", more: number, address: string): HTMLButtonElement {
    const button = make("button", `lin-handle is-${side}`, `+${more}`);
    button.type = "button";
    button.tabIndex = -1;
    const what = side === "up" ? "sources" : "users";
    button.title = `Show more ${what}: ${more} are not shown`;
    button.append(hidden(` ${what} of ${n.name} are not shown: show more`));
    button.addEventListener("click", () => this.go(address, n.key));
    return button;
  }

  private foldBox(f: Fold, corner: Point): Box {
    const element = make("div", "lin-node is-fold");
    const button = make("button", "lin-box", f.text);
    button.type = "button";
    button.tabIndex = -1;
    button.dataset["id"] = f.id;
    const at = this.boxes.get(f.at)?.node;
    const open = f.open;
    if (open) {
      button.append(hidden(` more ${f.up ? "sources" : "users"} of ${at?.name ?? ""}: show some`));
      button.title = "Show some of them";
      button.addEventListener("click", () => this.go(open, at?.key ?? ""));
    } else {
      button.append(hidden(`, ${f.up ? "sources" : "users"} of ${at?.name ?? ""}`));
      button.title = f.text;
      button.setAttribute("aria-disabled", "true");
    }
    element.append(button);
    element.style.width = `${FOLD_WIDTH}px`;
    element.style.height = `${FOLD_HEIGHT}px`;
    element.style.transform = `translate(${corner.x}px, ${corner.y}px)`;
    return { element, button, fold: f, x: corner.x, y: corner.y, width: FOLD_WIDTH, height: FOLD_HEIGHT };
  }

  private path(from: string, to: string, bends: Point[]): SVGPathElement {
    const a = this.boxes.get(from)!;
    const b = this.boxes.get(to)!;
    const head = (x: Box): number => x.y + (x.node ? HEAD / 2 : FOLD_HEIGHT / 2);
    const start = { x: a.x + a.width, y: head(a) };
    const end = { x: b.x - 5, y: head(b) };
    const path = document.createElementNS(SVG, "path");
    if (end.x > start.x) {
      path.setAttribute("d", curve([start, ...bends, end]));
    } else {
      // Back, or to itself: over the boxes, from top to top.
      const own = from === to ? 28 : 0;
      const [x1, x2] = [round(a.x + a.width / 2 + own), round(b.x + b.width / 2 - own)];
      const top = round(Math.min(a.y, b.y) - Math.min(72, 26 + Math.abs(x1 - x2) / 8));
      path.setAttribute("d", `M${x1} ${round(a.y)} C${x1} ${top} ${x2} ${top} ${x2} ${round(b.y - 4)}`);
    }
    return path;
  }

  private cellPath(graph: Graph, l: CellLink): SVGPathElement {
    const a = this.boxes.get(graph.nodes[l.from[0]]!.id)!;
    const b = this.boxes.get(graph.nodes[l.to[0]]!.id)!;
    const y = (box: Box, row: number): number => box.y + HEAD + row * ROW + ROW / 2;
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", "lin-cell" + (l.sure ? "" : " is-unsure"));
    path.setAttribute("d", curve([{ x: a.x + a.width, y: y(a, l.from[1]) }, { x: b.x, y: y(b, l.to[1]) }]));
    path.dataset["from"] = l.from.join(" ");
    path.dataset["to"] = l.to.join(" ");
    return path;
  }

  private arrows(): SVGDefsElement {
    const defs = document.createElementNS(SVG, "defs");
    const marker = document.createElementNS(SVG, "marker");
    for (const [k, v] of Object.entries({ id: "lin-arrow", viewBox: "0 0 8 8", refX: "6", refY: "4", markerWidth: "7", markerHeight: "7", orient: "auto", markerUnits: "userSpaceOnUse" })) marker.setAttribute(k, v);
    const tip = document.createElementNS(SVG, "path");
    tip.setAttribute("d", "M0 0.500 7 4 0 7.500z");
    tip.setAttribute("class", "lin-tip");
    marker.append(tip);
    defs.append(marker);
    return defs;
  }

  private icon(name: string): Node {
    const icon = this.root.querySelector(`[data-lineage-icons] [data-icon="${CSS.escape(name)}"] svg`) ?? this.root.querySelector('[data-lineage-icons] [data-icon="question"] svg');
    return icon ? icon.cloneNode(true) : document.createTextNode("");
  }

  // What a pointer or the focus is at lights up with everything it is made from
  // and everything made from it.
  private light(id: string | undefined): void {
    this.root.classList.toggle("has-light", id !== undefined);
    const on = new Set<string>();
    if (id !== undefined) {
      this.reach(id, "from", "to", on);
      this.reach(id, "to", "from", on);
    }
    for (const [key, box] of this.boxes) box.element.classList.toggle("is-on", on.has(key));
    const up = new Set<string>();
    const down = new Set<string>();
    if (id !== undefined) {
      this.reach(id, "to", "from", up);
      this.reach(id, "from", "to", down);
    }
    this.labels.replaceChildren();
    for (const l of this.drawn) {
      const lit = (up.has(l.from) && up.has(l.to)) || (down.has(l.from) && down.has(l.to));
      l.path.classList.toggle("is-on", lit);
      if (lit && (l.from === id || l.to === id) && l.edge) this.label(l, l.from === id ? 0.72 : 0.28);
    }
  }

  // A label stands nearer to the other end, where the lines of a fan are apart.
  private label(l: Line, at: number): void {
    const size = this.labels.childNodes.length;
    if (size >= 24 || !l.edge) return; // more would cover each other
    const middle = l.path.getPointAtLength(l.path.getTotalLength() * at);
    const text = document.createElementNS(SVG, "text");
    text.setAttribute("class", "lin-label");
    text.setAttribute("x", String(middle.x));
    text.setAttribute("y", String(middle.y - 4));
    text.textContent = l.edge.ways[0] + (l.edge.ways.length > 1 ? ` +${l.edge.ways.length - 1}` : "") + (l.edge.how ? ` (${l.edge.how})` : "");
    this.labels.append(text);
  }

  private reach(id: string, here: "from" | "to", there: "from" | "to", into: Set<string>): void {
    const next = new Map<string, string[]>();
    for (const l of this.drawn) {
      const list = next.get(l[here]);
      if (list) list.push(l[there]);
      else next.set(l[here], [l[there]]);
    }
    const work = [id];
    const seen = new Set<string>();
    while (work.length > 0) {
      const n = work.pop()!;
      if (seen.has(n)) continue;
      seen.add(n);
      into.add(n);
      work.push(...(next.get(n) ?? []));
    }
  }

  // A column lights up with what carries it.
  private lightRow(row: string | undefined): void {
    this.root.classList.toggle("has-row", row !== undefined);
    const on = new Set<string>();
    const paths = Array.from(this.linesLayer.querySelectorAll<SVGPathElement>(".lin-cell"));
    for (const [here, there] of [["from", "to"], ["to", "from"]] as const) {
      const work = row === undefined ? [] : [row];
      const seen = new Set<string>();
      while (work.length > 0) {
        const r = work.pop()!;
        if (seen.has(r)) continue;
        seen.add(r);
        on.add(r);
        for (const p of paths) {
          if (p.dataset[here] === r) {
            p.classList.add("is-on");
            work.push(p.dataset[there]!);
          }
        }
      }
    }
    if (row === undefined) for (const p of paths) p.classList.remove("is-on");
    for (const r of this.boxesLayer.querySelectorAll<HTMLElement>(".lin-row[data-row]")) r.classList.toggle("is-on", on.has(r.dataset["row"]!));
  }

  private select(id: string | undefined, focus = false): void {
    const before = this.selected;
    this.selected = id;
    for (const [key, box] of this.boxes) {
      if (!box.node) continue;
      box.button.setAttribute("aria-pressed", String(key === id));
      box.element.classList.toggle("is-selected", key === id);
    }
    this.light(id);
    const box = id === undefined ? undefined : this.boxes.get(id);
    if (box?.node && this.graph) {
      this.side.show(box.node, this.graph);
      this.view.reveal(box); // the stage has become smaller
    } else {
      this.side.hide();
    }
    if (focus && before !== undefined) this.boxes.get(before)?.button.focus({ preventScroll: true });
  }

  private roving(box: Box | undefined): void {
    if (!box) return;
    for (const b of this.boxes.values()) b.button.tabIndex = b === box ? 0 : -1;
  }

  private focusBox(id: string, center: boolean): void {
    const box = this.boxes.get(id);
    if (!box) return;
    this.roving(box);
    box.button.focus({ preventScroll: true });
    if (center) this.view.center({ x: box.x + box.width / 2, y: box.y + box.height / 2 });
    else this.view.reveal(box);
  }

  private listen(): void {
    this.boxesLayer.addEventListener("click", (event) => {
      const row = (event.target as Element).closest<HTMLElement>(".lin-row[data-row]");
      if (row) {
        this.lightRow(undefined);
        this.lightRow(row.dataset["row"]);
        return;
      }
      const id = (event.target as Element).closest<HTMLElement>(".lin-box")?.dataset["id"];
      if (!id || !this.boxes.get(id)?.node) return;
      this.roving(this.boxes.get(id));
      this.select(this.selected === id ? undefined : id);
    });
    const at = (event: Event): string | undefined => (event.target as Element).closest<HTMLElement>(".lin-node")?.querySelector<HTMLElement>(".lin-box")?.dataset["id"];
    this.boxesLayer.addEventListener("pointerover", (event) => {
      const row = (event.target as Element).closest<HTMLElement>(".lin-row[data-row]");
      this.lightRow(undefined);
      if (row) this.lightRow(row.dataset["row"]);
      if (!this.view.dragging) this.light(at(event) ?? this.selected);
    });
    this.boxesLayer.addEventListener("pointerleave", () => {
      this.lightRow(undefined);
      this.light(this.selected);
    });
    this.boxesLayer.addEventListener("focusin", (event) => this.light(at(event)));
    this.boxesLayer.addEventListener("focusout", () => this.light(this.selected));
    this.stage.addEventListener("click", (event) => {
      if (!this.view.moved && !(event.target as Element).closest(".lin-node, .lin-map")) this.select(undefined);
    });
    this.boxesLayer.addEventListener("keydown", (event) => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const id = (event.target as Element).closest<HTMLElement>(".lin-box")?.dataset["id"];
    const box = id === undefined ? undefined : this.boxes.get(id);
    if (!box || !id || event.ctrlKey || event.metaKey || event.altKey) return;
    const done = (): void => {
      event.preventDefault();
      event.stopPropagation();
    };
    switch (event.key) {
      case "ArrowLeft":
      case "ArrowRight": {
        done();
        const left = event.key === "ArrowLeft";
        const open = left ? box.node?.openUp : box.node?.openDown;
        if (event.shiftKey) {
          if (open) this.go(open, box.node!.key);
          return;
        }
        const ends = this.drawn.filter((l) => (left ? l.to : l.from) === id && l.from !== l.to).map((l) => (left ? l.from : l.to));
        const next = this.nearest(box, ends);
        if (next) this.focusBox(next, false);
        return;
      }
      case "ArrowUp":
      case "ArrowDown": {
        done();
        const down = event.key === "ArrowDown";
        const column = Array.from(this.boxes).filter(([, b]) => b !== box && Math.abs(b.x + b.width / 2 - box.x - box.width / 2) < WIDTH / 2 && (down ? b.y > box.y : b.y < box.y)).map(([k]) => k);
        const next = this.nearest(box, column);
        if (next) this.focusBox(next, false);
        return;
      }
      case "Home":
        done();
        this.focusBox("n0", true);
        return;
      case "Escape":
        if (this.selected === undefined) return;
        done();
        this.select(undefined);
        return;
      case "+":
        done();
        this.view.zoom(1.25);
        return;
      case "-":
        done();
        this.view.zoom(0.8);
        return;
      case "0":
        done();
        this.fit(false);
        return;
    }
  }

  private nearest(box: Box, ids: string[]): string | undefined {
    let best: string | undefined;
    let distance = Infinity;
    for (const id of ids) {
      const b = this.boxes.get(id);
      if (!b) continue;
      const d = Math.abs(b.y + b.height / 2 - box.y - box.height / 2);
      if (d < distance) [best, distance] = [id, d];
    }
    return best;
  }

  /** Shows everything, or, where that would be too small to read, the root. */
  private fit(first: boolean): void {
    const root = this.boxes.get("n0");
    let [width, height] = [0, 0];
    for (const b of this.boxes.values()) [width, height] = [Math.max(width, b.x + b.width), Math.max(height, b.y + b.height)];
    const least = first ? 0.85 : 0.02;
    const scale = this.view.fit(width + 24, height + 24, least);
    if (!first || !root || (width * scale <= this.view.width && height * scale <= this.view.height)) return;
    // Too much to read at once: begin at the start, with room on the side where
    // there is something.
    const box = { x: root.x + root.width / 2, y: root.y + Math.min(root.height, 300) / 2 };
    const [left, right] = [root.x, width - root.x - root.width];
    const share = left < 100 && right > 100 ? 0.2 : right < 100 && left > 100 ? 0.8 : 0.5;
    const margin = (root.width / 2) * scale + 16;
    const x = Math.min(Math.max(this.view.width * share, margin), this.view.width - margin);
    const tall = height * scale > this.view.height;
    this.view.place(box, { x, y: tall ? this.view.height / 2 : this.view.toScreen(box).y });
  }

  private tools(place: HTMLElement): void {
    const label = make("label", "visually-hidden", "Find in the graph");
    label.htmlFor = "lin-find";
    this.find = make("input", "");
    this.find.id = "lin-find";
    this.find.type = "search";
    this.find.placeholder = "Find in the graph";
    this.find.autocomplete = "off";
    this.find.spellcheck = false;
    this.found = make("span", "small muted lin-found");
    this.found.setAttribute("role", "status");
    this.find.addEventListener("input", () => this.search(this.find.value, true));
    this.find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.step(event.shiftKey ? -1 : 1);
      }
    });
    const buttons = make("div", "lin-zoom");
    const add = (text: string, title: string, run: () => void): void => {
      const button = make("button", "button small", text);
      button.type = "button";
      button.setAttribute("aria-label", title);
      button.title = title;
      button.addEventListener("click", run);
      buttons.append(button);
    };
    add("−", "Zoom out", () => this.view.zoom(0.8));
    add("+", "Zoom in", () => this.view.zoom(1.25));
    add("Fit", "Fit everything into view", () => this.fit(false));
    add("Start", "Back to the start", () => this.focusBox("n0", true));
    place.append(label, this.find, this.found, buttons);
  }

  private search(text: string, move: boolean): void {
    const words = text.trim().toLocaleLowerCase().split(/\s+/).filter(Boolean);
    this.hits = [];
    this.hit = -1;
    for (const [id, b] of this.boxes) {
      const name = b.node ? `${b.node.name} ${b.node.word} ${b.node.cells?.map((c) => c.name).join(" ") ?? ""}`.toLocaleLowerCase() : "";
      const is = words.length > 0 && words.every((w) => name.includes(w));
      b.element.classList.toggle("is-hit", is);
      if (is) this.hits.push(id);
    }
    this.hits.sort((a, b) => this.boxes.get(a)!.x - this.boxes.get(b)!.x || this.boxes.get(a)!.y - this.boxes.get(b)!.y);
    this.found.textContent = words.length === 0 ? "" : this.hits.length === 0 ? "Not among what is shown" : `${this.hits.length} found`;
    if (move && this.hits.length > 0) this.step(1);
  }

  private step(by: number): void {
    if (this.hits.length === 0) return;
    this.hit = (this.hit + by + this.hits.length) % this.hits.length;
    const box = this.boxes.get(this.hits[this.hit]!)!;
    this.view.center({ x: box.x + box.width / 2, y: box.y + Math.min(box.height, 200) / 2 });
    this.found.textContent = `${this.hit + 1} of ${this.hits.length}`;
    this.light(this.hits[this.hit]);
    this.roving(box);
  }
}

/** A smooth line through points from left to right. */
function curve(points: Point[]): string {
  let d = `M${round(points[0]!.x)} ${round(points[0]!.y)}`;
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1]!;
    const b = points[i]!;
    const pull = b.x > a.x ? (b.x - a.x) / 2 : Math.max(60, (a.x - b.x) / 3);
    d += ` C${round(a.x + pull)} ${round(a.y)} ${round(b.x - pull)} ${round(b.y)} ${round(b.x)} ${round(b.y)}`;
  }
  return d;
}

function round(n: number): number {
  return Math.round(n * 10) / 10;
}
