"""The circuit graph in a real browser: search, marks, keys, zoom, full screen, pictures, and its page that stands alone."""

import re
from xml.etree import ElementTree

import pytest

from analysis import store
from components import circuit_layout, circuit_network, palette
from tests.browser.conftest import go, settle
from tests.made_circuits import made_circuit

CIRCUITS = store.read_circuits(store.DATA / "results" / "circuits")[0]
SAMPLE = next(iter(CIRCUITS))
SVG = "{http://www.w3.org/2000/svg}"


class Graph:
    """The first graph of a page, as its reader has it."""

    def __init__(self, page):
        self.page = page
        self.area = page.locator(".circuit .canvas").first
        self.page.wait_for_function("() => !document.fullscreenElement")
        self.area.wait_for()

    def state(self, key: str):
        return self.area.evaluate("(area, key) => area.circuit.state[key]", key)

    def ids(self, what: str) -> set[str]:
        return {item["id"] for item in self.state("view")[what]}

    def scale(self) -> float:
        return self.area.evaluate("area => area.circuit.network.getScale()")

    def lit(self) -> set[str]:
        return set(self.area.evaluate("""area => Object.values(area.circuit.network.body.edges)
            .filter(edge => !edge.options.hidden).map(edge => edge.id)"""))

    def click(self, node: str, **how) -> None:
        place = self.area.evaluate("(area, node) => area.circuit.at(node)", node)
        self.area.click(position=place, **how)

    def press(self, *keys: str) -> None:
        self.area.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def says(self, words: str) -> None:
        self.page.locator(".circuit .said").first.get_by_text(words).wait_for()

    def url_has(self, pattern: str) -> None:
        self.page.wait_for_function("pattern => new RegExp(pattern).test(decodeURIComponent(location.search))", arg=pattern)
        settle(self.page)


@pytest.fixture
def graph(shared_server, long_tab, request):
    """As it opens, without a mark: those of the test before are cleared from its tab, or else it is loaded anew."""
    bare, graph = f"{shared_server}/circuits?sample={SAMPLE}", None
    if long_tab.url.startswith(bare) and not request.session.testsfailed:
        graph = Graph(long_tab)
        graph.press("Escape", "Escape", "0")
        for pin in reversed(long_tab.get_by_role("button", name="Remove the pin").all()):
            pin.click()
        settle(long_tab)
    return graph if graph and long_tab.url == bare else Graph(go(long_tab, bare))


def touching(graph: Graph, *nodes: str) -> set[str]:
    return {edge["id"] for edge in graph.state("view")["edges"] if edge["from"] in nodes or edge["to"] in nodes}


def test_search_jumps_to_nodes_and_edges_and_says_when_there_is_none(graph):
    find = graph.page.get_by_label("Find a node or an edge")
    find.fill("nowhere")
    find.press("Enter")
    graph.says('No match for "nowhere"')
    assert graph.state("selected") is None
    find.fill("M0")
    find.press("Enter")
    graph.url_has("node=m0")
    assert graph.state("selected") == "m0" and graph.lit() == touching(graph, "m0")
    beside = graph.page.get_by_role("region", name="Edges beside the graph")
    rows, edges = beside.get_by_role("button"), graph.state("view")["edges"]
    assert rows.count() == len(touching(graph, "m0"))
    into = [edge for edge in edges if edge["to"] == "m0"][-1]  # the strongest is the last
    rows.first.hover()
    assert graph.lit() == {into["id"]}
    rows.first.click()
    graph.url_has(f"node={into['from']}")
    edge = graph.state("view")["edges"][-1]["id"]
    find.fill(edge)
    find.press("Enter")
    graph.says(edge)
    assert graph.state("edge") == edge == beside.get_by_role("heading").inner_text()


def test_hover_lights_the_neighbours_and_lets_go(graph):
    place = graph.area.evaluate("area => area.circuit.at('m0')")
    graph.area.hover(position=place)
    assert graph.lit() == touching(graph, "m0") < graph.ids("edges")
    graph.page.mouse.move(1, 1)
    assert graph.lit() == graph.ids("edges")


def test_pins_stay_lit_and_are_in_the_address(graph):
    graph.click("m0", modifiers=["Shift"])
    graph.url_has("pins=m0")
    graph.click("m1")
    graph.url_has("node=m1")
    graph.press("p")
    graph.url_has("pins=m0,m1")
    graph.press("Escape")
    graph.page.mouse.move(1, 1)
    assert graph.state("pins") == ["m0", "m1"] and graph.lit() == touching(graph, "m0", "m1")
    graph.page.reload()
    settle(graph.page)
    assert Graph(graph.page).state("pins") == ["m0", "m1"]
    graph.page.get_by_role("button", name="Remove the pin of m0").click()
    graph.page.wait_for_url(re.compile("pins=m1"))


