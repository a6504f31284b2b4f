// Questions about a view's graph, without drawing: the strongest path, the next node for a key, what a search finds.

function strongestPath(view, one, other) {  // ids of its edges: the weakest is as strong as can be, then they are few; null if none
  const x = new Map(view.nodes.map(node => [node.id, node.x]));
  const [start, end] = x.get(one) <= x.get(other) ? [one, other] : [other, one];  // time runs left to right
  const size = edge => Math.abs(edge.score), widest = new Map([[start, Infinity]]);
  const onward = [...view.edges].sort((a, b) => x.get(a.from) - x.get(b.from) || size(b) - size(a));
  for (const edge of onward) {
    const through = Math.min(widest.get(edge.from) ?? -1, size(edge));
    if (through > (widest.get(edge.to) ?? -1)) widest.set(edge.to, through);
  }
  if (start === end || !widest.has(end) || widest.get(end) < 0) return null;
  const cameBy = new Map([[start, null]]);
  for (let ends = [start]; ends.length && !cameBy.has(end);) {  // breadth first, strong edges first
    const next = [];
    for (const edge of onward) {
      if (!ends.includes(edge.from) || cameBy.has(edge.to) || size(edge) < widest.get(end)) continue;
      cameBy.set(edge.to, edge);
      next.push(edge.to);
    }
    ends = next;
  }
  const path = [];
  for (let edge = cameBy.get(end); edge; edge = cameBy.get(edge.from)) path.unshift(edge);
  return path.map(edge => edge.id);
}

function pathWords(view, route) {
  const edges = route.map(id => view.edges.find(edge => edge.id === id));
  const weakest = Math.min(...edges.map(edge => Math.abs(edge.score)));
  return `Strongest path: ${[edges[0].from, ...edges.map(edge => edge.to)].join(" -> ")} (weakest edge ${weakest.toPrecision(3)})`;
}

function nextNode(view, from, key) {  // left and right: the nearest lane of the next layer; up and down: within the layer
  const layer = node => Math.round(node.x), here = view.nodes.find(node => node.id === from);
  if (!here) return view.nodes.reduce((a, b) => (b.x < a.x ? b : a)).id;
  if (key === "ArrowUp" || key === "ArrowDown") {
    const column = view.nodes.filter(node => layer(node) === layer(here)).sort((a, b) => a.y - b.y || a.x - b.x);
    return (column[column.indexOf(here) + (key === "ArrowUp" ? -1 : 1)] ?? here).id;
  }
  const way = key === "ArrowRight" ? 1 : -1;
  const rank = node => [way * (layer(node) - layer(here)), Math.abs(node.y - here.y)];
  const ahead = view.nodes.filter(node => rank(node)[0] > 0);
  ahead.sort((a, b) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1]);
  return (ahead[0] ?? here).id;
}

function found(view, words) {  // ids of nodes and edges: those that are what was typed, then those that begin so, then the rest
  const plain = text => text.toLowerCase().replaceAll(" ", ""), sought = plain(words);
  if (!sought) return [];
  const place = id => (plain(id) === sought ? 0 : plain(id).startsWith(sought) ? 1 : plain(id).includes(sought) ? 2 : 3);
  const edges = [...view.edges].reverse();  // strongest first
  return [...view.nodes, ...edges].map(item => item.id).filter(id => place(id) < 3).sort((a, b) => place(a) - place(b));
}
