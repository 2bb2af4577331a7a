import { Graph, layout } from "@dagrejs/dagre";
import type { LayoutAnswer, LayoutAsk, Point } from "./lineage-types";

/** Places boxes left to right in the direction of the lines. Cycles are broken
 * somewhere. */
export function place(ask: LayoutAsk): LayoutAnswer {
  const g = new Graph();
  // Network simplex takes seconds on dense graphs and looks hardly better.
  const ranker = ask.lines.length > 120 ? "tight-tree" : "network-simplex";
  g.setGraph({ rankdir: "LR", nodesep: 12, edgesep: 8, ranksep: 88, marginx: 24, marginy: 24, ranker });
  g.setDefaultEdgeLabel(() => ({}));
  for (const b of ask.boxes) g.setNode(b.id, { width: b.width, height: b.height });
  for (const l of ask.lines) if (l.from !== l.to) g.setEdge(l.from, l.to, { weight: l.weight });
  layout(g);
  const at: Record<string, Point> = {};
  for (const b of ask.boxes) {
    const n = g.node(b.id) as unknown as Point;
    at[b.id] = { x: n.x - b.width / 2, y: n.y - b.height / 2 };
  }
  const bends = ask.lines.map((l) => {
    if (l.from === l.to) return [];
    const e = g.edge(l.from, l.to) as unknown as { points?: Point[] } | undefined;
    return (e?.points ?? []).slice(1, -1);
  });
  const size = g.graph() as { width?: number; height?: number };
  return { at, bends, width: Number.isFinite(size.width) ? size.width! : 0, height: Number.isFinite(size.height) ? size.height! : 0 };
}