def test_choices_in_quick_succession_all_arrive(graph):
    graph.click("m0")
    graph.click("m1", modifiers=["Shift"])
    graph.click("m2", modifiers=["Shift"])
    graph.url_has("pins=m1,m2")
    graph.url_has("node=m0")
    assert graph.state("selected") == "m0" and graph.state("pins") == ["m1", "m2"]


def test_the_path_is_the_one_whose_weakest_edge_is_strongest(graph):
    graph.click("input")
    graph.page.get_by_role("button", name="Path from here").click()
    graph.says("Path from input")
    graph.click("m2")
    graph.url_has("path=input,m2")
    edges = {edge["id"]: edge for edge in graph.state("view")["edges"]}
    route = [edges[name] for name in graph.state("route")]
    assert route[0]["from"] == "input" and route[-1]["to"] == "m2"
    assert all(a["to"] == b["from"] for a, b in zip(route, route[1:], strict=False))
    weakest = min(abs(edge["score"]) for edge in route)
    reached = {"input"}  # by edges that are all stronger than the weakest of the path: the end must be out of their reach
    for edge in sorted(edges.values(), key=lambda e: next(n["x"] for n in graph.state("view")["nodes"] if n["id"] == e["from"])):
        if edge["from"] in reached and abs(edge["score"]) > weakest:
            reached.add(edge["to"])
    assert "m2" not in reached
    graph.says(" -> ".join(["input", *(edge["to"] for edge in route)]))
    graph.page.get_by_role("button", name="Remove the path").click()
    graph.page.wait_for_function("() => !location.search.includes('path=')")


def test_a_node_found_by_name_ends_the_path_that_was_begun(graph):
    graph.click("input")
    graph.page.get_by_role("button", name="Path from here").click()
    graph.says("Path from input")
    search = graph.page.get_by_label("Find a node or an edge")
    search.fill("m2")
    search.press("Enter")
    graph.url_has("path=input,m2")


@pytest.mark.parametrize(("edges", "route"), [
    ({"input->logits": 1, "input->m0": 5, "m0->logits": 2}, ["input->m0", "m0->logits"]),  # 2 beats the 1 of the short way
    ({"input->m0": 5, "m0->m1": 4, "m1->logits": -4, "input->m1": -4}, ["input->m1", "m1->logits"]),  # 4 either way: fewer edges
    ({"input->m0": 5, "m1->logits": 4}, []),
])
def test_the_strongest_path_of_a_graph_worked_by_hand(chromium, tmp_path, edges, route):
    view = circuit_network.of_circuit(made_circuit(edges), 1) | {"path": ["logits", "input"]}
    file = tmp_path / "circuit.html"
    file.write_text(circuit_network.offline_html(view, "By hand"))
    page = chromium.new_page()
    page.goto(file.as_uri())
    graph = Graph(page)
    assert graph.state("route") == route
    graph.says(f"input -> {route[0].split('->')[1]} -> logits" if route else "No path between logits and input")
    page.close()


def test_without_a_path_it_says_so(graph):
    heads = sorted(node["id"] for node in graph.state("view")["nodes"] if node["id"].startswith("a0."))
    graph.click(heads[0])
    graph.press("t")
    graph.click(heads[1])
    graph.says(f"No path between {heads[0]} and {heads[1]}")


def test_keys_walk_select_and_clear(graph):
    graph.press("ArrowRight", "ArrowRight")
    assert graph.state("hovered").startswith("a0.") or graph.state("hovered") == "m0"
    graph.press("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown")
    assert graph.state("hovered") == "m0"  # the last lane
    graph.press("Enter")
    graph.url_has("node=m0")
    graph.press("ArrowLeft")
    assert graph.state("hovered") == "input"
    graph.press("?")
    assert graph.page.get_by_text("full screen and back").is_visible()
    graph.press("Escape", "Escape")
    graph.page.wait_for_function("() => !location.search.includes('node=')")
    graph.press("/")
    assert graph.page.evaluate("() => { let e = document.activeElement; while (e.shadowRoot) e = e.shadowRoot.activeElement; "
                               "return e.className; }") == "find"


def test_zoom_is_kept_when_a_slider_moves(graph):
    graph.press("+", "+")
    scale = graph.scale()
    assert scale > 1.5
    graph.page.get_by_role("slider", name=re.compile("Late from layer")).focus()
    graph.page.keyboard.press("ArrowRight")
    graph.url_has("late_from=")
    graph.page.wait_for_function("""() => { const find = root => { for (const e of root.querySelectorAll('*')) {
        if (e.circuit) return e; if (e.shadowRoot && find(e.shadowRoot)) return find(e.shadowRoot); } };
        return find(document).circuit.state.boundary === 5; }""")
    assert graph.scale() == pytest.approx(scale)
    graph.press("0")
    assert graph.scale() == 1


def test_dragging_the_boundary_moves_the_slider(graph):
    box = graph.area.bounding_box()
    line = """(area, layer) => area.circuit.network.canvasToDOM({x: area.circuit.state.unit.atX(layer - 0.5), y: 0}).x"""
    start, end = (box["x"] + graph.area.evaluate(line, layer) for layer in (graph.state("boundary"), 2))
    graph.page.mouse.move(start, box["y"] + 60)
    graph.page.mouse.down()
    graph.page.mouse.move(end, box["y"] + 60, steps=4)
    graph.page.mouse.up()
    graph.url_has("late_from=2")
    assert graph.state("boundary") == 2
    graph.press("]", "]", "]")
    graph.url_has("late_from=5")
    assert graph.state("boundary") == 5


def test_full_screen_and_back(graph):
    button = graph.page.get_by_role("button", name="Full screen", exact=True)
    width = graph.area.bounding_box()["width"]
    button.click()
    graph.page.wait_for_function("() => document.fullscreenElement")
    assert button.get_attribute("aria-pressed") == "true" and graph.area.bounding_box()["width"] > width
    graph.press("f")
    graph.page.wait_for_function("() => !document.fullscreenElement")
    assert button.get_attribute("aria-pressed") == "false"


def saved(graph: Graph, kind: str) -> bytes:
    with graph.page.expect_download() as download:
        graph.page.get_by_role("button", name=f"Save as {kind}").click()
    assert download.value.suggested_filename == f"circuit-{SAMPLE}.{kind.lower()}"
    return download.value.path().read_bytes()


def test_pictures_hold_every_edge_that_is_drawn(graph):
    graph.click("m0")
    graph.url_has("node=m0")
    picture = ElementTree.fromstring(saved(graph, "SVG"))
    lines = {group.get("data-id"): group.find(f"{SVG}path") for group in picture.iter(f"{SVG}g") if group.get("class") == "edge"}
    assert set(lines) == graph.ids("edges") and all(line is not None for line in lines.values())
    dimmed = {name for name, line in lines.items() if ",0.06)" in line.get("stroke").replace(" ", "")}
    assert dimmed == graph.ids("edges") - touching(graph, "m0") and dimmed
    words = {text.text for text in picture.iter(f"{SVG}text")}
    assert {"layer", "MLP", "input", "logits", "m0", "width: |score|"} <= words and any(w.startswith("early ") for w in words)
    png = saved(graph, "PNG")
    assert png.startswith(b"\x89PNG") and len(png) > 20_000


def test_a_hovered_node_lights_up_in_the_other_graph_too(look):
    page = look("easy_vs_hard")
    first, second = page.locator(".circuit .canvas").nth(0), page.locator(".circuit .canvas").nth(1)
    second.wait_for()
    first.hover(position=first.evaluate("area => area.circuit.at('m0')"))
    assert second.evaluate("area => area.circuit.state.hovered") == "m0"
    page.mouse.move(1, 1)
    assert second.evaluate("area => area.circuit.state.hovered") is None


def test_the_page_that_stands_alone_draws_the_same_marked_graph(chromium, tmp_path):
    circuit = CIRCUITS[SAMPLE]
    shown = circuit_layout.only(circuit_layout.edges(circuit, 3), sign="supports")
    view = circuit_network.of_circuit(circuit, 3, shown) | {"selected": "m0", "pins": ["m1"], "path": ["input", "logits"]}
    file = tmp_path / "circuit.html"
    payload = "</script><img src=x onerror=alert(1)>"
    file.write_text(circuit_network.offline_html(view, payload))
    page = chromium.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(file.as_uri())
    graph = Graph(page)
    assert graph.ids("edges") == set(shown["edge"]) and graph.state("boundary") == 3
    assert graph.ids("nodes") == {node["id"] for node in view["nodes"]}
    assert (graph.state("selected"), graph.state("pins"), graph.state("path")) == ("m0", ["m1"], ["input", "logits"])
    assert graph.state("route") and touching(graph, "m1") < graph.lit() < graph.ids("edges")
    graph.press("Escape")
    assert graph.lit() == touching(graph, "m1")
    page.emulate_media(color_scheme="dark")
    dark = "colour => document.querySelector('.canvas').circuit.state.c.background === colour"
    page.wait_for_function(dark, arg=palette.DARK["background"])
    assert page.locator("h1").inner_text() == page.title() == payload and page.locator("img").count() == 0
    assert saved(graph, "SVG").count(b'class="edge"') == len(shown)
    page.close()
    assert [url for url in asked if not url.startswith("blob:")] == [file.as_uri()] and not errors
